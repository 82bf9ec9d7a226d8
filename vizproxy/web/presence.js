/**
 * Tells whether somebody is there: once a second while the page is to be seen, and when it turns up or
 * is hidden.
 *
 * @typedef {object} Listener
 * @property {(seconds: number, used: boolean) => void} tick   so much time, and whether somebody did something
 * @property {(hidden: boolean) => void} visibility
 */

const TICK = 1_000;
const DEEDS = ['pointerdown', 'pointermove', 'wheel', 'keydown'];

export class Presence {
  /**
   * @param {Window} page
   * @param {Listener} listener
   */
  constructor(page, listener) {
    this._document = page.document;
    this._listener = listener;
    this._used = false;
    for (const deed of DEEDS) {
      page.addEventListener(deed, () => { this._used = true; }, { capture: true, passive: true });
    }
    this._document.addEventListener('visibilitychange', () => listener.visibility(this._document.hidden));
    this._wait();
  }

  /** By ticks and not by the clock: while the computer sleeps, nobody asks for anything. */
  _wait() {
    setTimeout(() => {
      const used = this._used;
      this._used = false;
      this._wait();
      if (!this._document.hidden) this._listener.tick(TICK / 1_000, used);
    }, TICK);
  }
}
