import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError } from '../../vizproxy/web/api.js';
import { EMPTY_DESK, told } from '../../vizproxy/web/apps.js';
import { ARMED_TIME } from '../../vizproxy/web/apps-view.js';
import { Deeds } from '../../vizproxy/web/deeds.js';
import { app, desktopWindow, snapshot } from './fixtures.mjs';
import { settle } from './timers.mjs';

const DESK = told(EMPTY_DESK, snapshot([app('a-1')], [desktopWindow('0x1', 'a-1')]));

/** A daemon that writes down what it is asked; a close is answered when the test says so. */
class FakeDaemon {
  asked = [];
  answers = [];
  error = null;

  async _note(...asked) {
    this.asked.push(asked.join(' '));
    if (this.error) throw this.error;
  }

  stopApp(id) { return this._note('stop', id); }
  changeWindow(id, action) { return this._note(action, id); }
  tileWindows() { return this._note('tile'); }

  async closeWindow(id, force) {
    await this._note(force ? 'force' : 'close', id);
    return new Promise((resolve, reject) => { this.answers.push({ resolve, reject }); });
  }
}

/** The panel around it. */
function made(desk = DESK) {
  const daemon = new FakeDaemon();
  const told_ = { said: [], failed: [], changes: 0, now: 1_000 };
  const deeds = new Deeds(daemon, {
    changed: () => { told_.changes += 1; },
    failed: (error) => told_.failed.push(error),
    said: (text) => told_.said.push(text),
  }, () => told_.now);
  deeds.desk = desk;
  return { daemon, deeds, told: told_, kind: (id) => deeds.open.get(id)?.kind };
}

test('stop wants two presses within a few seconds', async () => {
  const { daemon, deeds, told: seen, kind } = made();
  await deeds.stop('a-1');
  assert.equal(kind('a-1'), 'armed');
  assert.deepEqual(seen.said, ['Press again to stop a']);
  seen.now += ARMED_TIME;
  await deeds.stop('a-1');
  assert.deepEqual(daemon.asked, [], 'the first press was forgotten');
  await deeds.stop('a-1');
  assert.deepEqual(daemon.asked, ['stop a-1']);
  assert.equal(kind('a-1'), 'stopping');
  await deeds.stop('a-1');
  assert.deepEqual(daemon.asked, ['stop a-1']);
});

test('a stop that was refused is told, and can be tried again', async () => {
  const { daemon, deeds, told: seen, kind } = made();
  daemon.error = new ApiError(403, 'cannot stop: you may only watch', { code: 'denied' });
  await deeds.stop('a-1');
  await deeds.stop('a-1');
  assert.deepEqual(seen.failed, [daemon.error]);
  assert.equal(kind('a-1'), undefined);
});

test('a window is asked to close once', async () => {
  const { daemon, deeds, kind } = made();
  const closing = deeds.close('0x1');
  void deeds.close('0x1');
  await settle();
  assert.deepEqual(daemon.asked, ['close 0x1']);
  assert.equal(kind('0x1'), 'closing');
  daemon.answers[0].resolve({ outcome: 'closed' });
  await closing;
  assert.equal(kind('0x1'), 'gone', 'until the desk knows');
  deeds.desk = told(DESK, { type: 'delta', windows: { changed: [], removed: ['0x1'] } });
  assert.equal(deeds.open.size, 0);
});

test('an app that asks something has its question raised', async () => {
  const { daemon, deeds, told: seen, kind } = made();
  const closing = deeds.close('0x1');
  await settle();
  deeds.desk = told(DESK, { type: 'delta', windows: { changed: [desktopWindow('0x2', 'a-1')], removed: [] } });
  daemon.answers[0].resolve({ outcome: 'asking' });
  await closing;
  assert.equal(kind('0x1'), 'asking');
  assert.deepEqual(daemon.asked, ['close 0x1', 'raise 0x2']);
  assert.deepEqual(seen.said, ['Title of 0x1 asks something']);
});

test('force overtakes the question', async () => {
  const { daemon, deeds, kind } = made();
  const asked = deeds.close('0x1');
  const forced = deeds.close('0x1', true);
  await settle();
  daemon.answers[1].resolve({ outcome: 'killed' });
  await forced;
  daemon.answers[0].resolve({ outcome: 'asking' });
  await asked;
  assert.equal(kind('0x1'), 'gone');
  assert.deepEqual(daemon.asked, ['close 0x1', 'force 0x1'], 'nothing is raised any more');
});

test('a window that was gone already is closed', async () => {
  const { daemon, deeds, told: seen, kind } = made();
  daemon.error = new ApiError(404, 'cannot close the window: it is gone', { code: 'window_gone' });
  await deeds.close('0x1');
  assert.equal(kind('0x1'), 'gone');
  assert.deepEqual(seen.failed, []);
});

test('a close that fails leaves the row as it was, and is told', async () => {
  const { daemon, deeds, told: seen, kind } = made();
  daemon.error = new ApiError(0, 'the server does not answer');
  await deeds.close('0x1');
  await deeds.change('0x1', 'raise');
  await deeds.tile();
  assert.equal(kind('0x1'), undefined);
  assert.equal(seen.failed.length, 3);
});

test('what is not there any more is not asked for anything', async () => {
  const { daemon, deeds } = made();
  await deeds.stop('z-1');
  await deeds.close('0x99');
  assert.deepEqual(daemon.asked, []);
});
