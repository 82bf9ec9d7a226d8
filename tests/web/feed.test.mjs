import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Feed } from '../../vizproxy/web/feed.js';
import { snapshot } from './fixtures.mjs';
import { timersOf } from './timers.mjs';

/** A WebSocket whose other end is the test. */
class FakeSocket {
  listeners = {};
  closed = false;

  addEventListener(type, listener) {
    this.listeners[type] = listener;
  }

  close() {
    this.closed = true;
    this.listeners.close({});
  }

  tell(message = snapshot()) {
    this.listeners.message({ data: JSON.stringify(message) });
  }
}

function made(t) {
  const tick = timersOf(t);
  t.mock.method(Math, 'random', () => 0.5);
  /** @type {FakeSocket[]} */
  const sockets = [];
  const messages = [];
  const states = [];
  const feed = new Feed({
    message: (message) => messages.push(message),
    live: (live) => states.push(live),
  }, () => sockets[sockets.push(new FakeSocket()) - 1]);
  return { tick, sockets, messages, states, feed };
}

test('nothing is opened before it is wanted', (t) => {
  const { tick, sockets, feed } = made(t);
  feed.visible = true;
  feed.wish = 'hold';
  tick(60_000);
  assert.equal(sockets.length, 0);
  feed.wish = 'on';
  assert.equal(sockets.length, 1);
});

test('it is up to date from the snapshot to the loss', (t) => {
  const { sockets, messages, states, feed } = made(t);
  feed.wish = 'on';
  assert.deepEqual(states, []);
  sockets[0].tell();
  sockets[0].tell({ type: 'delta' });
  sockets[0].close();
  assert.deepEqual(messages.map(({ type }) => type), ['snapshot', 'delta']);
  assert.deepEqual(states, [true, false]);
});

test('after a loss it comes back, later each time', (t) => {
  const { tick, sockets, feed } = made(t);
  feed.wish = 'on';
  for (const [index, wait] of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].entries()) {
    sockets[index].close();
    tick(wait - 1);
    assert.equal(sockets.length, index + 1, `not before ${wait} ms`);
    tick(1);
    assert.equal(sockets.length, index + 2, `after ${wait} ms`);
  }
});

test('a socket that lived for a while is soon replaced', (t) => {
  const { tick, sockets, feed } = made(t);
  feed.wish = 'on';
  for (const index of [0, 1, 2]) {
    sockets[index].tell();
    tick(6_000);
    sockets[index].close();
    tick(500);
    assert.equal(sockets.length, index + 2);
  }
});

test('a socket that says nothing at first is given up', (t) => {
  const { tick, sockets, feed } = made(t);
  feed.wish = 'on';
  tick(20_000);
  assert.ok(sockets[0].closed);
  tick(500);
  sockets[1].tell();
  tick(3_600_000);
  assert.equal(sockets[1].closed, false, 'later it may be quiet');
});

test('a page that nobody sees keeps what it has, and opens nothing', (t) => {
  const { tick, sockets, feed } = made(t);
  feed.wish = 'on';
  sockets[0].tell();
  feed.visible = false;
  assert.equal(sockets[0].closed, false);
  sockets[0].close();
  tick(600_000);
  assert.equal(sockets.length, 1);
  feed.visible = true;
  assert.equal(sockets.length, 2, 'at once');
});

test('while the picture is lost the socket is kept, and renewed afterwards', (t) => {
  const { tick, sockets, states, feed } = made(t);
  feed.wish = 'on';
  sockets[0].tell();
  feed.wish = 'hold';
  assert.equal(sockets[0].closed, false);
  feed.wish = 'on';
  assert.ok(sockets[0].closed, 'nobody knows whether it still lives');
  assert.equal(sockets.length, 2);
  sockets[1].tell();
  tick(60_000);
  assert.equal(sockets.length, 2);
  assert.deepEqual(states, [true, false, true]);
});

test('off closes it, and what it still says is not heard', (t) => {
  const { tick, sockets, messages, feed } = made(t);
  feed.wish = 'on';
  feed.wish = 'off';
  assert.ok(sockets[0].closed);
  sockets[0].tell();
  tick(60_000);
  assert.deepEqual(messages, []);
  assert.equal(sockets.length, 1);
});

test('a hint makes it try at once', (t) => {
  const { sockets, feed } = made(t);
  feed.wish = 'on';
  sockets[0].close();
  feed.nudge();
  assert.equal(sockets.length, 2);
  feed.nudge();
  assert.equal(sockets.length, 2, 'it is under way');
});
