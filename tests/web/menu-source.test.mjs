import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError } from '../../vizproxy/web/api.js';
import { MenuSource } from '../../vizproxy/web/menu-source.js';
import { entry } from './fixtures.mjs';
import { settle, timersOf } from './timers.mjs';

const news = (revision) => ({ revision, entries: 1 });

/** A daemon that is in order, or not. */
function made(t) {
  const tick = timersOf(t);
  t.mock.method(Math, 'random', () => 0.5);
  const daemon = { revision: 1, asked: 0, broken: false };
  const seen = { loaded: 0, failed: 0 };
  const source = new MenuSource(async () => {
    daemon.asked += 1;
    if (daemon.broken) throw new ApiError(502, 'the server answered 502 Bad Gateway');
    return { revision: daemon.revision, entries: [entry('Kate')] };
  }, {
    loaded: () => { seen.loaded += 1; },
    failed: () => { seen.failed += 1; },
  });
  async function pass(milliseconds) {
    tick(milliseconds);
    await settle();
  }
  return { daemon, seen, source, pass };
}

test('it is asked for when somebody looks, and again when it has changed', async (t) => {
  const { daemon, seen, source, pass } = made(t);
  source.learn(news(1), true);
  await pass(60_000);
  assert.equal(daemon.asked, 0);
  source.wanted = true;
  await pass(0);
  source.learn(news(1), false);
  source.wanted = false;
  source.wanted = true;
  await pass(60_000);
  assert.equal(daemon.asked, 1, 'it is known');
  daemon.revision = 2;
  source.learn(news(2), false);
  await pass(0);
  source.learn(news(2), true);
  await pass(0);
  assert.deepEqual([daemon.asked, seen.loaded], [3, 3], 'a daemon that was restarted may count alike');
});

test('what changes while it is asked for is asked for again', async (t) => {
  const { daemon, seen, source, pass } = made(t);
  source.learn(news(1), true);
  source.wanted = true;
  source.learn(news(2), false);
  daemon.revision = 2;
  await pass(0);
  assert.deepEqual([daemon.asked, seen.loaded], [2, 2]);
  await pass(60_000);
  assert.equal(daemon.asked, 2);
});

test('after a failure it is asked for ever more slowly, until there is an answer', async (t) => {
  const { daemon, seen, source, pass } = made(t);
  daemon.broken = true;
  source.learn(news(1), true);
  source.wanted = true;
  await pass(0);
  assert.equal(daemon.asked, 1);
  for (const wait of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    const before = daemon.asked;
    await pass(wait - 10);
    assert.equal(daemon.asked, before, `${wait}`);
    await pass(10);
    assert.equal(daemon.asked, before + 1, `${wait}`);
  }
  daemon.broken = false;
  await pass(30_000);
  await pass(60_000);
  assert.deepEqual(seen, { loaded: 1, failed: 8 });
});

test('when nobody looks any more, it is not tried again; when somebody does, at once', async (t) => {
  const { daemon, source, pass } = made(t);
  daemon.broken = true;
  source.learn(news(1), true);
  source.wanted = true;
  await pass(0);
  source.wanted = false;
  await pass(3_600_000);
  assert.equal(daemon.asked, 1);
  source.wanted = true;
  source.wanted = false;
  await pass(3_600_000);
  assert.equal(daemon.asked, 2, 'nor after one that fails meanwhile');
  source.wanted = true;
  await pass(0);
  assert.equal(daemon.asked, 3);
});

test('where nobody may see it, an answer that comes late is not told', async (t) => {
  const { seen, source, pass } = made(t);
  source.learn(news(1), true);
  source.wanted = true;
  source.learn(null, false);
  await pass(60_000);
  assert.deepEqual(seen, { loaded: 0, failed: 0 });
});
