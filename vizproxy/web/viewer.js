/**
 * The page: carries out the tasks that the model asks for, and shows the model.
 *
 * @typedef {import('./connection.js').Event} Event
 * @typedef {import('./connection.js').Model} Model
 * @typedef {import('./connection.js').Task} Task
 * @typedef {import('./screen.js').Mode} Mode
 */

import { Advice } from './advice.js';
import * as api from './api.js';
import { CheckupDialog } from './checkup-dialog.js';
import { givenUp, initialModel, phase, reduce } from './connection.js';
import { describe, explain } from './describe.js';
import { Opening, withoutOpen } from './opening.js';
import { byId, focusAction, showView, toast, wireCopyButtons, wireResume } from './overlay.js';
import { Panel } from './panel.js';
import { Presence } from './presence.js';
import { Resizer, wantedSize } from './resize.js';
import { Screen } from './screen.js';
import { StatusNews } from './status-news.js';
import { rememberedMode, Toolbar } from './toolbar.js';

const screen = new Screen(byId('screen'), byId('still'));
/** How long the socket waits for the desktop's size to be set, in ms. */
const SIZE_PATIENCE = 1_000;

const resizer = new Resizer(({ width, height }) => api.setDisplaySize(width, height), onResizeError);

/** @type {Mode} */
let mode = rememberedMode();
let model = initialModel(takeToken(), document.hidden);
let statusSeen = performance.now();
let running = 0;
/** Whether there is what shows a picture; before, nothing is begun. */
let loaded = false;
let abort = new AbortController();

/** The key in the link's fragment, which is at once taken out of the address bar and the history. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token !== null) history.replaceState(null, '', location.pathname + location.search);
  return token || null;
}

/** @param {Event} event */
function dispatch(event) {
  model = reduce(model, event);
  if (event.type === 'status') statusSeen = performance.now();
  show();
  if (loaded && model.serial !== running) start(model.task, model.serial);
}

function show() {
  const view = describe(model, (performance.now() - statusSeen) / 1000);
  showView(view);
  panel.follow(view.phase, model.hidden);
  advice.follow(model.status, view.phase === 'connected');
  if (view.phase === 'denied') checkup.forget();
}

/**
 * @param {Task} task
 * @param {number} serial
 */
function start(task, serial) {
  running = serial;
  abort.abort();
  abort = new AbortController();
  switch (task.kind) {
    case 'session': return void runSession(task.token, serial).then(dispatch);
    case 'status': return void runStatus(task.after, serial, abort.signal).then(dispatch);
    case 'wait': return runWait(task.seconds, serial, abort.signal);
    case 'socket': return void runSocket(serial, abort.signal);
  }
}

/**
 * @param {string} token
 * @param {number} serial
 * @returns {Promise<Event>}
 */
async function runSession(token, serial) {
  try {
    await api.openSession(token);
    return { type: 'session', serial };
  } catch (error) {
    const { status, fromDaemon } = asApiError(error);
    if (status >= 400 && status < 500 && fromDaemon) return { type: 'refused', serial, denial: 'link' };
    if (status === 401 || status === 403) return { type: 'refused', serial, denial: 'hub' };
    return { type: 'silence', serial, random: Math.random() };
  }
}

/**
 * @param {number | null} after
 * @param {number} serial
 * @param {AbortSignal} signal
 * @returns {Promise<Event>}
 */
async function runStatus(after, serial, signal) {
  const asked = performance.now();
  try {
    const status = await api.getStatus(after, signal);
    return { type: 'status', serial, status, elapsed: (performance.now() - asked) / 1000 };
  } catch (error) {
    const { status, fromDaemon } = asApiError(error);
    const refused = status === 401 || status === 403;
    if (refused) return { type: 'refused', serial, denial: fromDaemon ? 'session' : 'hub' };
    return { type: 'silence', serial, random: Math.random() };
  }
}

/**
 * Anything else is a fault of this page, and goes to the console.
 *
 * @param {unknown} error
 */
function asApiError(error) {
  if (error instanceof api.ApiError) return error;
  throw error;
}

/**
 * @param {number} seconds
 * @param {number} serial
 * @param {AbortSignal} signal
 */
function runWait(seconds, serial, signal) {
  const timer = setTimeout(() => dispatch({ type: 'waited', serial }), seconds * 1000);
  signal.addEventListener('abort', () => clearTimeout(timer));
}

/**
 * @param {number} serial
 * @param {AbortSignal} signal
 */
async function runSocket(serial, signal) {
  // First the size: a server may not tell a viewer of a change while it says hello. But a picture of
  // the wrong size is better than none.
  resizer.reset();
  await Promise.race([fitDesktop(true), new Promise((resolve) => { setTimeout(resolve, SIZE_PATIENCE); })]);
  if (signal.aborted) return;
  screen.open({
    opened() {
      dispatch({ type: 'opened', serial });
      if (mayTakeFocus()) screen.focus();
    },
    closed(code, reason, lasted) {
      toolbar.showClipped(false);
      dispatch({ type: 'closed', serial, code, reason, lasted, random: Math.random() });
      if (phase(model) === 'paused') focusAction();
    },
    clipped: (clipped) => toolbar.showClipped(clipped),
  });
  signal.addEventListener('abort', () => screen.close());
}

/** Whether nobody is typing elsewhere: in the toolbar, or in the page around this frame. */
function mayTakeFocus() {
  if (document.hasFocus()) return document.activeElement === document.body || document.activeElement === null;
  try {
    const other = window.parent.document.activeElement;
    return !other?.matches('input, textarea, select, [contenteditable], [contenteditable] *');
  } catch {
    return false; // a frame in a foreign page
  }
}

/** @param {boolean} [now] */
async function fitDesktop(now) {
  if (mode !== 'resize' || model.task.kind !== 'socket') return;
  const size = wantedSize(screen.room, model.status?.display ?? null);
  if (size) await resizer.ask(size, now);
}

/** @param {unknown} error */
function onResizeError(error) {
  // Without a live picture the overlay says what is wrong.
  if (model.open) toast(explain(error));
}

async function saveScreenshot() {
  try {
    const url = URL.createObjectURL(await api.getScreenshot());
    const link = document.createElement('a');
    link.href = url;
    link.download = `desktop-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    toast(explain(error));
  }
}

async function retry() {
  /** @type {HTMLButtonElement} */
  const button = byId('action');
  button.disabled = true;
  try {
    const components = model.status ? givenUp(model.status) : [];
    await Promise.all(components.map(({ name }) => api.retryComponent(name)));
  } catch (error) {
    toast(explain(error));
  } finally {
    button.disabled = false;
  }
}

function onAction() {
  switch (byId('action').dataset.action) {
    case 'retry': return void retry();
    case 'recheck': return dispatch({ type: 'nudge' });
    case 'reload': return location.reload();
  }
}

/** The app that the address names is opened once, and not again when the page is loaded again. */
const opening = new Opening(new URLSearchParams(location.search).get('open') ?? '', {
  open: (entry) => api.openEntry(entry, { tile: true }),
  opened: () => history.replaceState(null, '', withoutOpen(location.href)),
  failed: (error) => toast(explain(error)),
});

const statusNews = new StatusNews(() => api.getStatus(null), (status) => dispatch({ type: 'learned', status }));

const panel = new Panel({
  focusDesktop: () => screen.focus(),
  learned(desk) {
    opening.learn(desk);
    statusNews.learn(desk);
  },
});

const toolbar = new Toolbar({
  setMode(chosen) {
    mode = screen.mode = chosen;
    resizer.reset();
    void fitDesktop(true);
  },
  setDrag(on) { screen.drag = on; },
  openApps: (keyboard) => panel.toggle(keyboard),
  openMenu: () => panel.openMenu(),
  screenshot: saveScreenshot,
  openCheckup,
  focusDesktop: () => screen.focus(),
});

const checkup = new CheckupDialog({
  get: api.getCheckup,
  left() {
    if (model.open) screen.focus();
    else focusAction();
  },
});

const advice = new Advice({
  explain: openCheckup,
  mark: (text) => toolbar.showAdvice(text),
  focusDesktop: () => screen.focus(),
});

function openCheckup() {
  checkup.open();
  if (model.open) void statusNews.ask();
}

/**
 * @param {number} seconds
 * @param {boolean} used
 */
function onTick(seconds, used) {
  if (model.open) return;
  const before = phase(model);
  dispatch({ type: 'tick', seconds, used }); // shows the countdowns as well
  if (before !== 'resting' && phase(model) === 'resting') focusAction();
}

async function main() {
  toolbar.showMode(mode);
  screen.mode = mode;
  wireCopyButtons();
  wireResume(() => dispatch({ type: 'resume' }));
  byId('action').addEventListener('click', onAction);
  byId('checkup-failed').addEventListener('click', openCheckup);
  new ResizeObserver(() => void fitDesktop()).observe(byId('screen'));
  window.addEventListener('online', () => dispatch({ type: 'nudge' }));
  window.addEventListener('hashchange', () => {
    const token = takeToken();
    if (token) dispatch({ type: 'token', token });
  });
  new Presence(window, { tick: onTick, visibility: (hidden) => dispatch({ type: 'visibility', hidden }) });
  show();
  try {
    await screen.load();
  } catch {
    dispatch({ type: 'unsupported', reason: 'it cannot run the program that shows the desktop' });
    return;
  }
  loaded = true;
  start(model.task, model.serial);
}

void main();
