/**
 * The notice over the picture that says what is not as good as it could be. It is shown until somebody
 * has seen to it, once for each thing the daemon says, and takes neither keyboard nor picture away.
 *
 * @typedef {import('./api.js').Status} Status
 *
 * @typedef {object} Actions
 * @property {() => void} explain         somebody wants to know why
 * @property {(text: string) => void} mark   what the toolbar's button says of it; '' if all is well
 * @property {() => void} focusDesktop
 */

import { advice } from './advice-view.js';
import { byId, setText } from './overlay.js';
import { keep, kept } from './store.js';

export class Advice {
  /** @param {Actions} actions */
  constructor(actions) {
    this._actions = actions;
    this._element = byId('advice');
    this._seen = new Set(kept('advice'));
    this._key = '';
    this._wire();
  }

  /**
   * @param {Status | null} status
   * @param {boolean} shown   whether there is a picture over which to show it
   */
  follow(status, shown) {
    const now = advice(status);
    this._key = now?.key ?? '';
    this._actions.mark(now?.text ?? '');
    const wanted = shown && now !== null && !this._seen.has(now.key);
    // First the words: the region around them is read aloud when they turn up.
    if (now) setText(byId('advice-text'), now.text);
    this._element.hidden = !wanted;
  }

  _dismiss() {
    this._seen.add(this._key);
    keep('advice', [...this._seen]);
    this._element.hidden = true;
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
