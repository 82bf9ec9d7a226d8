/**
 * Asks for the status when there may be news in it: while the picture is live, nothing else asks for it.
 *
 * @typedef {import('./api.js').Status} Status
 */

import { lastOfDesktop } from './apps.js';

/** After which a question without an answer is asked once more, in milliseconds. */
export const RETRY_TIME = 4_000;

export class StatusNews {
  /**
   * @param {() => Promise<Status>} get
   * @param {(status: Status) => void} learned
   */
  constructor(get, learned) {
    this._get = get;
    this._learned = learned;
    this._last = '';
    this._asking = false;
    this._stale = false;
    this._retries = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
  }

  /** @param {import('./apps.js').Desk} desk   with a new notice about the desktop itself there may be news */
  learn(desk) {
    const last = lastOfDesktop(desk);
    if (last === this._last) return;
    this._last = last;
    if (last) void this.ask();
  }

  /**
   * One request at a time; what comes up meanwhile is asked for once more. So is, after a while, what got
   * no answer: once, for where there is none again, the picture goes as a rule, and the page asks anyway.
   */
  async ask() {
    this._stale = true;
    this._retries = 1;
    if (!this._asking) await this._look();
  }

  async _look() {
    clearTimeout(this._timer);
    this._asking = true;
    try {
      while (this._stale) {
        this._stale = false;
        this._learned(await this._get());
      }
    } catch {
      this._stale = true;
      if (this._retries === 0) return;
      this._retries -= 1;
      this._timer = setTimeout(() => void this._look(), RETRY_TIME);
    } finally {
      this._asking = false;
    }
  }
}
