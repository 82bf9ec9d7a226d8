import assert from 'node:assert/strict';
import { test } from 'node:test';

import { keep, kept } from '../../vizproxy/web/store.js';

/** Gives the page a tab's storage for a test; none: the browser does not allow it. */
function storageOf(t, things) {
  const storage = things && {
    getItem: (name) => things.get(name) ?? null,
    setItem: (name, text) => { things.set(name, text); },
  };
  const get = () => {
    if (!storage) throw new Error('not allowed');
    return storage;
  };
  Object.defineProperty(globalThis, 'sessionStorage', { configurable: true, get });
  t.after(() => { delete globalThis.sessionStorage; });
}

test('what was kept is there again', (t) => {
  const things = new Map();
  storageOf(t, things);
  assert.deepEqual(kept('advice'), []);
  keep('advice', ['a', 'b']);
  assert.deepEqual(kept('advice'), ['a', 'b']);
  assert.deepEqual(kept('other'), []);
});

test('what is no list is taken for none', (t) => {
  const things = new Map();
  storageOf(t, things);
  for (const text of ['', 'x', 'null', '7', '"abc"', '{"length": 1}']) {
    things.set('vizproxy.advice', text);
    assert.deepEqual(kept('advice'), [], text);
  }
});

test('without storage nothing is kept, and nothing fails', (t) => {
  storageOf(t, null);
  keep('advice', ['a']);
  assert.deepEqual(kept('advice'), []);
});
