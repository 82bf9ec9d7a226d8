import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError } from '../../vizproxy/web/api.js';
import { EMPTY_DESK, told } from '../../vizproxy/web/apps.js';
import { explain } from '../../vizproxy/web/describe.js';
import { Opening, withoutOpen } from '../../vizproxy/web/opening.js';
import { snapshot } from './fixtures.mjs';
import { settle, timersOf } from './timers.mjs';

const EMPTY = told(EMPTY_DESK, snapshot());
const FULL = told(EMPTY_DESK, snapshot([], [], [], { revision: 2, entries: 3 }));

function made(t, entry = 'tile.voreen', error = null) {
  const tick = timersOf(t);
  const seen = { asked: [], opened: 0, failed: [] };
  const opening = new Opening(entry, {
    async open(id) {
      seen.asked.push(id);
      if (error) throw error;
    },
    opened: () => { seen.opened += 1; },
    failed: (reason) => seen.failed.push(explain(reason)),
  });
  return { tick, seen, opening };
}

test('an address that names no app opens none', (t) => {
  const { tick, seen, opening } = made(t, '');
  opening.learn(FULL);
  tick(60_000);
  assert.deepEqual(seen, { asked: [], opened: 0, failed: [] });
});

test('the app is opened once, when there is a menu', async (t) => {
  const { tick, seen, opening } = made(t);
  opening.learn(EMPTY_DESK);
  tick(60_000);
  assert.deepEqual(seen.asked, [], 'nothing is known yet, and nothing runs out');
  opening.learn(FULL);
  opening.learn(FULL);
  await settle();
  opening.learn(EMPTY);
  tick(60_000);
  assert.deepEqual(seen, { asked: ['tile.voreen'], opened: 1, failed: [] });
});

test('a menu that comes late is waited for', async (t) => {
  const { tick, seen, opening } = made(t);
  opening.learn(EMPTY);
  tick(14_000);
  opening.learn(EMPTY);
  opening.learn(FULL);
  await settle();
  tick(60_000);
  assert.deepEqual(seen, { asked: ['tile.voreen'], opened: 1, failed: [] });
});

test('but not for ever', async (t) => {
  const { tick, seen, opening } = made(t);
  opening.learn(EMPTY);
  tick(15_000);
  opening.learn(FULL);
  await settle();
  assert.deepEqual(seen, { asked: [], opened: 0, failed: ['Cannot open tile.voreen: there is no such app in the menu here.'] });
});

test('a refusal is told, and the address stays as it is', async (t) => {
  const { seen, opening } = made(t, 'x', new ApiError(404, "cannot find 'x' in the menu: it is no tile", { code: 'no_such_entry', hint: 'the app menu' }));
  opening.learn(FULL);
  await settle();
  assert.deepEqual(seen.failed, ["Cannot find 'x' in the menu: it is no tile. Try the app menu."]);
  assert.equal(seen.opened, 0);
});

test('the address without what was opened', () => {
  const base = 'http://hub/user/zo%C3%AB/desktop/';
  assert.equal(withoutOpen(`${base}?open=tile.voreen`), base);
  assert.equal(withoutOpen(`${base}?a=1&open=x%2Fy&b=2#z`), `${base}?a=1&b=2#z`);
  assert.equal(withoutOpen(base), base);
});
