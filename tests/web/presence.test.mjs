import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Presence } from '../../vizproxy/web/presence.js';
import { timersOf } from './timers.mjs';

function made(t) {
  const tick = timersOf(t);
  const page = new EventTarget();
  page.document = new EventTarget();
  page.document.hidden = false;
  const told = [];
  new Presence(page, { tick: (seconds, used) => told.push([seconds, used]), visibility: (hidden) => told.push(hidden) });
  return {
    tick,
    told,
    happens: (type) => page.dispatchEvent(new Event(type)),
    hide(hidden) {
      page.document.hidden = hidden;
      page.document.dispatchEvent(new Event('visibilitychange'));
    },
  };
}

test('it tells of the time, and whether somebody did something in it', (t) => {
  const { tick, told, happens } = made(t);
  tick(1_000);
  for (const type of ['pointermove', 'pointerdown', 'wheel', 'keydown']) {
    happens(type);
    tick(1_000);
  }
  happens('focus');
  tick(1_000);
  assert.deepEqual(told.map(([, used]) => used), [false, true, true, true, true, false]);
  assert.ok(told.every(([seconds]) => seconds === 1));
});

test('while nobody sees the page, no time passes', (t) => {
  const { tick, told, hide } = made(t);
  hide(true);
  for (let i = 0; i < 5; i += 1) tick(60_000);
  hide(false);
  tick(1_000);
  assert.deepEqual(told, [true, false, [1, false]]);
});

test('a computer that has slept for an hour has not been idle for an hour', (t) => {
  const { tick, told } = made(t);
  tick(3_600_000);
  assert.deepEqual(told, [[1, false]]);
});
