/**
 * Full screen, also from a frame: where the page around it does not let the frame do it by itself, but
 * is of the same site, the frame is made to fill the screen from there.
 *
 * @typedef {object} Target
 * @property {Document} document       the one that shows full screen
 * @property {Element} element         what fills it
 */

/**
 * @param {Window} page
 * @returns {Element | null} the frame that the page is in, unless the page around is a foreign one
 */
function frameOf(page) {
  try {
    return page.frameElement;
  } catch {
    return null;
  }
}

/**
 * @param {Window} page
 * @returns {Target | null} null where full screen is not possible
 */
export function target(page) {
  const own = { document: page.document, element: page.document.documentElement };
  if (own.document.fullscreenEnabled) return own;
  const frame = frameOf(page);
  return frame?.ownerDocument.fullscreenEnabled ? { document: frame.ownerDocument, element: frame } : null;
}

export class FullScreen {
  /** @param {Window} page */
  constructor(page) {
    this._target = target(page);
  }

  get possible() {
    return this._target !== null;
  }

  get on() {
    return this._target !== null && this._target.document.fullscreenElement === this._target.element;
  }

  /** Enters it, or leaves it; fails where the browser does not allow it. */
  async toggle() {
    if (!this._target) return;
    if (this.on) await this._target.document.exitFullscreen();
    else await this._target.element.requestFullscreen();
  }

  /** @param {() => void} changed   called when it was entered or left, in whatever way */
  follow(changed) {
    this._target?.document.addEventListener('fullscreenchange', changed);
  }
}
