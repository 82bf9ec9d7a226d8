/**
 * The daemon's HTTP interface, as the page needs it. Every address is relative to the page, which may
 * live under any prefix.
 *
 * @typedef {'stopped' | 'starting' | 'ready' | 'degraded' | 'stopping' | 'killing' | 'backoff' | 'fatal'} ComponentState
 *
 * @typedef {object} Component
 * @property {string} name
 * @property {string} title
 * @property {ComponentState} state
 * @property {boolean} shows_picture   without it there is no picture
 * @property {string} reason
 * @property {number | null} retry_in_seconds
 * @property {string[]} output   its last lines
 *
 * @typedef {{min_width: number, min_height: number, max_width: number, max_height: number}} Limits
 * @typedef {Limits & {name: string, width: number, height: number}} Display
 *
 * @typedef {object} Plan
 * @property {string} name
 * @property {string} reason
 * @property {string} warning   what keeps a better one from being used, or ''
 *
 * @typedef {object} Gpu
 * @property {string} condition   'fine', 'silent' or 'lost'
 * @property {string} reason
 *
 * @typedef {object} Status
 * @property {string} version
 * @property {number} revision
 * @property {'starting' | 'ready' | 'degraded' | 'failed' | 'stopping'} state
 * @property {string} summary
 * @property {boolean} picture   viewers can have a picture now
 * @property {Display | null} display
 * @property {Plan} plan
 * @property {Gpu | null} [gpu]   none: nothing draws on one
 * @property {Component[]} components
 */

/** How long a long poll may take: the daemon's 25 seconds, and some for a slow path. */
const POLL_TIMEOUT = 40_000;
const TIMEOUT = 15_000;
/** How long the start of an app may take, on a busy machine. */
const START_TIMEOUT = 60_000;
/** How long a check-up may take: a driver that hangs is given some seconds, more than once. */
const CHECKUP_TIMEOUT = 45_000;

/** An answer that is not the wanted one. `status` is 0 when there was none at all. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {{code?: string, hint?: string}} [more]
   */
  constructor(status, message, { code = '', hint = '' } = {}) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.hint = hint;
  }

  /** Whether the daemon itself said so, rather than a proxy in front of it. */
  get fromDaemon() {
    return this.code !== '';
  }
}

/** @param {string} path */
export function address(path) {
  return new URL(path, document.baseURI).href;
}

/** @param {string} path */
function socketAddressOf(path) {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** The address of the picture's socket. */
export function socketAddress() {
  return socketAddressOf('websockify');
}

/** The address of the socket that tells of apps and windows. */
export function eventsAddress() {
  return socketAddressOf('api/v1/events');
}

/** @param {Response} response */
async function failure(response) {
  const fallback = `the server answered ${response.status} ${response.statusText}`.trim();
  try {
    const { code, message, hint } = await response.json();
    // A proxy's error may be JSON as well, but has no such code.
    if (typeof code === 'string') return new ApiError(response.status, String(message), { code, hint: String(hint ?? '') });
  } catch {
    // Not JSON: a proxy's error page.
  }
  return new ApiError(response.status, fallback);
}

/**
 * `read` takes the body off the answer: until somebody does, the browser counts it as under way. The
 * time-out covers that, too.
 *
 * @template T
 * @param {string} path
 * @param {(response: Response) => Promise<T>} read
 * @param {RequestInit & {timeout?: number}} [options]
 * @returns {Promise<T>}
 */
async function request(path, read, { timeout = TIMEOUT, signal, ...options } = {}) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeout);
  const stop = () => abort.abort();
  signal?.addEventListener('abort', stop);
  try {
    const response = await fetch(address(path), {
      ...options, signal: abort.signal, cache: 'no-store', credentials: 'same-origin',
    });
    if (!response.ok) throw await failure(response);
    return await read(response);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(0, 'the server does not answer');
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

/**
 * @param {string} method
 * @param {unknown} body
 * @returns {RequestInit}
 */
function json(method, body) {
  return { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
}

/**
 * @param {number | null} after answer only once the revision is larger
 * @param {AbortSignal} [signal]
 * @returns {Promise<Status>}
 */
export async function getStatus(after, signal) {
  const path = after === null ? 'api/v1/status' : `api/v1/status?after=${after}`;
  return request(path, readStatus, { signal, timeout: after === null ? TIMEOUT : POLL_TIMEOUT });
}

/**
 * @param {Response} response
 * @returns {Promise<Status>}
 */
async function readStatus(response) {
  const type = response.headers.get('Content-Type') ?? '';
  // A hub whose session has ended sends visitors to its sign-in page instead.
  if (!type.includes('json')) throw new ApiError(401, 'a sign-in page came instead of the status');
  return response.json();
}

/** @param {Response} response */
async function readNothing(response) {
  await response.arrayBuffer();
}

/** @returns {Promise<import('./checkup.js').Report>} */
export async function getCheckup() {
  return request('api/v1/checkup', (response) => response.json(), { timeout: CHECKUP_TIMEOUT });
}

/** @param {string} token */
export async function openSession(token) {
  await request('api/v1/session', readNothing, json('POST', { token }));
}

/**
 * @param {number} width
 * @param {number} height
 */
export async function setDisplaySize(width, height) {
  await request('api/v1/display', readNothing, json('PUT', { width, height }));
}

/** @param {string} name */
export async function retryComponent(name) {
  await request(`api/v1/components/${encodeURIComponent(name)}/retry`, readNothing, { method: 'POST' });
}

/** @returns {Promise<Blob>} */
export async function getScreenshot() {
  return request('api/v1/display/screenshot', (response) => response.blob());
}

/** @param {string} id */
export async function stopApp(id) {
  await request(`api/v1/apps/${encodeURIComponent(id)}`, readNothing, { method: 'DELETE' });
}

/**
 * @param {string} id
 * @param {'raise' | 'maximise' | 'restore'} action
 */
export async function changeWindow(id, action) {
  await request(`api/v1/windows/${encodeURIComponent(id)}/${action}`, readNothing, { method: 'POST' });
}

/**
 * Answers once the window is closed, or its app asks something instead.
 *
 * @param {string} id
 * @param {boolean} force   don't ask the app
 * @returns {Promise<{outcome: 'closed' | 'asking' | 'killed'}>}
 */
export async function closeWindow(id, force) {
  const path = `api/v1/windows/${encodeURIComponent(id)}/close`;
  return request(path, (response) => response.json(), json('POST', { force }));
}

export async function tileWindows() {
  await request('api/v1/windows/tile', readNothing, { method: 'POST' });
}

/** @returns {Promise<{revision: number, entries: import('./menu.js').Entry[]}>} */
export async function getMenu() {
  return request('api/v1/menu', (response) => response.json());
}

/**
 * Answers once the app is started, or one that runs already was brought to the front.
 *
 * @param {string} id
 * @param {{new: true} | {tile: true}} how   new: start one in any case; tile: only if it has a tile
 * @returns {Promise<{app: string, raised: boolean}>}
 */
export async function openEntry(id, how) {
  const path = `api/v1/menu/${encodeURIComponent(id)}/open`;
  return request(path, (response) => response.json(), { ...json('POST', how), timeout: START_TIMEOUT });
}
