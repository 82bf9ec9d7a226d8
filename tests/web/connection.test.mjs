import assert from 'node:assert/strict';
import { test } from 'node:test';

import { backoff, broken, initialModel, PATIENCE, phase, reduce, servable } from '../../vizproxy/web/connection.js';
import { status } from './fixtures.mjs';

/** Sends events to a model; each gets the serial number of the task that is current then. */
function play(model, ...events) {
  return events.reduce((m, event) => reduce(m, { serial: m.serial, random: 0.5, elapsed: 10, ...event }), model);
}

const READY = { type: 'status', status: status('ready') };
const STARTING = { type: 'status', status: status('starting', { x11vnc: { state: 'starting' } }) };
const FAILED = { type: 'status', status: status('failed', { xorg: { state: 'fatal' } }) };
const OPENED = { type: 'opened' };
const lost = (code = 1006, reason = '', lasted = 60) => ({ type: 'closed', code, reason, lasted });

test('without a key the status is asked for first', () => {
  assert.deepEqual(initialModel().task, { kind: 'status', after: null });
  assert.equal(phase(initialModel()), 'connecting');
});

test('a key is handed in before anything else', () => {
  const model = initialModel('secret');
  assert.deepEqual(model.task, { kind: 'session', token: 'secret' });
  assert.deepEqual(play(model, { type: 'session' }).task, { kind: 'status', after: null });
});

test('a refused key ends in the denied state and asks for nothing more', () => {
  const model = play(initialModel('old'), { type: 'refused', denial: 'link' });
  assert.equal(phase(model), 'denied');
  assert.deepEqual(model.task, { kind: 'none' });
});

test('a key that could not be handed in is tried again', () => {
  const model = play(initialModel('secret'), { type: 'silence' });
  assert.equal(model.task.kind, 'wait');
  assert.deepEqual(play(model, { type: 'waited' }).task, { kind: 'session', token: 'secret' });
});

test('a fresh key takes over from every state', () => {
  for (const model of [initialModel(), play(initialModel(), READY, OPENED), play(initialModel(), FAILED)]) {
    assert.deepEqual(reduce(model, { type: 'token', token: 'new' }).task, { kind: 'session', token: 'new' });
  }
});

test('a ready desktop is connected to, and then nothing is asked', () => {
  const opening = play(initialModel(), READY);
  assert.deepEqual(opening.task, { kind: 'socket' });
  const open = play(opening, OPENED);
  assert.equal(phase(open), 'connected');
  assert.equal(open.serial, opening.serial, 'the socket goes on');
});

test('a starting desktop is waited for by long poll', () => {
  const model = play(initialModel(), STARTING);
  assert.equal(phase(model), 'starting');
  assert.deepEqual(model.task, { kind: 'status', after: STARTING.status.revision });
});

test('an answer that brings nothing new at once is not asked for again at once', () => {
  const model = play(initialModel(), STARTING, { ...STARTING, elapsed: 0.01 });
  assert.equal(model.task.kind, 'wait');
  assert.equal(play(model, { type: 'waited' }).task.kind, 'status');
});

test('a failed desktop is shown as failed, and still watched', () => {
  const model = play(initialModel(), FAILED);
  assert.equal(phase(model), 'failed');
  assert.equal(model.task.kind, 'status');
  assert.equal(phase(play(model, STARTING)), 'starting');
});

test('the loss of a good socket is looked into at once', () => {
  const model = play(initialModel(), READY, OPENED, lost());
  assert.equal(phase(model), 'reconnecting');
  assert.deepEqual(model.task, { kind: 'status', after: null });
});

test('sockets that die young are retried ever more slowly', () => {
  let model = initialModel();
  const waits = [];
  for (let i = 0; i < 8; i += 1) {
    model = play(model, READY, OPENED, lost(1013, 'not ready', 0.1));
    waits.push(model.task.seconds);
    model = play(model, { type: 'waited' });
  }
  assert.ok(waits.every((w, i) => i === 0 || w >= waits[i - 1]), String(waits));
  assert.ok(waits[0] < 0.5 && waits.at(-1) <= 13, String(waits));
  const good = play(model, READY, OPENED, lost(1001), READY, lost(1013, '', 0));
  assert.equal(good.task.seconds, waits[0], 'a good socket starts the count afresh');
});

test('the reason of a close is kept until the next picture', () => {
  const model = play(initialModel(), READY, lost(1013, 'too many viewers', 0));
  assert.equal(model.notice, 'too many viewers');
  assert.equal(play(model, { type: 'waited' }, READY, OPENED).notice, '');
});

test('a socket closed by the access rules: the status tells whose fault it is', () => {
  const barred = play(initialModel(), READY, OPENED, lost(1008, 'foreign origin'));
  assert.deepEqual(barred.task, { kind: 'status', after: null });
  const session = play(barred, { type: 'refused', denial: 'session' });
  assert.equal(session.denial, 'session');
  const socket = play(barred, READY);
  assert.equal(socket.denial, 'socket');
  assert.equal(socket.notice, 'foreign origin');
  assert.deepEqual(play(socket, { type: 'nudge' }, READY).task, { kind: 'socket' }, 'once more, on request');
  const renewed = play(reduce(session, { type: 'token', token: 'new' }), { type: 'session' }, READY);
  assert.deepEqual(renewed.task, { kind: 'socket' });
});

test('silence is met with growing patience and a fresh question', () => {
  let model = play(initialModel(), READY, OPENED, lost(), { type: 'silence' });
  assert.equal(phase(model), 'reconnecting');
  const first = model.task.seconds;
  model = play(model, { type: 'waited' }, { type: 'silence' });
  assert.ok(model.task.seconds > first);
  assert.deepEqual(model.task.next, { kind: 'status', after: null });
  assert.equal(play(model, { type: 'waited' }, READY).silences, 0);
});

test('a failure that is only remembered is not shown once the server is silent', () => {
  assert.equal(phase(play(initialModel(), FAILED, { type: 'silence' })), 'connecting');
});

test('a nudge cuts a wait short, wakes a denied page, and leaves a live one alone', () => {
  const waiting = play(initialModel(), { type: 'silence' });
  assert.equal(play(waiting, { type: 'nudge' }).task.kind, 'status');
  const denied = play(initialModel(), { type: 'refused', denial: 'session' });
  assert.equal(play(denied, { type: 'nudge' }).task.kind, 'status');
  const open = play(initialModel(), READY, OPENED);
  assert.equal(reduce(open, { type: 'nudge' }), open);
  const polling = play(initialModel(), STARTING);
  assert.equal(reduce(polling, { type: 'nudge' }), polling);
});

const PAUSED = lost(4001, 'nobody used the desktop for 30 minutes');

test('a desktop that nobody uses is paused, and nothing is asked any more', () => {
  const model = play(initialModel(), READY, OPENED, PAUSED);
  assert.equal(phase(model), 'paused');
  assert.deepEqual(model.task, { kind: 'none' });
  assert.equal(reduce(model, { type: 'nudge' }), model, 'the network or the tab being back is nobody');
  assert.equal(play(model, { type: 'waited' }), model);
});

test('somebody who is there again resumes', () => {
  const paused = play(initialModel(), READY, OPENED, PAUSED);
  const resumed = reduce(paused, { type: 'resume' });
  assert.deepEqual(resumed.task, { kind: 'status', after: null });
  assert.equal(phase(resumed), 'reconnecting');
  assert.equal(resumed.notice, '');
  const open = play(resumed, READY, OPENED);
  assert.equal(phase(open), 'connected');
  assert.equal(reduce(open, { type: 'resume' }), open, 'there is nothing to resume');
  assert.equal(phase(play(open, PAUSED)), 'paused', 'and once more');
});

test('a pause ends with a fresh key, and in a browser that is too old', () => {
  const paused = play(initialModel(), READY, OPENED, PAUSED);
  const renewed = reduce(paused, { type: 'token', token: 'new' });
  assert.deepEqual(renewed.task, { kind: 'session', token: 'new' });
  assert.notEqual(phase(renewed), 'paused');
  assert.equal(phase(reduce(paused, { type: 'unsupported', reason: 'no modules' })), 'failed');
});

test('a pause does not count as a lost socket', () => {
  const model = play(initialModel(), READY, lost(1013, '', 0), { type: 'waited' }, READY, PAUSED);
  assert.equal(model.drops, 0);
});

test('what belongs to an earlier task changes nothing', () => {
  const model = play(initialModel(), READY, OPENED);
  for (const type of ['session', 'status', 'silence', 'refused', 'waited', 'closed']) {
    assert.equal(reduce(model, { type, serial: model.serial - 1 }), model, type);
  }
});

test('a browser that is too old stays so', () => {
  const model = reduce(initialModel(), { type: 'unsupported', reason: 'no modules' });
  assert.equal(phase(model), 'failed');
  assert.equal(reduce(model, { type: 'nudge' }), model);
});

test('servable: the parts that the picture passes through must be up', () => {
  assert.ok(servable(status('degraded', { wm: { state: 'fatal' } })));
  assert.ok(!servable(status('degraded', { x11vnc: { state: 'backoff' } })));
  assert.ok(!servable(status('starting')));
  assert.ok(!servable(status('stopping')));
});

test('broken: given up, and not on its way down', () => {
  assert.ok(broken(status('failed')));
  assert.ok(broken(status('degraded', { x11vnc: { state: 'fatal' } })));
  assert.ok(!broken(status('degraded', { wm: { state: 'fatal' } })));
  assert.ok(!broken(status('stopping', { x11vnc: { state: 'fatal' } })));
});

test('backoff is spread, doubles and is capped', () => {
  assert.equal(backoff(1, 0.5), 0.5);
  assert.equal(backoff(2, 0.5), 1);
  assert.equal(backoff(50, 0.5), 15);
  assert.ok(backoff(3, 0) < backoff(3, 0.99));
});

const tick = (seconds = 1, used = false) => ({ type: 'tick', seconds, used });
const HIDE = { type: 'visibility', hidden: true };
const SEE = { type: 'visibility', hidden: false };

test('after a long time without a picture and without a visitor the page rests', () => {
  const polling = play(initialModel(), STARTING);
  const unreachable = play(initialModel(), { type: 'silence' });
  const dropping = play(initialModel(), READY, lost(1013, '', 0), { type: 'waited' }, READY);
  for (const model of [initialModel(), polling, unreachable, dropping]) {
    assert.equal(play(model, tick(PATIENCE - 1)).serial, model.serial, 'its task goes on');
    const resting = play(model, tick(PATIENCE - 1), tick());
    assert.equal(phase(resting), 'resting');
    assert.deepEqual(resting.task, { kind: 'none' });
    assert.notEqual(resting.serial, model.serial, 'what was asked is taken back');
    assert.equal(reduce(resting, { type: 'nudge' }), resting, 'the network is nobody');
    assert.equal(reduce(resting, tick(PATIENCE, true)), resting, 'and a mouse may be on its way past');
    for (const event of [{ type: 'resume' }, SEE]) {
      const resumed = reduce(resting, event);
      assert.deepEqual(resumed.task, { kind: 'status', after: null });
      assert.notEqual(phase(resumed), 'resting');
      assert.equal(play(resumed, tick(PATIENCE - 1)).task.kind, 'status', 'its time begins anew');
    }
  }
});

test('whoever does something keeps it looking, and so does a picture', () => {
  const polling = play(initialModel(), STARTING, tick(PATIENCE - 1));
  for (const event of [tick(1, true), HIDE]) {
    const later = play(polling, event, SEE, tick(PATIENCE - 1));
    assert.equal(later.task.kind, 'status', event.type);
  }
  const open = play(polling, READY, OPENED);
  assert.equal(reduce(open, tick(PATIENCE)), open);
  assert.equal(phase(play(open, lost(), tick(PATIENCE - 1))), 'reconnecting');
  assert.equal(phase(play(open, lost(), tick(PATIENCE))), 'resting');
});

test('what asks for nothing does not come to rest', () => {
  const paused = play(initialModel(), READY, OPENED, PAUSED);
  const denied = play(initialModel(), { type: 'refused', denial: 'session' });
  for (const model of [paused, denied]) assert.equal(reduce(model, tick(PATIENCE)), model);
});

test('a key that could not be handed in is kept over a rest', () => {
  const model = play(initialModel('secret'), { type: 'silence' }, tick(PATIENCE));
  assert.equal(phase(model), 'resting');
  assert.deepEqual(reduce(model, { type: 'resume' }).task, { kind: 'session', token: 'secret' });
  const renewed = reduce(model, { type: 'token', token: 'new' });
  assert.deepEqual(renewed.task, { kind: 'session', token: 'new' });
  assert.notEqual(phase(renewed), 'resting');
});

test('a hidden page asks for nothing, and goes on at once when it is seen', () => {
  const asking = { kind: 'status', after: null };
  for (const [model, next] of [
    [initialModel(), asking], [play(initialModel(), FAILED), asking], [play(initialModel(), { type: 'silence' }), asking],
    [play(initialModel('secret'), { type: 'silence' }), { kind: 'session', token: 'secret' }],
  ]) {
    const hidden = reduce(model, HIDE);
    assert.deepEqual(hidden.task, { kind: 'none' });
    assert.equal(phase(hidden), phase(model));
    assert.equal(play(hidden, { type: 'nudge' }, tick(PATIENCE), HIDE).serial, hidden.serial);
    assert.deepEqual(reduce(hidden, SEE).task, next);
  }
});

test('a page that is loaded in the background waits to be seen, but its key does not', () => {
  assert.deepEqual(initialModel(null, true).task, { kind: 'none' });
  assert.equal(reduce(initialModel(null, true), SEE).task.kind, 'status');
  const keyed = initialModel('secret', true);
  assert.equal(keyed.task.kind, 'session');
  const held = play(keyed, { type: 'session' });
  assert.deepEqual(held.task, { kind: 'none' });
  assert.equal(play(held, SEE).task.kind, 'status');
});

test('a picture stays while nobody sees it; when it is lost, nobody is in a hurry', () => {
  const open = play(initialModel(), READY, OPENED, HIDE);
  assert.equal(phase(open), 'connected');
  assert.equal(open.task.kind, 'socket');
  const closed = play(open, lost());
  assert.deepEqual(closed.task, { kind: 'none' });
  assert.equal(play(closed, SEE).task.kind, 'status');
  assert.equal(play(open, SEE).serial, open.serial);
  const paused = play(open, PAUSED, SEE);
  assert.equal(phase(paused), 'paused', 'to look at it is not to use it');
  assert.deepEqual(paused.task, { kind: 'none' });
});

test('to see the page again is worth a try', () => {
  const denied = play(initialModel(), { type: 'refused', denial: 'session' });
  assert.equal(play(denied, SEE).task.kind, 'status');
  assert.equal(play(initialModel(), { type: 'silence' }, SEE).task.kind, 'status');
});

test('a status that is learned beside the picture changes nothing but what is known', () => {
  const live = play(initialModel(), READY, OPENED);
  const learned = { type: 'learned', status: status('degraded') };
  const now = play(live, learned);
  assert.equal(now.status.state, 'degraded');
  assert.deepEqual({ ...now, status: null }, { ...live, status: null }, 'the picture goes on');
  const late = { type: 'learned', status: { ...status('degraded'), revision: 6 } };
  assert.equal(play(live, late), live, 'an answer that comes late');
  const without = play(live, lost());
  assert.equal(play(without, learned), without, 'without one, the page asks for itself');
});
