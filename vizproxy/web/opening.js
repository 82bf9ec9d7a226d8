/**
 * Opens the tile that the page's address names, as JupyterLab's launcher has it, once there is a menu.
 * Only tiles: any site may lead a visitor to such an address.
 *
 * @typedef {import('./apps.js').Desk} Desk
 *
 * @typedef {object} Course
 * @property {(entry: string) => Promise<unknown>} open   start it, or bring it to the front
 * @property {() => void} opened
 * @property {(error: unknown) => void} failed
 */

import { ApiError } from './api.js';

/** How long to wait for a menu, in milliseconds: the notebook's side may come later than the picture. */
const PATIENCE = 15_000;

export class Opening {
  /**
   * @param {string} entry   none: there is nothing to open
   * @param {Course} course
   */
  constructor(entry, course) {
    this._entry = entry;
    this._course = course;
    this._done = entry === '';
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
  }

  /** @param {Desk} desk   what is there now */
  learn(desk) {
    if (this._done || !desk.known) return;
    if (desk.menu && desk.menu.entries > 0) void this._open();
    else this._timer ??= setTimeout(() => this._giveUp(), PATIENCE);
  }

  async _open() {
    this._end();
    try {
      await this._course.open(this._entry);
      this._course.opened();
    } catch (error) {
      this._course.failed(error);
    }
  }

  _giveUp() {
    if (this._done) return;
    this._end();
    this._course.failed(new ApiError(0, `cannot open ${this._entry}: there is no such app in the menu here`));
  }

  _end() {
    this._done = true;
    clearTimeout(this._timer);
  }
}

/**
 * The same address without what asks for an app.
 *
 * @param {string} address
 */
export function withoutOpen(address) {
  const url = new URL(address);
  url.searchParams.delete('open');
  return url.href;
}
