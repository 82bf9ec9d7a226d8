import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answered, asked, asText, checkupView, failed, NO_CHECKUP } from '../../vizproxy/web/checkup.js';
import { finding, report } from './fixtures.mjs';

const AT = Date.UTC(2026, 10, 23, 9, 5);
const MIXED = report([
  finding('gpu', 'green'), finding('shared-memory', 'yellow'), finding('licence', 'red'), finding('disk', 'green'),
  finding('limits', 'yellow'),
]);

const shown = (...findings) => checkupView(answered(report(findings), AT));
const verdict = (...levels) => shown(...levels.map((level, i) => finding(`c${i}`, level))).verdict;

test('before anything is known it says what it does', () => {
  const view = checkupView(asked(NO_CHECKUP));
  assert.ok(view.busy);
  assert.equal(view.verdict, 'Checking the machine…');
  assert.notEqual(view.hint, '');
  assert.deepEqual([view.facts, view.rows, view.fine, view.when, view.tone], [null, [], [], '', 'off']);
});

test('the worst comes first, what is fine is apart, and else the order is the daemon\'s', () => {
  const view = checkupView(answered(MIXED, AT));
  assert.deepEqual(view.rows.map(({ key }) => key.split(' ')[0]), ['licence', 'shared-memory', 'limits']);
  assert.deepEqual(view.rows.map(({ tone }) => tone), ['bad', 'poor', 'poor']);
  assert.deepEqual(view.fine.map(({ key }) => key.split(' ')[0]), ['gpu', 'disk']);
  assert.equal(view.fineTitle, '2 checks are fine');
  assert.equal(view.tone, 'bad');
  assert.match(view.when, /^Checked at \d\d:05$/);
});

test('the verdict counts', () => {
  assert.equal(verdict('green', 'green'), 'All is fine.');
  assert.equal(verdict(), 'All is fine.');
  assert.equal(verdict('yellow'), 'One thing could be better.');
  assert.equal(verdict('yellow', 'yellow', 'green'), '2 things could be better.');
  assert.equal(verdict('red'), 'One thing is wrong.');
  assert.equal(verdict('red', 'red'), '2 things are wrong.');
  assert.equal(verdict('red', 'yellow'), 'One thing is wrong, one could be better.');
  assert.equal(verdict('red', 'red', 'yellow', 'yellow', 'yellow'), '2 things are wrong, 3 could be better.');
  assert.equal(shown(finding('gpu', 'green')).fineTitle, 'One check is fine');
});

test('a level that is not known is worth a look', () => {
  assert.deepEqual(shown(finding('gpu', 'purple')).rows.map(({ tone }) => tone), ['poor']);
});

test('clauses become sentences, but names keep their first letter', () => {
  const cases = [
    ['the vGPU has no licence', 'The vGPU has no licence.'], ['set A=b', 'Set A=b.'], ['vGPU is off', 'vGPU is off.'],
    ['nvidia_drv.so is not there', 'nvidia_drv.so is not there.'], ['x11vnc, too', 'x11vnc, too.'],
    ['/dev/shm is full', '/dev/shm is full.'], ['nvidia-gridd runs', 'nvidia-gridd runs.'], ['no: really', 'No: really.'],
    ['A sentence. Two!', 'A sentence. Two!'], ['', ''], ['  fine ', 'Fine.'],
  ];
  for (const [what, text] of cases) assert.equal(shown(finding('gpu', 'red', { what })).rows[0].what, text);
});

test('two findings of one check are two rows', () => {
  const view = shown(finding('nodes', 'red'), finding('nodes', 'red'));
  assert.equal(new Set(view.rows.map(({ key }) => key)).size, 2);
});

test('while it is asked again the last report stays', () => {
  const view = checkupView(asked(answered(MIXED, AT)));
  assert.ok(view.busy);
  assert.equal(view.hint, '');
  assert.equal(view.verdict, 'Checking again…');
  assert.equal(view.rows.length, 3);
});

test('a failure is told, with the last report or without one, and forgotten with the next try', () => {
  const none = failed(asked(NO_CHECKUP), 'The server does not answer.');
  const view = checkupView(none);
  assert.equal(view.verdict, 'The machine could not be checked.');
  assert.equal(view.failure, 'The server does not answer.');
  assert.ok(!view.busy);
  assert.equal(checkupView(asked(none)).failure, '');
  assert.equal(checkupView(failed(asked(answered(MIXED, AT)), 'No.')).rows.length, 3);
});

test('the plan is given with its reason', () => {
  assert.deepEqual(shown(finding('gpu', 'green')).facts, {
    plan: 'software', reason: ', because no GPU was found', machine: 'Debian 12, no GPU',
  });
  assert.equal(checkupView(answered(report([], { reason: '' }), AT)).facts.reason, '');
});

test('as text it is complete', () => {
  const text = asText(report([
    finding('disk', 'green', { what: '48 GiB are free', why: 'it is enough' }),
    finding('licence', 'red', { title: 'vGPU licence', what: 'there is none', why: 'it will be slow', remedy: 'get one' }),
    finding('limits', 'yellow', { what: 'few files' }),
  ], { name: 'egl', reason: 'a GPU is there', warning: 'programs draw by EGL' }), AT);
  assert.equal(text, `Check-up of the desktop: One thing is wrong, one could be better.
vizproxy 0.1.0, 2026-11-23 09:05 UTC
Machine: Debian 12, no GPU
Rendering plan: egl, because a GPU is there
Programs draw by EGL.

[Wrong] vGPU licence: There is none.
    It will be slow.
    What to do: Get one.
[Could be better] Title of limits: Few files.
[Fine] Title of disk: 48 GiB are free.
    It is enough.
`);
});
