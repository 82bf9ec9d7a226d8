/**
 * The words for each state of the page: a pure function from the model to what the overlay shows.
 *
 * @typedef {import('./connection.js').Model} Model
 * @typedef {import('./connection.js').Phase} Phase
 * @typedef {import('./api.js').Component} Component
 * @typedef {import('./api.js').Status} Status
 *
 * @typedef {object} Row         one component in the list
 * @property {string} name
 * @property {string} title
 * @property {'off' | 'busy' | 'good' | 'poor' | 'bad'} tone
 * @property {string} word
 * @property {string} reason
 *
 * @typedef {object} Failure     the component that everything waits for
 * @property {string} name
 * @property {string} title
 * @property {string} reason
 * @property {string[]} output
 *
 * @typedef {'retry' | 'recheck' | 'reload' | 'resume' | 'none'} Action
 *
 * @typedef {object} View
 * @property {Phase} phase
 * @property {string} tab        title of the browser tab
 * @property {string} title
 * @property {string} text
 * @property {string} command    a command line to type, or ''
 * @property {boolean} busy      the page is working on it
 * @property {Row[]} rows
 * @property {Failure | null} failure
 * @property {Action} action
 * @property {string} label      what the action's button says
 * @property {boolean} checkup   whether a check-up of the machine may tell more
 */

import { ApiError } from './api.js';
import { givenUp, phase, servable } from './connection.js';

const NAME = 'Desktop';
export const BY_ITSELF = 'The page keeps trying by itself.';

/** @type {Record<import('./api.js').ComponentState, [Row['tone'], string]>} */
const STATES = {
  stopped: ['off', 'waiting'],
  starting: ['busy', 'starting'],
  ready: ['good', 'ready'],
  degraded: ['poor', 'limited'],
  stopping: ['off', 'stopping'],
  killing: ['off', 'stopping'],
  backoff: ['poor', 'trying again'],
  fatal: ['bad', 'failed'],
};

/**
 * A sentence: capital letter, full stop.
 *
 * @param {string} text
 */
export function sentence(text) {
  const trimmed = text.trim();
  if (!trimmed) return '';
  const full = trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(full) ? full : `${full}.`;
}

/**
 * What to tell a person of something that went wrong.
 *
 * @param {unknown} error
 */
export function explain(error) {
  if (!(error instanceof ApiError)) return sentence(String(error));
  return error.hint ? `${sentence(error.message)} ${sentence(`try ${error.hint}`)}` : sentence(error.message);
}

/**
 * @param {Component} component
 * @param {number} age seconds since the status was seen
 * @returns {Row}
 */
function row({ name, title, state, reason, retry_in_seconds }, age) {
  const [tone, plain] = STATES[state] ?? ['off', state];
  const left = retry_in_seconds === null ? 0 : Math.ceil(retry_in_seconds - age);
  const word = state === 'backoff' && left > 0 ? `trying again in ${left} s` : plain;
  return { name, title, tone, word, reason: state === 'ready' ? '' : sentence(reason) };
}

/**
 * @param {Status} status
 * @returns {Failure | null}
 */
function failure(status) {
  const component = givenUp(status)[0] ?? status.components.find((c) => c.state === 'backoff');
  if (!component) return null;
  const { name, title, reason, output } = component;
  return { name, title, reason: sentence(reason), output };
}

/** @type {Record<import('./connection.js').Denial, Partial<View>>} */
const DENIALS = {
  link: {
    title: 'This link is no longer valid',
    text: 'A link to the desktop works until the desktop is restarted. This command prints a fresh one:',
    command: 'vizproxy url',
    action: 'recheck',
    label: 'Check again',
  },
  session: {
    title: 'A link with a key is needed',
    text: 'This browser has no access to the desktop. This command prints a link that gives it:',
    command: 'vizproxy url',
    action: 'recheck',
    label: 'Check again',
  },
  hub: {
    title: 'Please sign in again',
    text: 'Your session on the hub seems to have ended. Your programs keep running.',
    action: 'reload',
    label: 'Reload',
  },
  socket: {
    title: 'The desktop cannot be shown here',
    text: 'The server refused the connection of this page.',
    action: 'recheck',
    label: 'Try again',
  },
};

/**
 * @param {Model} model
 * @returns {Partial<View>}
 */
function denied({ denial, notice, status }) {
  // Let in before, and no longer: the desktop was restarted, and has a new key.
  const words = DENIALS[denial === 'session' && status ? 'link' : denial ?? 'session'];
  return denial === 'socket' && notice ? { ...words, text: sentence(notice) } : words;
}

/**
 * @param {Model} model
 * @returns {Partial<View>}
 */
function failed(model) {
  if (model.unsupported) {
    return {
      title: 'This browser is too old',
      text: `${sentence(model.unsupported)} A current Firefox, Chrome, Edge or Safari shows it.`,
    };
  }
  const status = /** @type {Status} */ (model.status);
  const retryable = givenUp(status).length > 0;
  return {
    title: model.pictured ? 'The desktop stopped working' : 'The desktop could not start',
    text: sentence(status.summary),
    failure: failure(status),
    action: retryable ? 'retry' : 'none',
    label: 'Try again',
    checkup: true,
  };
}

/**
 * @param {Model} model
 * @returns {Partial<View>}
 */
function waiting(model) {
  const { status, silences, notice, pictured } = model;
  const title = pictured ? 'Reconnecting' : 'Connecting to the desktop';
  if (silences > (pictured ? 0 : 1)) return { title, text: `The server does not answer. ${BY_ITSELF}`, busy: true };
  if (notice) return { title, text: `${sentence(notice)} ${BY_ITSELF}`, busy: true };
  if (status && silences === 0 && !servable(status)) {
    const stopping = status.state === 'stopping';
    return { title: stopping ? 'The desktop is stopping' : title, text: sentence(status.summary), busy: true };
  }
  return { title, text: pictured ? 'The picture comes back by itself.' : '', busy: true };
}

/**
 * @param {Model} model
 * @returns {Partial<View>}
 */
function starting(model) {
  const status = /** @type {Status} */ (model.status);
  const title = status.state === 'stopping' ? 'The desktop is stopping' : 'Starting the desktop';
  return { title, text: sentence(status.summary), busy: true };
}

/**
 * @param {Model} model
 * @returns {Partial<View>}
 */
function paused({ notice }) {
  const why = sentence(notice) || 'Nobody has used the desktop for a while.';
  return { title: 'Paused', text: `${why} Your programs go on.`, action: 'resume', label: 'Resume' };
}

/**
 * @param {Model} model
 * @returns {Partial<View>}
 */
function resting({ status, silences, notice }) {
  const known = silences > 0 ? 'the server did not answer' : notice || status?.summary;
  const last = known ? ` ${sentence(`the last it knew: ${known}`)}` : '';
  return {
    title: 'This page has stopped looking',
    text: `Nobody was here for a while, and there was no picture.${last}`,
    action: 'resume',
    label: 'Look again',
  };
}

/** @type {Record<Phase, string>} */
const TABS = {
  connecting: `Connecting… · ${NAME}`,
  starting: `Starting… · ${NAME}`,
  connected: NAME,
  paused: `Paused · ${NAME}`,
  resting: `Not looking · ${NAME}`,
  reconnecting: `Reconnecting… · ${NAME}`,
  failed: `Not working · ${NAME}`,
  denied: `No access · ${NAME}`,
};

/**
 * @param {Model} model
 * @param {number} [age] seconds since the status was seen
 * @returns {View}
 */
export function describe(model, age = 0) {
  const now = phase(model);
  const parts = {
    connecting: waiting, reconnecting: waiting, starting, connected: () => ({}), paused, resting, failed, denied,
  }[now](model);
  const { status } = model;
  const telling = status !== null && model.silences === 0 && !model.unsupported
    && (now === 'starting' || now === 'failed' || (now === 'reconnecting' && !servable(status)));
  return {
    phase: now,
    tab: TABS[now],
    title: '',
    text: '',
    command: '',
    busy: false,
    rows: telling ? status.components.map((component) => row(component, age)) : [],
    failure: null,
    action: 'none',
    label: '',
    checkup: false,
    ...parts,
  };
}

