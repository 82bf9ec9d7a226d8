/**
 * The state of the page, as a pure function of what happened.
 *
 * The page does one thing at a time, the *task*: hand in the key of a link, ask for the status, wait,
 * or hold the picture's socket. `reduce` maps (model, event) to the next model; the next model says
 * which task comes next, and `viewer.js` carries it out. A task's events carry its serial number, so
 * that an answer that comes after the page has turned to something else changes nothing.
 *
 * No DOM, no clock, no chance: time and random numbers come in with the events.
 *
 * @typedef {import('./api.js').Status} Status
 *
 * @typedef {{kind: 'session', token: string}
 *   | {kind: 'status', after: number | null}
 *   | {kind: 'wait', seconds: number, next: Task}
 *   | {kind: 'socket'}
 *   | {kind: 'none'}} Task
 *
 * @typedef {'link' | 'session' | 'hub' | 'socket'} Denial
 *   link: the key in the link was refused; session: no key was given; hub: something in front of the
 *   daemon wants a sign-in; socket: only the picture's socket was refused.
 *
 * @typedef {'connecting' | 'starting' | 'connected' | 'paused' | 'resting' | 'reconnecting' | 'failed' | 'denied'} Phase
 *   paused: the daemon ended the picture because nobody used the desktop; the page asks for nothing
 *   until somebody is there again, so that it does not count as use itself; resting: the same after a
 *   long time in which there was neither a picture to be had nor anybody who did something
 *
 * @typedef {object} Model
 * @property {number} serial         number of the current task
 * @property {Task} task
 * @property {Status | null} status  the last one seen
 * @property {boolean} open          the picture is on the screen and live
 * @property {boolean} pictured      there has been a picture
 * @property {number} drops          sockets lost in a row, each soon after it was opened
 * @property {number} silences       requests in a row that got no usable answer
 * @property {string} notice         why the last socket closed, in the server's words
 * @property {boolean} barred        the last socket was closed by the access rules
 * @property {boolean} paused
 * @property {boolean} resting
 * @property {number} quiet          seconds without a picture and without a visitor who does something
 * @property {boolean} hidden        nobody sees the page, so it asks for nothing
 * @property {Task | null} held      the task that goes on when somebody is there
 * @property {Denial | null} denial
 * @property {string} unsupported    why this browser cannot show the picture, or ''
 *
 * @typedef {{type: 'session', serial: number}
 *   | {type: 'status', serial: number, status: Status, elapsed: number}
 *   | {type: 'learned', status: Status}
 *   | {type: 'silence', serial: number, random: number}
 *   | {type: 'refused', serial: number, denial: Denial}
 *   | {type: 'waited', serial: number}
 *   | {type: 'opened', serial: number}
 *   | {type: 'closed', serial: number, code: number, reason: string, lasted: number, random: number}
 *   | {type: 'unsupported', reason: string}
 *   | {type: 'token', token: string}
 *   | {type: 'nudge'}
 *   | {type: 'tick', seconds: number, used: boolean}
 *   | {type: 'visibility', hidden: boolean}
 *   | {type: 'resume'}} Event
 */

/** @type {Task} */
const ASK = { kind: 'status', after: null };
/** @type {Task} */
const REST = { kind: 'none' };
/** A socket that lived for this long (seconds) was a good one: what ends it is news. */
const GOOD_SOCKET = 5;
/** An answer to a long poll that came within this time (seconds) and says nothing new is suspicious. */
const PROMPT_ANSWER = 1;
/** Seconds without a picture and without a visitor after which the page rests. */
export const PATIENCE = 15 * 60;
const POLICY_VIOLATION = 1008;
/** The daemon's own code: nobody has used the desktop for a while. */
const PAUSED = 4001;

/**
 * Seconds to wait before try number `tries` + 1: doubling, capped, and spread by ±30 % so that a
 * hundred open tabs don't all come back in the same moment.
 *
 * @param {number} tries  how many have failed, from 1
 * @param {number} random in [0, 1)
 * @param {number} [first]
 * @param {number} [most]
 */
export function backoff(tries, random, first = 0.5, most = 15) {
  const seconds = Math.min(most, first * 2 ** Math.max(0, tries - 1));
  return seconds * (0.7 + 0.6 * random);
}

/**
 * @param {string | null} token the key that the link carried
 * @param {boolean} hidden
 * @returns {Model}
 */
export function initialModel(token = null, hidden = false) {
  /** @type {Model} */
  const model = {
    serial: 0,
    task: REST,
    status: null,
    open: false,
    pictured: false,
    drops: 0,
    silences: 0,
    notice: '',
    barred: false,
    paused: false,
    resting: false,
    quiet: 0,
    hidden,
    held: null,
    denial: null,
    unsupported: '',
  };
  // A key is handed in at once in any case: it is not in the address any more.
  return turnTo(model, token ? { kind: 'session', token } : ASK);
}

/**
 * Whether the picture can be served, so that opening the socket makes sense.
 *
 * @param {Status} status
 */
export function servable(status) {
  return status.picture;
}

/**
 * The components that were given up; each can be started again by hand.
 *
 * @param {Status} status
 */
export function givenUp(status) {
  return status.components.filter((c) => c.state === 'fatal');
}

/**
 * Whether nothing will get better without somebody's hand.
 *
 * @param {Status} status
 */
export function broken(status) {
  if (status.state === 'failed') return true;
  return status.state !== 'stopping' && givenUp(status).some((c) => c.shows_picture);
}

/**
 * What the page shows.
 *
 * @param {Model} model
 * @returns {Phase}
 */
export function phase(model) {
  if (model.unsupported) return 'failed';
  if (model.denial) return 'denied';
  if (model.paused) return 'paused';
  if (model.resting) return 'resting';
  if (model.open) return 'connected';
  if (model.status && model.silences === 0 && broken(model.status)) return 'failed';
  if (model.pictured) return 'reconnecting';
  if (model.status && model.silences === 0 && !servable(model.status)) return 'starting';
  return 'connecting';
}

/**
 * What to do after a task was given up half-way: what the daemon knew before may be old.
 *
 * @param {Task} task
 * @returns {Task}
 */
function insteadOf(task) {
  if (task.kind === 'wait') return task.next;
  return task.kind === 'session' ? task : ASK;
}

/**
 * The model with its next task. While the page is hidden, what asks the daemon again and again is held:
 * in front of a hub's server it would count as use without end.
 *
 * @param {Model} model
 * @param {Task} task
 * @param {Partial<Model>} [changes]
 * @returns {Model}
 */
function turnTo(model, task, changes = {}) {
  const next = { ...model, held: null, ...changes, task, serial: model.serial + 1 };
  if (!next.hidden || (task.kind !== 'status' && task.kind !== 'wait')) return next;
  return { ...next, task: REST, held: insteadOf(task) };
}

/**
 * @param {Model} model
 * @param {Status} status
 * @param {number} elapsed seconds that the answer took
 */
function onStatus(model, status, elapsed) {
  const known = { status, silences: 0, barred: false, denial: null };
  if (servable(status)) {
    // Let in to the status but not to the picture.
    if (model.barred) return turnTo(model, REST, { ...known, denial: /** @type {Denial} */ ('socket') });
    return turnTo(model, { kind: 'socket' }, known);
  }
  /** @type {Task} */
  const poll = { kind: 'status', after: status.revision };
  const stale = model.task.kind === 'status' && model.task.after !== null
    && status.revision <= model.task.after && elapsed < PROMPT_ANSWER;
  return turnTo(model, stale ? { kind: 'wait', seconds: 2, next: poll } : poll, { ...known, notice: '' });
}

/**
 * @param {Model} model
 * @param {{code: number, reason: string, lasted: number, random: number}} event
 */
function onClosed(model, { code, reason, lasted, random }) {
  const closed = { open: false, notice: reason };
  if (code === PAUSED) return turnTo(model, REST, { ...closed, paused: true, drops: 0 });
  // The status tells whether the whole session has ended.
  if (code === POLICY_VIOLATION) return turnTo(model, ASK, { ...closed, barred: true });
  if (model.open && lasted >= GOOD_SOCKET) return turnTo(model, ASK, { ...closed, drops: 0 });
  const drops = model.drops + 1;
  return turnTo(model, { kind: 'wait', seconds: backoff(drops, random, 0.3, 10), next: ASK }, { ...closed, drops });
}

/**
 * The status was asked for beside a live picture. Without one, the tasks ask for themselves.
 *
 * @param {Model} model
 * @param {Status} status
 */
function onLearned(model, status) {
  return model.open && status.revision >= (model.status?.revision ?? 0) ? { ...model, status } : model;
}

/**
 * A hint from outside that trying now may be worth it: the network is back, the tab is looked at
 * again, a button was pressed. It is no sign of somebody who wants to go on.
 *
 * @param {Model} model
 */
function onNudge(model) {
  if (model.unsupported || model.open || model.paused || model.resting) return model;
  if (model.denial) return turnTo(model, ASK);
  return model.task.kind === 'wait' ? turnTo(model, model.task.next) : model;
}

/**
 * Time has passed on a page that is to be seen.
 *
 * @param {Model} model
 * @param {{seconds: number, used: boolean}} event
 */
function onTick(model, { seconds, used }) {
  if (model.open || model.task.kind === 'none') return model;
  const quiet = used ? 0 : model.quiet + seconds;
  if (quiet < PATIENCE) return { ...model, quiet };
  return turnTo(model, REST, { resting: true, held: insteadOf(model.task) });
}

/**
 * Somebody is there again, who wants to go on.
 *
 * @param {Model} model
 */
function onResume(model) {
  if (!model.paused && !model.resting) return model;
  const notice = model.paused ? '' : model.notice;
  return turnTo(model, model.held ?? ASK, { paused: false, resting: false, quiet: 0, notice });
}

/**
 * @param {Model} model
 * @param {boolean} hidden
 */
function onVisibility(model, hidden) {
  const now = { ...model, hidden };
  if (hidden) return model.task.kind === 'status' || model.task.kind === 'wait' ? turnTo(now, model.task) : now;
  if (model.resting) return onResume(now);
  const changes = { quiet: 0 };
  return now.held ? turnTo(now, now.held, changes) : onNudge({ ...now, ...changes });
}

/**
 * @param {Model} model
 * @param {Event} event
 * @returns {Model}
 */
export function reduce(model, event) {
  if ('serial' in event && event.serial !== model.serial) return model;
  switch (event.type) {
    case 'session':
      return turnTo(model, ASK, { silences: 0, denial: null });
    case 'status':
      return onStatus(model, event.status, event.elapsed);
    case 'learned':
      return onLearned(model, event.status);
    case 'silence': {
      const silences = model.silences + 1;
      const seconds = backoff(silences, event.random, 1);
      // What the daemon knew before is no longer worth waiting on: ask afresh.
      const next = model.task.kind === 'session' ? model.task : ASK;
      return turnTo(model, { kind: 'wait', seconds, next }, { silences });
    }
    case 'refused':
      return turnTo(model, REST, { denial: event.denial, notice: '', barred: false });
    case 'waited':
      return model.task.kind === 'wait' ? turnTo(model, model.task.next) : model;
    case 'opened':
      // Same task, so the same serial: the socket goes on.
      return { ...model, open: true, pictured: true, notice: '', silences: 0, quiet: 0 };
    case 'closed':
      return onClosed(model, event);
    case 'unsupported':
      return turnTo(model, REST, { unsupported: event.reason, open: false });
    case 'token':
      return turnTo(model, { kind: 'session', token: event.token }, { open: false, barred: false, paused: false, resting: false, quiet: 0 });
    case 'nudge':
      return onNudge(model);
    case 'resume':
      return onResume(model);
    case 'tick':
      return onTick(model, event);
    case 'visibility':
      return onVisibility(model, event.hidden);
  }
}
