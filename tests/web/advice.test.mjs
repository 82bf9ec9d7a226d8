import assert from 'node:assert/strict';
import { test } from 'node:test';

import { advice, stillSeen } from '../../vizproxy/web/advice-view.js';
import { status } from './fixtures.mjs';

const planned = (name, warning, gpu = null) => ({ ...status('ready'), plan: { name, reason: '', warning }, gpu });

const LOST = { condition: 'lost', reason: 'it fell off the bus' };
const FINE = { condition: 'fine', reason: '' };

/** With an X server on the GPU beside the desktop's own. */
function served(state, warning = '', gpu = FINE) {
  const server = { name: 'xorg3d', title: '3D X server', state, reason: 'exited with 1' };
  const { components, ...rest } = planned('virtualgl', warning, gpu);
  return { ...rest, components: [...components, server] };
}

test('where all is as it should be there is nothing to say', () => {
  assert.equal(advice(null), null);
  assert.equal(advice(planned('virtualgl', '')), null);
  assert.equal(advice(planned('virtualgl', '', { condition: 'fine', reason: '' })), null);
});

test('a plan that had to do is told by what it means for programs', () => {
  for (const name of ['software', 'egl', 'direct']) {
    const { key, text } = advice(planned(name, 'it lacks this; try that'));
    assert.equal(key, 'it lacks this; try that');
    assert.match(text, /^Programs draw .*\.$/);
    assert.doesNotMatch(text, /lacks/);
  }
  assert.equal(advice(planned('later', 'it lacks this')).text, 'It lacks this.', 'a plan of a newer daemon');
});

test('a GPU that fails is told before the plan, and again when it fails in another way', () => {
  const lost = advice(planned('virtualgl', 'a warning', { condition: 'lost', reason: 'it fell off the bus' }));
  assert.match(lost.text, /^The GPU has failed\./);
  const silent = advice(planned('virtualgl', '', { condition: 'silent', reason: '' }));
  assert.match(silent.text, /^The GPU does not answer\./);
  assert.notEqual(lost.key, silent.key);
  assert.equal(advice(planned('direct', '', { condition: 'asleep', reason: '' })).text, 'The GPU is asleep.');
});

test('an X server on the GPU that was given up is told, where no other plan is in force', () => {
  for (const state of ['ready', 'starting', 'backoff']) assert.equal(advice(served(state)), null);
  const { key, text } = advice(served('fatal'));
  assert.equal(text, 'The X server on the GPU does not run.');
  assert.match(key, /exited with 1/);
  assert.equal(advice(served('fatal', 'it lacks this')).key, 'it lacks this');
  assert.match(advice(served('fatal', '', LOST)).text, /^The GPU has failed\./);
});

test('what was seen to is news again once it was otherwise', () => {
  const lost = planned('egl', 'a warning', LOST);
  const seen = [advice(lost).key, 'a warning'];
  assert.deepEqual(stillSeen(seen, null), seen, 'nothing is known yet');
  assert.deepEqual(stillSeen(seen, lost), seen, 'the plan is as it was behind the GPU');
  assert.deepEqual(stillSeen(seen, planned('egl', 'a warning', FINE)), ['a warning']);
  assert.deepEqual(stillSeen(seen, planned('egl', 'a warning', { ...LOST, condition: 'silent' })), ['a warning']);
  assert.deepEqual(stillSeen(seen, planned('virtualgl', '', LOST)), [advice(lost).key], 'another plan is in force');
  assert.deepEqual(stillSeen([advice(served('fatal')).key], served('starting')), []);
});
