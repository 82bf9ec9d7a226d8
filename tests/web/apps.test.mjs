import assert from 'node:assert/strict';
import { test } from 'node:test';

import { asker, EMPTY_DESK, lastOfDesktop, news, told, windowsOf } from '../../vizproxy/web/apps.js';
import { app, BUDGET, desktopWindow, notice, snapshot } from './fixtures.mjs';

const after = (...messages) => messages.reduce(told, EMPTY_DESK);
const ids = (things) => [...things.values()].map(({ id }) => id);

const FIRST = snapshot([app('a-1'), app('b-1')], [desktopWindow('0x1', 'a-1'), desktopWindow('0x2', 'b-1')]);

test('nothing is known before the first snapshot', () => {
  assert.equal(EMPTY_DESK.known, false);
  assert.equal(after(FIRST).known, true);
});

test('a delta changes what it names and keeps the rest', () => {
  const before = after(FIRST);
  const desk = told(before, {
    type: 'delta',
    apps: { changed: [app('a-1', { state: 'stopping' }), app('c-1')], removed: ['b-1'] },
    windows: { changed: [desktopWindow('0x1', 'a-1', { title: 'new' })], removed: ['0x2'] },
  });
  assert.deepEqual(ids(desk.apps), ['a-1', 'c-1']);
  assert.equal(desk.apps.get('a-1').state, 'stopping');
  assert.equal(desk.windows.get('0x1').title, 'new');
  assert.deepEqual(ids(desk.windows), ['0x1']);
  assert.equal(desk.framebuffer, BUDGET);
  assert.deepEqual(ids(before.apps), ['a-1', 'b-1'], 'the desk before is left as it was');
});

test('a delta with nothing in it changes nothing', () => {
  assert.deepEqual(told(after(FIRST), { type: 'delta' }), after(FIRST));
});

test('a snapshot replaces all, but what stays keeps its place', () => {
  const desk = told(after(FIRST), snapshot([app('b-1'), app('c-1')], [desktopWindow('0x3', 'c-1'), desktopWindow('0x2', 'b-1')]));
  assert.deepEqual(ids(desk.apps), ['b-1', 'c-1']);
  assert.deepEqual(ids(desk.windows), ['0x2', '0x3']);
});

test('a message of a kind that is not known changes nothing', () => {
  const desk = after(FIRST);
  assert.equal(told(desk, { type: 'weather' }), desk);
});

test('the notices kept are the last ones, without end', () => {
  let desk = after(FIRST);
  for (let id = 1; id <= 200; id += 1) desk = told(desk, { type: 'delta', notices: [notice(id)] });
  assert.equal(desk.notices.length, 50);
  assert.equal(desk.notices.at(-1).id, 200);
});

test('the backlog is not news, unless it is of this moment', () => {
  const message = snapshot([], [], [notice(1, { time: 2000 }), notice(2, { time: 2990 })]);
  assert.deepEqual(ids(news(EMPTY_DESK, message, 3_000_000)), [2]);
});

test('a notice is news once, and information never is', () => {
  const message = { type: 'delta', notices: [notice(1), notice(2, { level: 'info' }), notice(3, { level: 'error' })] };
  assert.deepEqual(ids(news(after(FIRST), message, 9_000_000)), [1, 3]);
  const desk = told(after(FIRST), message);
  assert.deepEqual(news(desk, snapshot([], [], desk.notices), 2_000_000), [], 'the socket was opened again');
});

test('a daemon that was restarted counts from 1 again, and is heard', () => {
  const desk = after(snapshot([], [], [notice(1, { time: 1000 })]));
  assert.deepEqual(ids(news(desk, snapshot([], [], [notice(1, { time: 2000 })]), 2_000_000)), [1]);
});

test('the menu is as it was told last', () => {
  const desk = after(snapshot([], [], [], { revision: 3, entries: 2 }));
  assert.deepEqual(desk.menu, { revision: 3, entries: 2 });
  assert.equal(told(desk, { type: 'delta' }).menu, desk.menu);
  assert.deepEqual(told(desk, { type: 'delta', menu: { revision: 4, entries: 0 } }).menu, { revision: 4, entries: 0 });
  const { menu, ...older } = snapshot();
  assert.equal(told(desk, older).menu, null, 'a daemon without a menu');
});

test('the window that asks is the one that its app opened since', () => {
  const desk = after(FIRST, {
    type: 'delta', windows: { changed: [desktopWindow('0x9', 'b-1'), desktopWindow('0x8', 'a-1')], removed: [] },
  });
  const closing = desk.windows.get('0x1');
  assert.deepEqual(ids(windowsOf(desk, 'a-1')), ['0x1', '0x8']);
  assert.equal(asker(desk, closing, ['0x1', '0x2']), '0x8');
  assert.equal(asker(desk, closing, ['0x1', '0x2', '0x8']), '0x1', 'nothing new: the window itself');
});

test('the last notice about the desktop itself is told apart from those about apps', () => {
  assert.equal(lastOfDesktop(EMPTY_DESK), '');
  const desk = after(snapshot([], [], [notice(1), notice(2, { app: 'a-1' })]));
  assert.equal(lastOfDesktop(desk), lastOfDesktop(after(snapshot([], [], [notice(1)]))));
  const more = told(desk, { type: 'delta', notices: [notice(3, { level: 'info' })] });
  assert.notEqual(lastOfDesktop(more), lastOfDesktop(desk));
});
