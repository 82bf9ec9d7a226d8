/** Answers of the status interface, as the daemon gives them. */

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
    plan: { name: 'software', reason: 'no GPU' },
    display: { name: ':0', width: 1600, height: 900, min_width: 320, min_height: 200, max_width: 4096, max_height: 2160 },
    picture, components,
  };
}
