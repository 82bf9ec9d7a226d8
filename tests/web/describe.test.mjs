import assert from 'node:assert/strict';
import { test } from 'node:test';

import { initialModel, PATIENCE, reduce } from '../../vizproxy/web/connection.js';
import { describe, sentence } from '../../vizproxy/web/describe.js';
import { status } from './fixtures.mjs';

function after(...events) {
  return events.reduce(
    (m, event) => reduce(m, { serial: m.serial, random: 0.5, elapsed: 10, ...event }), initialModel(),
  );
}

const seen = (...args) => ({ type: 'status', status: status(...args) });

test('each phase has a title, words and a tab title', () => {
  const models = [
    after(), after(seen('starting')), after(seen('stopping')), after(seen('failed')), after({ type: 'silence' }),
    after({ type: 'unsupported', reason: 'it cannot' }), after(seen('ready'), { type: 'closed', code: 4001, reason: '', lasted: 9 }), after(seen('ready'), { type: 'opened' }, { type: 'closed', code: 1006, reason: '', lasted: 9 }),
    after(seen('failed'), { type: 'tick', seconds: PATIENCE, used: false }),
    ...['link', 'session', 'hub', 'socket'].map((denial) => after({ type: 'refused', denial })),
  ];
  for (const model of models) {
    const view = describe(model);
    assert.ok(view.title && view.tab, JSON.stringify(view));
    assert.equal(view.action === 'none', view.label === '' || view.phase === 'failed');
  }
});

test('starting: a row for each component, with the reason of those that wait', () => {
  const { rows, busy } = describe(after(seen('starting', {
    x11vnc: { state: 'starting' }, websockify: { state: 'stopped', reason: 'waits for the VNC server' },
  })));
  assert.ok(busy);
  assert.deepEqual(rows.map((r) => r.tone), ['good', 'good', 'busy', 'off']);
  assert.equal(rows[3].reason, 'Waits for the VNC server.');
});

test('a countdown runs with the age of the status, and ends in words', () => {
  const model = after(seen('starting', { x11vnc: { state: 'backoff', retry_in_seconds: 4.2 } }));
  assert.equal(describe(model, 0).rows[2].word, 'trying again in 5 s');
  assert.equal(describe(model, 3).rows[2].word, 'trying again in 2 s');
  assert.equal(describe(model, 30).rows[2].word, 'trying again');
});

test('failed: the component, its reason, its last lines and a button', () => {
  const view = describe(after(seen('failed', {
    xorg: { state: 'fatal', reason: 'it exited with status 1', output: ['(EE) no screens found'] },
  })));
  assert.deepEqual(view.failure, {
    name: 'xorg', title: 'X server', reason: 'It exited with status 1.', output: ['(EE) no screens found'],
  });
  assert.equal(view.action, 'retry');
  assert.equal(view.title, 'The desktop could not start');
});

test('paused: why, that the programs go on, and a button', () => {
  const paused = (reason) => describe(after(seen('ready'), { type: 'opened' }, { type: 'closed', code: 4001, reason, lasted: 9 }));
  const view = paused('nobody used the desktop for 30 minutes');
  assert.equal(view.title, 'Paused');
  assert.equal(view.tab, 'Paused · Desktop');
  assert.equal(view.text, 'Nobody used the desktop for 30 minutes. Your programs go on.');
  assert.deepEqual([view.action, view.label, view.busy, view.rows], ['resume', 'Resume', false, []]);
  assert.equal(paused('').text, 'Nobody has used the desktop for a while. Your programs go on.');
});

test('resting: what it last knew, and a button', () => {
  const resting = (...events) => describe(after(...events, { type: 'tick', seconds: PATIENCE, used: false }));
  const view = resting(seen('failed', { xorg: { state: 'fatal' } }));
  assert.equal(view.title, 'This page has stopped looking');
  assert.equal(view.tab, 'Not looking · Desktop');
  assert.equal(view.text, 'Nobody was here for a while, and there was no picture. The last it knew: the desktop is failed.');
  assert.deepEqual([view.action, view.label, view.busy, view.rows, view.failure], ['resume', 'Look again', false, [], null]);
  assert.match(resting(seen('failed'), { type: 'silence' }).text, /The last it knew: the server did not answer\.$/);
  const refused = { type: 'closed', code: 1013, reason: 'too many viewers', lasted: 0 };
  assert.match(resting(seen('ready'), refused).text, /The last it knew: too many viewers\.$/);
  assert.match(resting().text, /no picture\.$/);
});

test('failed without a component to retry has no button', () => {
  assert.equal(describe(after(seen('failed'))).action, 'none');
});

test('the reason of a refused socket is told', () => {
  const view = describe(after(seen('ready'), { type: 'closed', code: 1013, reason: 'too many viewers', lasted: 0 }));
  assert.match(view.text, /^Too many viewers\. /);
});

test('one lost request is no news; several are', () => {
  assert.equal(describe(after({ type: 'silence' })).text, '');
  assert.match(describe(after({ type: 'silence' }, { type: 'waited' }, { type: 'silence' })).text, /does not answer/);
});

test('sentence', () => {
  assert.equal(sentence('it ended'), 'It ended.');
  assert.equal(sentence('Is it?'), 'Is it?');
  assert.equal(sentence('  '), '');
});

test('a desktop that failed offers a check-up; a browser that is too old does not', () => {
  assert.ok(describe(after(seen('failed', { xorg: { state: 'fatal' } }))).checkup);
  assert.ok(!describe(after({ type: 'unsupported', reason: 'it cannot' })).checkup);
  assert.ok(!describe(after(seen('starting'))).checkup);
});
