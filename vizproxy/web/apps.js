/**
 * The apps and windows on the desktop: a pure function of what the daemon's event socket has told.
 *
 * @typedef {object} Framebuffer
 * @property {number} granted        bytes; of an app without a lease, its allowance
 * @property {number} pixmap_bytes
 * @property {number | null} gpu_bytes
 * @property {number} used
 * @property {boolean} over          it uses more than was granted
 *
 * @typedef {object} App
 * @property {string} id
 * @property {string} name
 * @property {boolean} leased        started by `vizproxy run`
 * @property {'starting' | 'running' | 'stopping'} state
 * @property {string} program
 * @property {number} started        seconds since 1970
 * @property {Framebuffer} framebuffer
 * @property {number | null} cpu_seconds     of all its processes, ended ones too
 * @property {number | null} resident_bytes
 *
 * @typedef {object} AppWindow
 * @property {string} id
 * @property {string} app
 * @property {string} title
 * @property {string} class
 * @property {boolean} minimised
 * @property {boolean} maximised
 * @property {boolean} fullscreen
 * @property {boolean} active
 * @property {boolean} dialog
 *
 * @typedef {object} Budget
 * @property {number} total
 * @property {number} granted
 * @property {number} used
 * @property {number} apps
 * @property {number} max_apps
 * @property {number} unattributed_bytes
 * @property {{total: number, used: number} | null} gpu
 *
 * @typedef {object} Notice
 * @property {number} id
 * @property {number} time           seconds since 1970
 * @property {'info' | 'warning' | 'error'} level
 * @property {string} kind
 * @property {string | null} app
 * @property {string} text
 * @property {string[]} [output]     the last lines of a program that failed
 *
 * @typedef {{revision: number, entries: number}} Menu   of the apps that can be started; entries: how many
 *
 * @typedef {object} Snapshot
 * @property {'snapshot'} type
 * @property {App[]} apps
 * @property {AppWindow[]} windows
 * @property {Budget} framebuffer
 * @property {Notice[]} notices
 * @property {Menu} [menu]
 *
 * @typedef {object} Delta           what did not change is left out
 * @property {'delta'} type
 * @property {{changed: App[], removed: string[]}} [apps]
 * @property {{changed: AppWindow[], removed: string[]}} [windows]
 * @property {Budget} [framebuffer]
 * @property {Notice[]} [notices]
 * @property {Menu} [menu]
 *
 * @typedef {Snapshot | Delta} Message
 *
 * @typedef {object} Desk
 * @property {boolean} known                         there has been a snapshot
 * @property {Map<string, App>} apps                 by id
 * @property {Map<string, AppWindow>} windows        by id
 * @property {Budget | null} framebuffer
 * @property {Notice[]} notices                      the last ones, oldest first
 * @property {Menu | null} menu
 */

const NOTICES_KEPT = 50;
/** A notice of a snapshot is news when it is younger than this, in seconds. */
const NEWS_TIME = 20;

/** @type {Desk} */
export const EMPTY_DESK = {
  known: false, apps: new Map(), windows: new Map(), framebuffer: null, notices: [], menu: null,
};

/**
 * Keeps the order of what was there, so that rows stay where they are.
 *
 * @template {{id: string}} T
 * @param {Map<string, T>} things
 * @param {{changed?: T[], removed?: string[]}} [change]
 * @returns {Map<string, T>}
 */
function changed(things, change) {
  if (!change) return things;
  const next = new Map(things);
  for (const id of change.removed ?? []) next.delete(id);
  for (const thing of change.changed ?? []) next.set(thing.id, thing);
  return next;
}

/**
 * @template {{id: string}} T
 * @param {Map<string, T>} before
 * @param {T[]} things
 * @returns {Map<string, T>}
 */
function replaced(before, things) {
  const now = new Set(things.map((thing) => thing.id));
  return changed(before, { changed: things, removed: [...before.keys()].filter((id) => !now.has(id)) });
}

/** @param {Notice} notice */
function key({ id, time }) {
  return `${id} ${time}`; // a daemon that was restarted counts from 1 again
}

/**
 * The desk after a message.
 *
 * @param {Desk} desk
 * @param {Message} message
 * @returns {Desk}
 */
export function told(desk, message) {
  if (message.type === 'snapshot') {
    return {
      known: true,
      apps: replaced(desk.apps, message.apps),
      windows: replaced(desk.windows, message.windows),
      framebuffer: message.framebuffer,
      notices: message.notices.slice(-NOTICES_KEPT),
      menu: message.menu ?? null,
    };
  }
  if (message.type !== 'delta') return desk; // from a newer daemon
  return {
    known: desk.known,
    apps: changed(desk.apps, message.apps),
    windows: changed(desk.windows, message.windows),
    framebuffer: message.framebuffer ?? desk.framebuffer,
    notices: [...desk.notices, ...message.notices ?? []].slice(-NOTICES_KEPT),
    menu: message.menu ?? desk.menu,
  };
}

/**
 * The notices of a message that a person should be told of at once: none twice, and none that is old.
 *
 * @param {Desk} desk          before the message
 * @param {Message} message
 * @param {number} now         milliseconds since 1970
 * @returns {Notice[]}
 */
export function news(desk, message, now) {
  const seen = new Set(desk.notices.map(key));
  const fresh = (message.notices ?? []).filter((notice) => notice.level !== 'info' && !seen.has(key(notice)));
  if (message.type === 'delta') return fresh;
  return fresh.filter(({ time }) => Math.abs(now / 1000 - time) < NEWS_TIME);
}

/**
 * Which notice about the desktop itself, rather than one of its apps, is the last; '' if there is none.
 *
 * @param {Desk} desk
 */
export function lastOfDesktop(desk) {
  const last = desk.notices.findLast(({ app }) => app === null);
  return last ? key(last) : '';
}

/**
 * An app's windows, as they were opened.
 *
 * @param {Desk} desk
 * @param {string} app
 */
export function windowsOf(desk, app) {
  return [...desk.windows.values()].filter((window) => window.app === app);
}

/**
 * Which window to bring to the front when an app asks something before it closes a window: the newest
 * that it opened since, else the window itself.
 *
 * @param {Desk} desk
 * @param {AppWindow} closing
 * @param {Iterable<string>} known   the windows that were there when the closing began
 */
export function asker(desk, closing, known) {
  const before = new Set(known);
  return windowsOf(desk, closing.app).filter((window) => !before.has(window.id)).at(-1)?.id ?? closing.id;
}
