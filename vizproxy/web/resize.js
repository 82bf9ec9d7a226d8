/**
 * Keeps the desktop as large as the window.
 *
 * @typedef {import('./api.js').Limits} Limits
 * @typedef {{width: number, height: number}} Size
 */

/** A window this small is one that isn't shown (a hidden tab of a notebook), not a wish. */
const TOO_SMALL_TO_MEAN_IT = 64;
const QUIET_TIME = 150;

/**
 * The desktop size for a window size: whole pixels within the limits; null when the window isn't
 * really there.
 *
 * @param {Size} size
 * @param {Limits | null} limits
 * @returns {Size | null}
 */
export function wantedSize({ width, height }, limits) {
  if (width < TOO_SMALL_TO_MEAN_IT || height < TOO_SMALL_TO_MEAN_IT) return null;
  const [w, h] = [Math.floor(width), Math.floor(height)];
  if (!limits) return { width: w, height: h };
  return {
    width: Math.min(limits.max_width, Math.max(limits.min_width, w)),
    height: Math.min(limits.max_height, Math.max(limits.min_height, h)),
  };
}

/** Sends sizes one at a time, at most one per quiet time, and always the last one asked for. */
export class Resizer {
  /**
   * @param {(size: Size) => Promise<void>} send
   * @param {(error: unknown) => void} onError
   */
  constructor(send, onError) {
    this._send = send;
    this._onError = onError;
    /** @type {Size | null} */
    this._wanted = null;
    /** @type {Size | null} */
    this._sent = null;
    this._busy = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
  }

  /**
   * @param {Size} size
   * @param {boolean} [now] don't wait for the window to come to rest
   * @returns {Promise<void>} with `now`, settles when the size was taken or refused
   */
  async ask(size, now = false) {
    this._wanted = size;
    clearTimeout(this._timer);
    if (now) await this._flush();
    else this._timer = setTimeout(() => void this._flush(), QUIET_TIME);
  }

  /** Forget everything: the desktop may have any size now. */
  reset() {
    clearTimeout(this._timer);
    this._wanted = null;
    this._sent = null;
  }

  async _flush() {
    const size = this._wanted;
    if (this._busy || !size) return;
    if (this._sent && size.width === this._sent.width && size.height === this._sent.height) return;
    this._busy = true;
    this._sent = size;
    try {
      await this._send(size);
    } catch (error) {
      this._sent = null;
      this._onError(error);
    } finally {
      this._busy = false;
      if (this._wanted !== size) void this._flush();
    }
  }
}
