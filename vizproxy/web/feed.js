/**
 * The daemon's event socket: opened when it is wanted, and again after each loss.
 *
 * @typedef {import('./apps.js').Message} Message
 *
 * @typedef {'off' | 'hold' | 'on'} Wish
 *   on: open it, whenever it is not; hold: keep what there is, but open none; off: close it
 *
 * @typedef {object} Listener
 * @property {(message: Message) => void} message
 * @property {(live: boolean) => void} live      whether what was told is up to date
 *
 * @typedef {object} Socket      the part of WebSocket that is used here
 * @property {(type: string, listener: (event: any) => void) => void} addEventListener
 * @property {() => void} close
 */

import { eventsAddress } from './api.js';
import { backoff } from './connection.js';

const CONNECT_TIMEOUT = 20_000;
/** A socket that lived for this long (milliseconds) was a good one. */
const GOOD_SOCKET = 5_000;
/** Seconds between two tries: at first, and at most. */
const FIRST_WAIT = 0.5;
const LONGEST_WAIT = 30;

export class Feed {
  /**
   * @param {Listener} listener
   * @param {() => Socket} [connect]
   */
  constructor(listener, connect = () => new WebSocket(eventsAddress())) {
    this._listener = listener;
    this._connect = connect;
    /** @type {Wish} */
    this._wish = 'off';
    this._visible = true;
    this._losses = 0;
    /** @type {Socket | null} */
    this._socket = null;
    this._live = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
  }

  /** @param {Wish} wish */
  set wish(wish) {
    if (wish === this._wish) return;
    // After a gap the old socket may be a dead one that nobody has noticed yet.
    if (wish === 'off' || this._wish === 'hold') this._drop();
    this._wish = wish;
    this.nudge();
  }

  /** @param {boolean} visible   a page that nobody sees opens no socket */
  set visible(visible) {
    this._visible = visible;
    this.nudge();
  }

  /** A hint that a try now may be worth it. */
  nudge() {
    this._losses = 0;
    if (!this._socket) clearTimeout(this._timer);
    this._open();
  }

  get _wanted() {
    return this._wish === 'on' && this._visible;
  }

  _open() {
    if (!this._wanted || this._socket) return;
    const socket = this._socket = this._connect();
    const born = Date.now();
    this._timer = setTimeout(() => socket.close(), CONNECT_TIMEOUT);
    socket.addEventListener('message', ({ data }) => {
      if (socket === this._socket) this._take(data);
    });
    socket.addEventListener('close', () => {
      if (socket !== this._socket) return; // it was dropped, and has a successor
      this._drop();
      this._losses = Date.now() - born >= GOOD_SOCKET ? 1 : this._losses + 1;
      const wait = backoff(this._losses, Math.random(), FIRST_WAIT, LONGEST_WAIT);
      this._timer = setTimeout(() => this._open(), wait * 1000);
    });
  }

  /** @param {string} data */
  _take(data) {
    const message = JSON.parse(data);
    clearTimeout(this._timer);
    this._listener.message(message);
    if (message.type === 'snapshot') this._setLive(true);
  }

  _drop() {
    const socket = this._socket;
    this._socket = null;
    clearTimeout(this._timer);
    socket?.close();
    this._setLive(false);
  }

  /** @param {boolean} live */
  _setLive(live) {
    if (live === this._live) return;
    this._live = live;
    this._listener.live(live);
  }
}
