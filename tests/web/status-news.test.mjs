import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EMPTY_DESK, told } from '../../vizproxy/web/apps.js';
import { StatusNews } from '../../vizproxy/web/status-news.js';
import { notice, snapshot, status } from './fixtures.mjs';
import { settle } from './timers.mjs';

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

test('without an answer it waits for the next reason to ask', async () => {
  const { asked, seen, news } = made();
  void news.ask();
  asked[0].reject(new Error('no'));
  await settle();
  void news.ask();
  assert.equal(asked.length, 2);
  assert.deepEqual(seen, []);
});
