import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EMPTY_DESK, told } from '../../vizproxy/web/apps.js';
import { RETRY_TIME, StatusNews } from '../../vizproxy/web/status-news.js';
import { notice, snapshot, status } from './fixtures.mjs';
import { settle, timersOf } from './timers.mjs';

/** A daemon that answers when it is let. */
function made() {
  const asked = [];
  const seen = [];
  const news = new StatusNews(
    () => new Promise((resolve, reject) => asked.push({ resolve, reject })), ({ state }) => seen.push(state),
  );
  return { asked, seen, news };
}

const desk = (...notices) => told(EMPTY_DESK, snapshot([], [], notices));

test('a notice about the desktop itself may be news; one about an app is none', async () => {
  const { asked, seen, news } = made();
  news.learn(EMPTY_DESK);
  news.learn(desk());
  news.learn(desk(notice(1, { app: 'a-1' })));
  assert.equal(asked.length, 0);
  news.learn(desk(notice(2)));
  news.learn(desk(notice(2), notice(3, { app: 'a-1' })));
  assert.equal(asked.length, 1);
  asked[0].resolve(status('degraded'));
  await settle();
  assert.deepEqual(seen, ['degraded']);
  news.learn(EMPTY_DESK);
  assert.equal(asked.length, 1, 'what is forgotten is no news');
});

test('what comes up while it is asked for is asked for once more', async () => {
  const { asked, seen, news } = made();
  for (const id of [1, 2, 3]) news.learn(desk(notice(id)));
  assert.equal(asked.length, 1);
  asked[0].resolve(status('ready'));
  await settle();
  assert.equal(asked.length, 2);
  asked[1].resolve(status('degraded'));
  await settle();
  assert.deepEqual([asked.length, seen], [2, ['ready', 'degraded']]);
});

/** No answer to the last request. */
async function unanswered(asked) {
  asked.at(-1).reject(new Error('no'));
  await settle();
}

test('without an answer it asks once more after a while, and then waits for the next reason', async (t) => {
  const pass = timersOf(t);
  const { asked, seen, news } = made();
  void news.ask();
  await unanswered(asked);
  pass(RETRY_TIME - 1);
  assert.equal(asked.length, 1);
  pass(1);
  assert.equal(asked.length, 2);
  await unanswered(asked);
  pass(10 * RETRY_TIME);
  assert.equal(asked.length, 2);
  void news.ask();
  asked[2].resolve(status('degraded'));
  await settle();
  pass(10 * RETRY_TIME);
  assert.deepEqual([asked.length, seen], [3, ['degraded']]);
});

test('a new reason takes the place of asking once more, and may be asked for again itself', async (t) => {
  const pass = timersOf(t);
  const { asked, seen, news } = made();
  void news.ask();
  await unanswered(asked);
  void news.ask();
  pass(RETRY_TIME);
  assert.equal(asked.length, 2, 'one request at a time');
  await unanswered(asked);
  pass(RETRY_TIME);
  assert.equal(asked.length, 3);
  void news.ask();
  await unanswered(asked);
  pass(RETRY_TIME);
  assert.equal(asked.length, 4, 'what came up during the last one was not answered');
  asked[3].resolve(status('ready'));
  await settle();
  assert.deepEqual(seen, ['ready']);
});
