import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EMPTY_DESK, told } from '../../vizproxy/web/apps.js';
import { ARMED_TIME, FORCE_TIME, noticeText, panelView, size, toastText } from '../../vizproxy/web/apps-view.js';
import { app, BUDGET, desktopWindow, MiB, notice, snapshot } from './fixtures.mjs';

const NOW = 2_000_000;

function view(apps, windows = [], { notices = [], deeds = {}, now = NOW, budget = BUDGET } = {}) {
  const desk = told(EMPTY_DESK, { ...snapshot(apps, windows, notices), framebuffer: budget });
  return panelView(desk, new Map(Object.entries(deeds)), now);
}

const firstWindow = (deed, changes = {}, now = NOW) => view(
  [app('a-1')], [desktopWindow('0x1', 'a-1', changes)], { deeds: deed ? { '0x1': deed } : {}, now },
).apps[0].windows[0];

test('sizes have three digits at most, and never four', () => {
  const cases = [
    [0, '0 MiB'], [-1, '0 MiB'], [15, '1 KiB'], [4096, '4 KiB'], [12 * MiB, '12 MiB'], [2.1 * MiB, '2.1 MiB'],
    [9.97 * MiB, '10 MiB'], [128 * MiB, '128 MiB'], [999 * MiB, '999 MiB'], [1000 * MiB, '1 GiB'],
    [1024 * MiB - 1, '1 GiB'], [1.25 * 1024 * MiB, '1.3 GiB'], [2048 * MiB, '2 GiB'], [2 ** 60, '1048576 TiB'],
  ];
  for (const [bytes, text] of cases) assert.equal(size(bytes), text);
});

test('apps stand in the order of their start, with their windows', () => {
  const { apps, count } = view(
    [app('late-1', { started: 3 }), app('b-1', { started: 2 }), app('a-1', { started: 2 })],
    [desktopWindow('0x1', 'b-1'), desktopWindow('0x2', 'late-1'), desktopWindow('0x3', 'b-1')],
  );
  assert.deepEqual(apps.map(({ id }) => id), ['a-1', 'b-1', 'late-1']);
  assert.deepEqual(apps[1].windows.map(({ id }) => id), ['0x1', '0x3']);
  assert.equal(count, 3);
});

test('use within the grant', () => {
  const { usage } = view([app('a-1')]).apps[0];
  assert.equal(usage.text, '12 MiB of 128 MiB');
  assert.equal(usage.over, false);
  assert.equal(usage.fill, 12 / 128);
  assert.equal(usage.detail, 'Framebuffer in use');
});

test('use past the grant fills the bar and says by how much', () => {
  const shown = view([app('a-1', {}, { used: 700 * MiB, granted: 512 * MiB, over: true })]);
  assert.deepEqual(shown.apps[0].usage, {
    text: '700 MiB of 512 MiB', detail: 'Framebuffer in use, 188 MiB more than it may use', fill: 1, over: true,
  });
  assert.ok(shown.warning);
});

test('use on a graphics card is told apart', () => {
  const card = { used: 90 * MiB, pixmap_bytes: 10 * MiB, gpu_bytes: 90 * MiB };
  const row = view([app('a-1', {}, card)], [desktopWindow('0x1', 'a-1')]).apps[0];
  assert.match(row.usage.detail, /windows and images 10 MiB, graphics card 90 MiB/);
  assert.deepEqual(row.remarks, ['90 MiB on the graphics card']);
  const none = view([app('a-1', {}, { ...card, gpu_bytes: 0 })], [desktopWindow('0x1', 'a-1')]).apps[0];
  assert.deepEqual(none.remarks, []);
});

test('a grant of nothing is no division by nothing', () => {
  const { usage } = view([app('a-1', {}, { granted: 0, used: 4096 })]).apps[0];
  assert.equal(usage.text, '4 KiB');
  assert.equal(usage.fill, 0);
});

test('an adopted app is marked in words', () => {
  const windows = [desktopWindow('0x1', 'a-1')];
  assert.deepEqual(view([app('a-1', { leased: false })], windows).apps[0].remarks, ['Started without a reservation']);
  assert.deepEqual(view([app('a-1')], windows).apps[0].remarks, []);
});

test('an app without a window says so', () => {
  assert.deepEqual(view([app('a-1', { state: 'starting' })]).apps[0].remarks, ['No window yet']);
  assert.deepEqual(view([app('a-1')]).apps[0].remarks, ['No window']);
  assert.deepEqual(view([app('a-1', { state: 'stopping' })]).apps[0].remarks, []);
});

test('the states of a window in words', () => {
  assert.equal(firstWindow(null).word, '');
  assert.equal(firstWindow(null, { minimised: true }).word, 'minimised');
  assert.equal(firstWindow(null, { fullscreen: true }).word, 'full screen');
  assert.equal(firstWindow(null, { active: true }).active, true);
  assert.equal(firstWindow(null, { active: true, minimised: true }).active, false);
});

test('titles are one line of text, whatever they hold', () => {
  const title = (text) => firstWindow(null, { title: text }).title;
  assert.equal(title('<b>bold</b>'), '<b>bold</b>');
  assert.equal(title('one\n\ntwo\u0007'), 'one two');
  assert.equal(title('a \u202elive\u202c'), 'a  live');
  assert.equal(title('x'.repeat(100_000)).length, 300);
  assert.equal(title('  '), 'XClass');
  assert.equal(firstWindow(null, { title: '', class: '' }).title, 'Untitled window');
});

test('a window that was asked to close can be forced after a while', () => {
  const deed = { kind: 'closing', at: NOW };
  const early = firstWindow(deed, {}, NOW + FORCE_TIME - 1);
  assert.deepEqual([early.state, early.word, early.force], ['closing', 'closing…', false]);
  assert.equal(firstWindow(deed, {}, NOW + FORCE_TIME).force, true);
});

test('an app that asks something instead of closing', () => {
  const row = firstWindow({ kind: 'asking', at: NOW });
  assert.deepEqual([row.state, row.word, row.force], ['asking', 'asks something', true]);
  assert.equal(firstWindow({ kind: 'asking', at: NOW }, {}, NOW + 60_000).state, '');
});

test('a window that is closed stays so until the desk knows', () => {
  assert.deepEqual([firstWindow({ kind: 'gone', at: NOW }).state, firstWindow({ kind: 'gone', at: NOW }).force], ['closing', false]);
});

test('stop: armed for a while, then stopping', () => {
  const stop = (deed, now = NOW, state = 'running') => view([app('a-1', { state })], [], { deeds: deed ? { 'a-1': deed } : {}, now }).apps[0].stop;
  assert.equal(stop(null), 'ready');
  assert.equal(stop({ kind: 'armed', at: NOW }), 'armed');
  assert.equal(stop({ kind: 'armed', at: NOW }, NOW + ARMED_TIME), 'ready');
  assert.equal(stop({ kind: 'stopping', at: NOW }), 'stopping');
  assert.equal(stop(null, NOW, 'stopping'), 'stopping');
});

test('the view says when it will change by itself', () => {
  assert.equal(view([app('a-1')]).wake, Infinity);
  assert.equal(view([app('a-1')], [], { deeds: { 'a-1': { kind: 'armed', at: NOW } }, now: NOW + 1000 }).wake, ARMED_TIME - 1000);
  assert.equal(view([], [], { notices: [notice(1)] }).wake, 30_000);
});

test('a notice stands at its app, the last one only', () => {
  const own = { app: 'a-1' };
  const row = view([app('a-1')], [], { notices: [notice(1, own), notice(2, own), notice(3, { ...own, level: 'info' })] });
  assert.equal(row.apps[0].notice.text, 'notice 2.');
  assert.deepEqual(row.messages, []);
});

test('a notice of over-use goes with the over-use, any other with time', () => {
  const over = notice(1, { app: 'a-1', kind: 'over_use', time: 1500 });
  const at = (isOver, notices, now = NOW) => view([app('a-1', {}, { over: isOver })], [], { notices, now }).apps[0].notice;
  assert.ok(at(true, [over], NOW + 9_000_000));
  assert.equal(at(false, [over]), null);
  assert.equal(at(false, [notice(2, { app: 'a-1' })], NOW + 601_000), null);
});

test('an app is not blamed for another of the past with its id', () => {
  assert.equal(view([app('a-1', { started: 1990 })], [], { notices: [notice(1, { app: 'a-1', time: 1900 })] }).apps[0].notice, null);
});

test('what concerns no app that is there stands by itself, the newest first', () => {
  const notices = [notice(1), notice(2, { app: 'gone-1', text: 'gone-1 ended' }), notice(3, { level: 'error' }), notice(4, { level: 'info' })];
  const { messages } = view([app('a-1')], [], { notices });
  assert.deepEqual(messages.map(({ text }) => text), ['Notice 3.', 'gone-1 ended.']);
  assert.deepEqual(view([], [], { notices, now: NOW + 601_000 }).messages, []);
});

test("an app's name at the beginning of a notice keeps its letters", () => {
  assert.equal(noticeText({ app: 'voreen-1', text: 'voreen uses too much' }), 'voreen uses too much.');
  assert.equal(noticeText({ app: null, text: 'cannot run voreen' }), 'Cannot run voreen.');
});

const failed = (output) => notice(1, { app: 'gone-1', text: 'gone failed', level: 'error', output });
const shown = (output) => view([], [], { notices: [failed(output)] }).messages[0];

test('a failed program is told of with what it said last, which is folded when it is long', () => {
  assert.deepEqual([shown([]).output, shown([]).more], [[], '']);
  assert.deepEqual([shown(['a', 'b', 'c']).output, shown(['a', 'b', 'c']).more], [['a', 'b', 'c'], '']);
  assert.equal(shown(['a', 'b', 'c', 'd']).more, 'What it said last (4 lines)');
  const { output, ...older } = failed([]);
  assert.deepEqual(view([], [], { notices: [older] }).messages[0].output, [], 'a daemon that tells of none');
});

test('what a program said is text, without what steers a terminal', () => {
  assert.deepEqual(shown(['', '\u001b[1;31mError:\u001b[0m <b>\tx\u0007', ' ', '\u001b]0;title\u0007end', '']).output, [
    'Error: <b>    x', '', 'end',
  ]);
  assert.equal(shown(['x'.repeat(100_000)]).output[0].length, 1000);
  assert.deepEqual(shown(['', ' \t', '\u001b[0m']).output, []);
});

test('a toast has the sentence and the last line', () => {
  assert.deepEqual(toastText(failed(['one', '  two ', ''])), { text: 'gone failed.', detail: 'two' });
  assert.deepEqual(toastText(failed([])), { text: 'gone failed.', detail: '' });
});

test('apps can be started where there is a menu with something in it', () => {
  const startable = (menu) => panelView(told(EMPTY_DESK, snapshot([], [], [], menu)), new Map(), NOW).startable;
  assert.equal(startable({ revision: 1, entries: 2 }), true);
  assert.equal(startable({ revision: 1, entries: 0 }), false);
  assert.equal(panelView(EMPTY_DESK, new Map(), NOW).startable, false);
});

test('the budget, with and without a graphics card', () => {
  assert.deepEqual(view([]).budget, { text: '128 MiB of 2 GiB reserved · 1 of 16 apps', fill: 1 / 16, more: [] });
  const gpu = { total: 8192 * MiB, used: 1024 * MiB };
  assert.deepEqual(view([], [], { budget: { ...BUDGET, gpu, unattributed_bytes: 8 * MiB } }).budget.more, [
    'Graphics card: 1 GiB of 8 GiB in use', '8 MiB in use by no app',
  ]);
  assert.equal(panelView(EMPTY_DESK, new Map(), NOW).budget, null);
});

test('there is something to tile once a window is open', () => {
  assert.equal(view([app('a-1')]).tileable, false);
  assert.equal(view([app('a-1')], [desktopWindow('0x1', 'a-1', { minimised: true })]).tileable, false);
  assert.equal(view([app('a-1')], [desktopWindow('0x1', 'a-1')]).tileable, true);
});
