/**
 * The notice over the picture that says what is not as good as it could be. It is shown until somebody
 * has seen to it, once each time that something comes up, and takes neither keyboard nor picture away.
 *
 * @typedef {import('./api.js').Status} Status
 *
 * @typedef {object} Actions
 * @property {() => void} explain         somebody wants to know why
 * @property {(text: string) => void} mark   what the toolbar's button says of it; '' if all is well
 * @property {() => void} focusDesktop
 */

import { advice, stillSeen } from './advice-view.js';
import { byId, setText } from './overlay.js';
import { keep, kept } from './store.js';

export class Advice {
  /** @param {Actions} actions */
  constructor(actions) {
    this._actions = actions;
    this._element = byId('advice');
    this._seen = kept('advice');
    this._key = '';
    this._wire();
  }

  /**
   * @param {Status | null} status
   * @param {boolean} shown   whether there is a picture over which to show it
   */
  follow(status, shown) {
    this._keepSeen(stillSeen(this._seen, status));
    const now = advice(status);
    this._key = now?.key ?? '';
    this._actions.mark(now?.text ?? '');
    const wanted = shown && now !== null && !this._seen.includes(now.key);
    // First the words: the region around them is read aloud when they turn up.
    if (now) setText(byId('advice-text'), now.text);
    this._element.hidden = !wanted;
  }

  _dismiss() {
    this._keepSeen([...this._seen, this._key]);
    this._element.hidden = true;
  }

  /** @param {string[]} keys */
  _keepSeen(keys) {
    if (keys.length === this._seen.length) return;
    this._seen = keys;
    keep('advice', keys);
  }

  _wire() {
    // The keyboard stays where it is, which is at the desktop as a rule.
    this._element.addEventListener('mousedown', (event) => event.preventDefault());
    byId('advice-why').addEventListener('click', () => {
      this._dismiss();
      this._actions.explain();
    });
    byId('advice-close').addEventListener('click', () => {
      this._dismiss();
      this._actions.focusDesktop();
    });
    this._element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this._actions.focusDesktop();
    });
  }
}
