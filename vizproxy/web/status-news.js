/**
 * Asks for the status when there may be news in it: while the picture is live, nothing else asks for it.
 *
 * @typedef {import('./api.js').Status} Status
 */

import { lastOfDesktop } from './apps.js';

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
  }

  /** @param {import('./apps.js').Desk} desk   with a new notice about the desktop itself there may be news */
  learn(desk) {
    const last = lastOfDesktop(desk);
    if (last === this._last) return;
    this._last = last;
    if (last) void this.ask();
  }

  /** One request at a time; what comes up meanwhile is asked for once more. */
  async ask() {
    this._stale = true;
    if (this._asking) return;
    this._asking = true;
    try {
      while (this._stale) {
        this._stale = false;
        this._learned(await this._get());
      }
    } catch {
      // Without an answer nothing is lost: the picture is there, and if it goes, the page asks anyway.
    } finally {
      this._asking = false;
    }
  }
}
