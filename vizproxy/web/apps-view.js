/**
 * The words and numbers of the panel: a pure function of the desk and of what was asked of it.
 *
 * @typedef {import('./apps.js').App} App
 * @typedef {import('./apps.js').AppWindow} AppWindow
 * @typedef {import('./apps.js').Desk} Desk
 * @typedef {import('./apps.js').Notice} Notice
 *
 * @typedef {object} Deed        something that was asked of an app or window here, and is not yet done
 * @property {'armed' | 'stopping' | 'closing' | 'asking' | 'gone'} kind
 *   armed: stop was pressed once; stopping: twice; closing: the window was asked to close; asking: its
 *   app asked something instead; gone: it is closed, and only the desk does not know yet
 * @property {number} at         when, in milliseconds since 1970
 *
 * @typedef {Map<string, Deed>} Deeds     by the id of the app or window
 *
 * @typedef {{text: string, detail: string, fill: number, over: boolean}} Usage
 *   fill: how much of the bar is filled, from 0 to 1
 *
 * @typedef {object} WindowRow
 * @property {string} id
 * @property {string} title
 * @property {boolean} active
 * @property {boolean} minimised
 * @property {boolean} maximised
 * @property {'' | 'closing' | 'asking'} state
 * @property {string} word       what is to be said of the window, or ''
 * @property {boolean} force     it may be closed by force
 *
 * @typedef {object} AppRow
 * @property {string} id
 * @property {string} name
 * @property {string} program
 * @property {string} word
 * @property {'ready' | 'armed' | 'stopping'} stop
 * @property {Usage} usage
 * @property {string[]} remarks
 * @property {Line | null} notice
 * @property {WindowRow[]} windows
 *
 * @typedef {object} Line        a notice
 * @property {string} key
 * @property {Notice['level']} level
 * @property {string} text
 * @property {string[]} output   what a failed program said last
 * @property {string} more       what to call that while it is folded away; '' where it is short
 *
 * @typedef {object} PanelView
 * @property {number} count
 * @property {boolean} warning   an app uses too much
 * @property {AppRow[]} apps
 * @property {Line[]} messages   notices that belong to no app that is there
 * @property {boolean} tileable
 * @property {boolean} startable there is a menu of apps
 * @property {{text: string, fill: number, more: string[]} | null} budget
 * @property {number} wake       milliseconds after which the view is another one by time alone
 */

import { windowsOf } from './apps.js';
import { sentence } from './describe.js';

/** How long a first press of "stop" waits for the second, in milliseconds. */
export const ARMED_TIME = 4_000;
/** After this time a window that was asked to close can be forced to; not sooner, for a double click. */
export const FORCE_TIME = 1_500;
const STOPPING_TIME = 10_000;
const ASKING_TIME = 20_000;
const GONE_TIME = 3_000;
/** How long a notice is shown, in seconds; of at most so many that belong to no app. */
const NOTICE_TIME = 600;
const MESSAGES = 2;
const SLOW_TICK = 30_000;
const LONGEST_TITLE = 300;
const LONGEST_LINE = 1_000;
/** More lines than these are folded away. */
const FEW_LINES = 3;
const WORTH_TELLING = 1024 ** 2;

/** What colours a terminal's text or moves its cursor */
const TERMINAL = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
/** Controls, and what turns the direction of the text around it. */
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g;

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'];

/**
 * A size in three digits at most, such as "1.2 GiB".
 *
 * @param {number} bytes
 */
export function size(bytes) {
  if (bytes <= 0) return '0 MiB';
  let number = Math.max(1, bytes / 1024);
  let unit = 0;
  while (number >= 999.5 && unit < UNITS.length - 1) {
    number /= 1024;
    unit += 1;
  }
  const text = number < 9.95 && unit > 0 ? number.toFixed(1).replace('.0', '') : number.toFixed(0);
  return `${text} ${UNITS[unit]}`;
}

/**
 * @param {number} part
 * @param {number} whole
 */
function share(part, whole) {
  return whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0;
}

/**
 * @param {import('./apps.js').Framebuffer} framebuffer
 * @returns {Usage}
 */
function usage({ granted, pixmap_bytes: pixmaps, gpu_bytes: gpu, used, over }) {
  const text = granted > 0 ? `${size(used)} of ${size(granted)}` : size(used);
  const excess = over && used > granted ? [`${size(used - granted)} more than it may use`] : [];
  const parts = gpu === null ? [] : [`windows and images ${size(pixmaps)}`, `graphics card ${size(gpu)}`];
  const detail = ['Framebuffer in use', ...excess, ...parts].join(', ');
  return { text, detail, fill: over ? 1 : share(used, granted), over };
}

/**
 * Text of a program, as far as it can be read in a line.
 *
 * @param {string} text
 */
export function plain(text) {
  return text.slice(0, LONGEST_TITLE).replace(INVISIBLE, ' ').trim();
}

/**
 * @param {AppWindow} window
 * @param {Deed | undefined} deed
 * @param {number} now
 * @returns {WindowRow}
 */
function windowRow(window, deed, now) {
  const { id, minimised, maximised, fullscreen, active } = window;
  const age = deed ? now - deed.at : 0;
  const waiting = deed?.kind === 'closing';
  const closing = waiting || (deed?.kind === 'gone' && age < GONE_TIME);
  const asking = deed?.kind === 'asking' && age < ASKING_TIME;
  const still = minimised ? 'minimised' : fullscreen ? 'full screen' : '';
  return {
    id,
    title: plain(window.title) || plain(window.class) || 'Untitled window',
    active: active && !minimised,
    minimised,
    maximised,
    state: closing ? 'closing' : asking ? 'asking' : '',
    word: closing ? 'closing…' : asking ? 'asks something' : still,
    force: asking || (waiting && age >= FORCE_TIME),
  };
}

/**
 * A sentence, but an app's name at its beginning stays as it is.
 *
 * @param {Notice} notice
 */
export function noticeText({ app, text }) {
  const full = sentence(text);
  return app === null ? full : text.trim().slice(0, 1) + full.slice(1);
}

/**
 * What a program printed, as it would stand in a terminal; without empty lines at its ends.
 *
 * @param {string[]} lines
 */
function printed(lines) {
  const shown = lines.map((text) => text.slice(0, LONGEST_LINE).replace(TERMINAL, '').replaceAll('\t', '    ')
    .replace(INVISIBLE, ' ').trimEnd());
  const first = shown.findIndex((text) => text !== '');
  return first < 0 ? [] : shown.slice(first, shown.findLastIndex((text) => text !== '') + 1);
}

/**
 * The words for a message that goes away by itself: the sentence, and the last line of a failed program.
 *
 * @param {Notice} notice
 */
export function toastText(notice) {
  return { text: noticeText(notice), detail: (printed(notice.output ?? []).at(-1) ?? '').trim() };
}

/**
 * @param {Notice} notice
 * @returns {Line}
 */
function line(notice) {
  const output = printed(notice.output ?? []);
  return {
    key: `${notice.id} ${notice.time}`,
    level: notice.level,
    text: noticeText(notice),
    output,
    more: output.length > FEW_LINES ? `What it said last (${output.length} lines)` : '',
  };
}

/**
 * @param {Notice} notice
 * @param {number} now
 */
function telling({ level, time }, now) {
  return level !== 'info' && now / 1000 - time < NOTICE_TIME;
}

/**
 * @param {App} app
 * @param {Notice[]} notices
 * @param {number} now
 */
function noticeOf(app, notices, now) {
  // An id may be that of an app of the past, too.
  const own = notices.filter((notice) => notice.app === app.id && notice.time >= app.started - 1);
  const shown = own.filter((notice) => (notice.kind === 'over_use' ? app.framebuffer.over : telling(notice, now)));
  const last = shown.filter(({ level }) => level !== 'info').at(-1);
  return last ? line(last) : null;
}

/**
 * @param {Desk} desk
 * @param {App} app
 * @param {Deeds} deeds
 * @param {number} now
 * @returns {AppRow}
 */
function appRow(desk, app, deeds, now) {
  const { id, name, program, state, leased } = app;
  const deed = deeds.get(id);
  const age = deed ? now - deed.at : 0;
  const stopping = state === 'stopping' || (deed?.kind === 'stopping' && age < STOPPING_TIME);
  const armed = deed?.kind === 'armed' && age < ARMED_TIME;
  const windows = windowsOf(desk, id).map((window) => windowRow(window, deeds.get(window.id), now));
  const gpu = app.framebuffer.gpu_bytes ?? 0;
  const remarks = leased ? [] : ['Started without a reservation'];
  if (gpu > 0) remarks.push(`${size(gpu)} on the graphics card`);
  if (windows.length === 0 && !stopping) remarks.push(state === 'starting' ? 'No window yet' : 'No window');
  return {
    id,
    name: plain(name) || plain(program) || id,
    program: program || name,
    word: stopping ? 'stopping…' : state === 'starting' ? 'starting…' : '',
    stop: stopping ? 'stopping' : armed ? 'armed' : 'ready',
    usage: usage(app.framebuffer),
    remarks,
    notice: noticeOf(app, desk.notices, now),
    windows,
  };
}

/**
 * @param {Desk} desk
 * @returns {PanelView['budget']}
 */
function budget({ framebuffer, known }) {
  if (!framebuffer || !known) return null;
  const { total, granted, apps, max_apps: most, unattributed_bytes: rest, gpu } = framebuffer;
  const more = [];
  if (gpu) more.push(`Graphics card: ${size(gpu.used)} of ${size(gpu.total)} in use`);
  if (rest >= WORTH_TELLING) more.push(`${size(rest)} in use by no app`);
  return {
    text: `${size(granted)} of ${size(total)} reserved · ${apps} of ${most} apps`,
    fill: share(granted, total),
    more,
  };
}

/**
 * @param {Deeds} deeds
 * @param {boolean} dated    notices are shown that go away with time
 * @param {number} now
 */
function wake(deeds, dated, now) {
  const limits = {
    armed: ARMED_TIME, stopping: STOPPING_TIME, closing: FORCE_TIME, asking: ASKING_TIME, gone: GONE_TIME,
  };
  const left = [...deeds.values()].map(({ kind, at }) => at + limits[kind] - now).filter((time) => time > 0);
  return Math.min(...left, dated ? SLOW_TICK : Infinity);
}

/**
 * @param {Desk} desk
 * @param {Deeds} deeds
 * @param {number} now   milliseconds since 1970
 * @returns {PanelView}
 */
export function panelView(desk, deeds, now) {
  const apps = [...desk.apps.values()].sort((a, b) => a.started - b.started || (a.id < b.id ? -1 : 1));
  const rows = apps.map((app) => appRow(desk, app, deeds, now));
  const others = desk.notices.filter((notice) => !desk.apps.has(notice.app ?? '') && telling(notice, now));
  return {
    count: rows.length,
    warning: rows.some((row) => row.usage.over),
    apps: rows,
    messages: others.slice(-MESSAGES).reverse().map(line),
    tileable: [...desk.windows.values()].some((window) => !window.minimised),
    startable: (desk.menu?.entries ?? 0) > 0,
    budget: budget(desk),
    wake: wake(deeds, others.length > 0 || rows.some((row) => row.notice), now),
  };
}
