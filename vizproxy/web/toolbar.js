/**
 * The toolbar at the upper edge. It opens by a mouse over the handle, by a tap, or by a key chord, and
 * closes when attention has gone elsewhere.
 *
 * @typedef {import('./screen.js').Mode} Mode
 *
 * @typedef {object} Actions
 * @property {(mode: Mode) => void} setMode
 * @property {(on: boolean) => void} setDrag
 * @property {(keyboard: boolean) => void} openApps   by the keyboard, or by mouse or finger
 * @property {() => void} openMenu                    the menu of apps to start
 * @property {() => Promise<void>} screenshot
 * @property {() => void} openCheckup
 * @property {() => void} focusDesktop
 */

import { FullScreen } from './fullscreen.js';
import { byId, closeBeside, inDialog } from './overlay.js';
import { setLabel } from './rows.js';
import { remember, remembered } from './store.js';

/** @type {Mode[]} */
const MODES = ['resize', 'scale', 'actual'];
/** How long the bar stays open after the mouse has left it, in milliseconds. */
const LINGER = 700;

/** @returns {Mode} the choice of last time */
export function rememberedMode() {
  const mode = /** @type {Mode} */ (remembered('size'));
  return MODES.includes(mode) ? mode : 'resize';
}

export class Toolbar {
  /** @param {Actions} actions */
  constructor(actions) {
    this._actions = actions;
    this._bar = byId('bar');
    this._handle = byId('handle');
    this._tools = byId('tools');
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    this._setOpen(false);
    this._wireOpening();
    this._wireKeys();
    this._wireModes();
    this._wireButtons();
  }

  /** @param {Mode} mode */
  showMode(mode) {
    for (const button of this._modeButtons) {
      const on = button.dataset.mode === mode;
      button.setAttribute('aria-checked', String(on));
      button.tabIndex = on ? 0 : -1;
    }
  }

  /** @param {string} text   what is not as good as it could be, or '' */
  showAdvice(text) {
    const button = byId('checkup-open');
    setLabel(button, text ? `Check-up: ${text}` : 'Check-up');
    button.classList.toggle('poor', text !== '');
  }

  /** @param {boolean} clipped part of the picture is out of sight */
  showClipped(clipped) {
    byId('drag').hidden = !clipped;
    byId('drag').setAttribute('aria-pressed', 'false');
  }

  /** @returns {HTMLButtonElement[]} */
  get _modeButtons() {
    return [...byId('modes').querySelectorAll('button')];
  }

  /** @param {boolean} open */
  _setOpen(open) {
    clearTimeout(this._timer);
    this._bar.dataset.open = String(open);
    this._handle.setAttribute('aria-expanded', String(open));
    this._tools.inert = !open;
  }

  get _open() {
    return this._bar.dataset.open === 'true';
  }

  _closeSoon() {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      if (!this._tools.matches(':focus-within:has(:focus-visible)')) this._setOpen(false);
    }, LINGER);
  }

  _wireOpening() {
    this._bar.addEventListener('pointerenter', (event) => {
      if (event.pointerType === 'mouse') this._setOpen(true);
    });
    this._bar.addEventListener('pointerleave', (event) => {
      if (event.pointerType === 'mouse') this._closeSoon();
    });
    this._handle.addEventListener('click', (event) => {
      // The mouse has opened it by being there; a tap and the keyboard toggle.
      const mouse = event instanceof PointerEvent && event.pointerType === 'mouse';
      this._setOpen(mouse || !this._open);
    });
    this._bar.addEventListener('focusout', (event) => {
      const to = event.relatedTarget;
      if (!(to instanceof Node && this._bar.contains(to)) && !this._bar.matches(':hover')) this._closeSoon();
    });
    byId('screen').addEventListener('pointerdown', () => this._setOpen(false), { capture: true });
  }

  _wireKeys() {
    window.addEventListener('keydown', (event) => {
      if (!(event.ctrlKey && event.altKey && event.shiftKey && event.code === 'KeyM') || inDialog()) return;
      event.preventDefault();
      event.stopPropagation();
      // noVNC lets go of all keys on this event; else the chord's would stay down on the desktop.
      window.dispatchEvent(new Event('blur'));
      this._setOpen(true);
      this._modeButtons.find((button) => button.tabIndex === 0)?.focus();
    }, { capture: true });
    this._bar.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        this._setOpen(false);
        this._actions.focusDesktop();
      } else if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
        this._moveFocus(event.key === 'ArrowRight' ? 1 : -1);
        event.preventDefault();
      }
    });
  }

  /** @param {1 | -1} step */
  _moveFocus(step) {
    const stops = [...this._tools.querySelectorAll('button, a')].filter((e) => !(/** @type {HTMLElement} */ (e)).hidden);
    const at = stops.indexOf(/** @type {Element} */ (document.activeElement));
    const next = stops[(at + step + stops.length) % stops.length];
    /** @type {HTMLElement | undefined} */ (next)?.focus();
  }

  _wireModes() {
    for (const button of this._modeButtons) {
      button.addEventListener('click', () => {
        const mode = /** @type {Mode} */ (button.dataset.mode);
        remember('size', mode);
        this.showMode(mode);
        this._actions.setMode(mode);
      });
    }
    byId('drag').addEventListener('click', () => {
      const on = byId('drag').getAttribute('aria-pressed') !== 'true';
      byId('drag').setAttribute('aria-pressed', String(on));
      this._actions.setDrag(on);
    });
  }

  _wireButtons() {
    byId('apps-open').addEventListener('click', (event) => {
      this._setOpen(false);
      this._actions.openApps(event.detail === 0);
    });

    /** @type {HTMLButtonElement} */
    const shot = byId('screenshot');
    shot.addEventListener('click', async () => {
      shot.disabled = true;
      await this._actions.screenshot();
      shot.disabled = false;
    });

    byId('new-tab').hidden = window.top === window;

    this._wireFullScreen();

    byId('checkup-open').addEventListener('click', () => {
      this._setOpen(false);
      this._actions.openCheckup();
    });

    /** @type {HTMLDialogElement} */
    const help = byId('help');
    byId('help-open').addEventListener('click', () => {
      this._setOpen(false);
      help.showModal();
    });
    closeBeside(help);
    byId('help-start').addEventListener('click', () => help.close('menu'));
    help.addEventListener('close', () => {
      if (help.returnValue === 'menu') this._actions.openMenu();
      else this._actions.focusDesktop();
      help.returnValue = '';
    });
  }

  _wireFullScreen() {
    const button = byId('fullscreen');
    const screen = new FullScreen(window);
    button.hidden = !screen.possible;
    button.addEventListener('click', () => {
      screen.toggle().then(() => this._actions.focusDesktop(), () => {});
    });
    screen.follow(() => {
      const label = screen.on ? 'Leave full screen' : 'Full screen';
      button.title = label;
      button.setAttribute('aria-label', label);
    });
  }
}
