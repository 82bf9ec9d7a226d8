import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FullScreen } from '../../vizproxy/web/fullscreen.js';

/** A document that can, or cannot, fill the screen with one of its elements. */
class FakeDocument extends EventTarget {
  fullscreenElement = null;

  constructor(fullscreenEnabled) {
    super();
    this.fullscreenEnabled = fullscreenEnabled;
    this.documentElement = this.element();
  }

  element() {
    const element = { ownerDocument: this, requestFullscreen: async () => this.show(element) };
    return element;
  }

  async exitFullscreen() { this.show(null); }

  show(element) {
    this.fullscreenElement = element;
    this.dispatchEvent(new Event('fullscreenchange'));
  }
}

/** A page that is in no frame (null), or in one of a document around it. */
function page(enabled, around = null) {
  const frame = around && around.element();
  return { document: new FakeDocument(enabled), frameElement: frame };
}

async function inAndOut(screen) {
  const states = [];
  screen.follow(() => states.push(screen.on));
  await screen.toggle();
  await screen.toggle();
  return states;
}

test('a page fills the screen by itself where it may', async () => {
  for (const window of [page(true), page(true, new FakeDocument(true))]) {
    const screen = new FullScreen(window);
    assert.ok(screen.possible);
    assert.deepEqual(await inAndOut(screen), [true, false]);
  }
});

test('else the page around it fills the screen with its frame', async () => {
  const around = new FakeDocument(true);
  const window = page(false, around);
  const screen = new FullScreen(window);
  assert.ok(screen.possible);
  await screen.toggle();
  assert.equal(around.fullscreenElement, window.frameElement);
  await screen.toggle();
  assert.equal(around.fullscreenElement, null);
  assert.deepEqual(await inAndOut(screen), [true, false]);
});

test('what else of the page around it fills the screen is not this page', () => {
  const around = new FakeDocument(true);
  const screen = new FullScreen(page(false, around));
  around.show(around.element());
  assert.equal(screen.on, false);
});

test('where neither may, it is not possible', async () => {
  for (const window of [page(false), page(false, new FakeDocument(false))]) {
    const screen = new FullScreen(window);
    assert.equal(screen.possible, false);
    await screen.toggle();
    assert.equal(screen.on, false);
  }
});

test('a frame in a foreign page looks no further', () => {
  const window = { document: new FakeDocument(false), get frameElement() { throw new Error('SecurityError'); } };
  assert.equal(new FullScreen(window).possible, false);
});
