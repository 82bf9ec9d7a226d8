/**
 * Asks the daemon for the menu: when somebody looks at it, again when it has changed meanwhile, and once
 * more after a while when there was no answer.
 *
 * @typedef {import('./apps.js').Menu} MenuNews
 * @typedef {import('./menu.js').Entry} Entry
 *
 * @typedef {object} Listener
 * @property {(entries: Entry[]) => void} loaded
 * @property {(error: unknown) => void} failed
 */

import { backoff } from './connection.js';

/** Seconds between two tries: at first, and at most. */
const FIRST_WAIT = 1;
const LONGEST_WAIT = 30;

export class MenuSource {
  /**
   * @param {() => Promise<{revision: number, entries: Entry[]}>} get
   * @param {Listener} listener
   */
  constructor(get, listener) {
    this._get = get;
    this._listener = listener;
    this._wanted = false;
    /** @type {MenuNews | null} */
    this._news = null;
    /** @type {number | null} the revision of what was loaded */
    this._revision = null;
    this._asking = false;
    this._failures = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
  }

  /** @param {boolean} wanted   whether somebody looks */
  set wanted(wanted) {
    if (wanted === this._wanted) return;
    this._wanted = wanted;
    this._askAfresh();
  }

  /**
   * @param {MenuNews | null} news   null where nobody may see it
   * @param {boolean} anew           by a snapshot: a daemon that was restarted counts from 1 again
   */
  learn(news, anew) {
    if (news === this._news && !anew) return;
    if (anew) this._revision = null;
    this._news = news;
    this._askAfresh();
  }

  _askAfresh() {
    clearTimeout(this._timer);
    this._failures = 0;
    void this._ask();
  }

  async _ask() {
    const asked = this._news?.revision;
    if (!this._wanted || this._asking || asked === undefined || asked === this._revision) return;
    this._asking = true;
    try {
      const { revision, entries } = await this._get();
      if (this._news === null) return;
      this._revision = revision;
      this._failures = 0;
      this._listener.loaded(entries);
    } catch (error) {
      if (this._news !== null) this._retry(error);
      return;
    } finally {
      this._asking = false;
    }
    // It may have changed while the answer was on its way.
    if (this._news.revision !== asked && this._news.revision > this._revision) void this._ask();
  }

  /** @param {unknown} error */
  _retry(error) {
    this._failures += 1;
    clearTimeout(this._timer);
    if (this._wanted) {
      const wait = backoff(this._failures, Math.random(), FIRST_WAIT, LONGEST_WAIT);
      this._timer = setTimeout(() => void this._ask(), wait * 1000);
    }
    this._listener.failed(error);
  }
}
