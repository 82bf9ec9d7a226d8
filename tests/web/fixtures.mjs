/** Answers of the status interface and messages of the event socket, as the daemon gives them. */

const TITLES = { xorg: 'X server', wm: 'Window manager', x11vnc: 'VNC server', websockify: 'WebSocket bridge' };

function component(name, changes) {
  return {
    name, title: TITLES[name], state: 'ready', since_seconds: 1, restarts: 0, failures: 0,
    reason: '', retry_in_seconds: null, output: [], shows_picture: name !== 'wm', ...changes,
  };
}

/**
 * @param {string} state
 * @param {Record<string, object>} [changes] by the component's name; the others are ready
 */
export function status(state, changes = {}) {
  const components = Object.keys(TITLES).map((name) => component(name, changes[name]));
  const picture = state !== 'stopping' && state !== 'starting' && state !== 'failed'
    && components.every((c) => !c.shows_picture || c.state === 'ready');
  return {
    version: '0.1.0', revision: 7, state, summary: `the desktop is ${state}`, viewers: 0, environment: {},
    plan: { name: 'software', reason: 'no GPU', warning: '' }, gpu: null,
    display: { name: ':0', width: 1600, height: 900, min_width: 320, min_height: 200, max_width: 4096, max_height: 2160 },
    picture, components,
  };
}

export const MiB = 1024 ** 2;

/**
 * @param {string} id
 * @param {object} [changes]
 * @param {object} [framebuffer]  in bytes
 */
export function app(id, changes = {}, framebuffer = {}) {
  return {
    id, name: id.split('-')[0], leased: true, state: 'running', plan: 'software', program: id.split('-')[0],
    started: 1000, pids: [42], windows: [], ...changes,
    framebuffer: { granted: 128 * MiB, pixmap_bytes: 12 * MiB, gpu_bytes: null, used: 12 * MiB, over: false, ...framebuffer },
  };
}

/**
 * @param {string} id
 * @param {string} owner
 * @param {object} [changes]
 */
export function desktopWindow(id, owner, changes = {}) {
  return {
    id, app: owner, title: `Title of ${id}`, class: 'XClass', instance: 'x', geometry: { x: 0, y: 0, width: 9, height: 9 },
    minimised: false, maximised: false, fullscreen: false, active: false, dialog: false, ...changes,
  };
}

export const BUDGET = {
  total: 2048 * MiB, granted: 128 * MiB, used: 12 * MiB, apps: 1, max_apps: 16, unattributed_bytes: 0, gpu: null,
};

/**
 * @param {number} id
 * @param {object} [changes]
 */
export function notice(id, changes = {}) {
  return { id, time: 2000, level: 'warning', kind: 'failed', app: null, text: `notice ${id}`, output: [], ...changes };
}

/**
 * @param {object[]} apps
 * @param {object[]} windows
 * @param {object[]} notices
 * @param {object} menu
 */
export function snapshot(apps = [], windows = [], notices = [], menu = { revision: 1, entries: 0 }) {
  return { type: 'snapshot', apps, windows, framebuffer: BUDGET, notices, menu };
}

/**
 * @param {string} name
 * @param {object} [changes]
 */
export function entry(name, changes = {}) {
  return { id: `1.${name.toLowerCase()}`, name, comment: '', categories: [], keywords: [], tile: false, icon: null, app: null, ...changes };
}

/**
 * @param {string} check
 * @param {string} level
 * @param {object} [changes]
 */
export function finding(check, level, changes = {}) {
  return { check, title: `Title of ${check}`, level, what: `${check} is so`, why: '', remedy: '', ...changes };
}

/**
 * @param {object[]} findings
 * @param {object} [plan]
 */
export function report(findings, plan = {}) {
  return {
    version: '0.1.0', machine: 'Debian 12, no GPU', level: 'green', exit_code: 0, findings,
    plan: { name: 'software', reason: 'no GPU was found', warning: '', ...plan },
  };
}
