/**
 * What was asked of apps and windows in the panel, and how it comes out.
 *
 * @typedef {import('./apps.js').Desk} Desk
 * @typedef {import('./apps-view.js').Deed} Deed
 *
 * @typedef {object} Daemon      the part of the daemon's interface that is used here
 * @property {(app: string) => Promise<void>} stopApp
 * @property {(window: string, action: 'raise' | 'maximise' | 'restore') => Promise<void>} changeWindow
 * @property {(window: string, force: boolean) => Promise<{outcome: 'closed' | 'asking' | 'killed'}>} closeWindow
 * @property {() => Promise<void>} tileWindows
 *
 * @typedef {object} Reporter
 * @property {() => void} changed                  the deeds are others now
 * @property {(error: unknown) => void} failed
 * @property {(text: string) => void} said         something to be read aloud
 */

import { ApiError } from './api.js';
import { asker, EMPTY_DESK } from './apps.js';
import { ARMED_TIME } from './apps-view.js';

export class Deeds {
  /**
   * @param {Daemon} daemon
   * @param {Reporter} reporter
   * @param {() => number} [clock]   milliseconds since 1970
   */
  constructor(daemon, reporter, clock = Date.now) {
    this._daemon = daemon;
    this._reporter = reporter;
    this._clock = clock;
    this._desk = EMPTY_DESK;
    /** @type {import('./apps-view.js').Deeds} */
    this.open = new Map();
  }

  /** @param {Desk} desk   what is there now; what was asked of things that are gone is forgotten */
  set desk(desk) {
    this._desk = desk;
    for (const id of this.open.keys()) {
      if (!desk.apps.has(id) && !desk.windows.has(id)) this.open.delete(id);
    }
  }

  /**
   * Stop an app, at the second press within a few seconds.
   *
   * @param {string} id
   */
  async stop(id) {
    const app = this._desk.apps.get(id);
    const before = this.open.get(id);
    if (!app || app.state === 'stopping' || before?.kind === 'stopping') return;
    if (before?.kind !== 'armed' || this._clock() - before.at >= ARMED_TIME) {
      this._set(id, 'armed');
      this._reporter.said(`Press again to stop ${app.name}`);
      return;
    }
    const deed = this._set(id, 'stopping');
    await this._try(() => this._daemon.stopApp(id), () => this._end(id, deed));
  }

  /**
   * Close a window: ask its app, or don't.
   *
   * @param {string} id
   * @param {boolean} [force]
   */
  async close(id, force = false) {
    const window = this._desk.windows.get(id);
    if (!window || (!force && this.open.get(id)?.kind === 'closing')) return;
    const known = [...this._desk.windows.keys()];
    const deed = this._set(id, 'closing');
    let outcome = '';
    try {
      ({ outcome } = await this._daemon.closeWindow(id, force));
    } catch (error) {
      if (error instanceof ApiError && error.code === 'window_gone') outcome = 'closed';
      else if (this._end(id, deed)) this._reporter.failed(error);
    }
    if (outcome === '' || this.open.get(id) !== deed) return; // force was used meanwhile
    if (outcome !== 'asking') {
      this._set(id, 'gone');
      return;
    }
    this._set(id, 'asking');
    this._reporter.said(`${window.title} asks something`);
    await this.change(asker(this._desk, window, known), 'raise');
  }

  /**
   * @param {string} id
   * @param {'raise' | 'maximise' | 'restore'} action
   */
  async change(id, action) {
    await this._try(() => this._daemon.changeWindow(id, action));
  }

  async tile() {
    await this._try(() => this._daemon.tileWindows());
  }

  /**
   * @param {() => Promise<void>} act
   * @param {() => void} [undo]
   */
  async _try(act, undo) {
    try {
      await act();
    } catch (error) {
      undo?.();
      this._reporter.failed(error);
    }
  }

  /**
   * @param {string} id
   * @param {Deed['kind']} kind
   */
  _set(id, kind) {
    const deed = { kind, at: this._clock() };
    this.open.set(id, deed);
    this._reporter.changed();
    return deed;
  }

  /**
   * @param {string} id
   * @param {Deed} deed
   * @returns {boolean} whether it was still the last one
   */
  _end(id, deed) {
    if (this.open.get(id) !== deed) return false;
    this.open.delete(id);
    this._reporter.changed();
    return true;
  }
}
