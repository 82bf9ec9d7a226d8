import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Resizer, wantedSize } from '../../vizproxy/web/resize.js';
import { settle, timersOf } from './timers.mjs';

const LIMITS = { min_width: 320, min_height: 200, max_width: 4096, max_height: 2160 };

test('sizes are whole pixels within the limits', () => {
  assert.deepEqual(wantedSize({ width: 1000.7, height: 700.2 }, LIMITS), { width: 1000, height: 700 });
  assert.deepEqual(wantedSize({ width: 9000, height: 100 }, LIMITS), { width: 4096, height: 200 });
  assert.deepEqual(wantedSize({ width: 9000, height: 100 }, null), { width: 9000, height: 100 });
});

test('a hidden window wants no size', () => {
  assert.equal(wantedSize({ width: 0, height: 0 }, LIMITS), null);
  assert.equal(wantedSize({ width: 800, height: 10 }, LIMITS), null);
});

test('only the last size of a drag is sent', async (t) => {
  const tick = timersOf(t);
  const sent = [];
  const resizer = new Resizer(async (size) => { sent.push(size.width); }, assert.fail);
  for (const width of [500, 600, 700]) {
    resizer.ask({ width, height: 400 });
    tick(50);
  }
  assert.deepEqual(sent, []);
  tick(200);
  await settle();
  assert.deepEqual(sent, [700]);
});

test('one request at a time, and the last one wins', async () => {
  const sent = [];
  /** @type {(() => void)[]} */
  const release = [];
  const resizer = new Resizer((size) => new Promise((resolve) => {
    sent.push(size.width);
    release.push(resolve);
  }), assert.fail);
  resizer.ask({ width: 500, height: 400 }, true);
  resizer.ask({ width: 600, height: 400 }, true);
  resizer.ask({ width: 700, height: 400 }, true);
  assert.deepEqual(sent, [500]);
  release[0]();
  await settle();
  assert.deepEqual(sent, [500, 700]);
});

test('a size that is already there is not sent again, until after a reset', async () => {
  const sent = [];
  const resizer = new Resizer(async (size) => { sent.push(size.width); }, assert.fail);
  resizer.ask({ width: 500, height: 400 }, true);
  await settle();
  resizer.ask({ width: 500, height: 400 }, true);
  assert.deepEqual(sent, [500]);
  resizer.reset();
  resizer.ask({ width: 500, height: 400 }, true);
  await settle();
  assert.deepEqual(sent, [500, 500]);
});

test('a refused size is reported and can be asked for again', async () => {
  let errors = 0;
  let tries = 0;
  const resizer = new Resizer(async () => {
    tries += 1;
    throw new Error('no');
  }, () => { errors += 1; });
  resizer.ask({ width: 500, height: 400 }, true);
  await settle();
  resizer.ask({ width: 500, height: 400 }, true);
  await settle();
  assert.deepEqual([tries, errors], [2, 2]);
});
