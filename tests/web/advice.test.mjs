import assert from 'node:assert/strict';
import { test } from 'node:test';

import { advice } from '../../vizproxy/web/advice-view.js';
import { status } from './fixtures.mjs';

const planned = (name, warning, gpu = null) => ({ ...status('ready'), plan: { name, reason: '', warning }, gpu });

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
