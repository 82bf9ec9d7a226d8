/**
 * The menu in the side panel: starts apps.
 *
 * @typedef {import('./apps.js').Menu} MenuNews
 * @typedef {import('./menu.js').MenuEvent} MenuEvent
 *
 * @typedef {object} Surroundings
 * @property {(keyboard: boolean) => void} left      somebody went back to the apps on the desktop
 * @property {() => void} started                    an app was started, and the menu is closed
 * @property {() => void} closed                     the panel is to be closed
 */

import * as api from './api.js';
import { explain } from './describe.js';
import { CLOSED_MENU, reduceMenu } from './menu.js';
import { keepEntries, keepHeight, revealActive, showMenu } from './menu-rows.js';
import { MenuSource } from './menu-source.js';
import { menuView } from './menu-view.js';
import { byId, setText, toast } from './overlay.js';

const COARSE = matchMedia('(pointer: coarse)');
/** How many entries PageUp and PageDown go. */
const PAGE = 8;
/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE };

export class Menu {
  /** @param {Surroundings} surroundings */
  constructor(surroundings) {
    this._surroundings = surroundings;
    this._state = CLOSED_MENU;
    this._inSight = false;
    this._source = new MenuSource(api.getMenu, {
      loaded: (entries) => {
        keepEntries(new Set(entries.map(({ id }) => id)));
        this._dispatch({ type: 'loaded', entries });
      },
      failed: (error) => this._dispatch({ type: 'unreachable', why: explain(error) }),
    });
    /** @type {HTMLInputElement} */
    this._search = byId('menu-search');
    this._wire();
  }

  get isOpen() {
    return this._state.open;
  }

  /** @param {boolean} open   the panel opens with the apps on the desktop, and closes as it is */
  set panelIsOpen(open) {
    if (this.isOpen) this._state = reduceMenu(this._state, { type: 'left' });
    this._ask();
    if (open) byId('panel').dataset.view = 'apps';
  }

  /** @param {boolean} keyboard   whether it was asked for by keyboard */
  open(keyboard) {
    this._dispatch({ type: 'opened' });
    this._search.value = '';
    keepHeight(false);
    byId('menu-list').scrollTop = 0;
    // A finger would get the keyboard of the phone, which hides the half of it all.
    if (keyboard || !COARSE.matches) this._search.focus({ preventScroll: true });
  }

  /** @param {boolean} inSight   whether there is a panel, and somebody sees the page */
  set inSight(inSight) {
    this._inSight = inSight;
    this._ask();
  }

  /**
   * What the daemon has told of the menu; null where nobody may see it.
   *
   * @param {MenuNews | null} news
   * @param {boolean} anew   by a snapshot: a daemon that was restarted counts from 1 again
   */
  learn(news, anew) {
    if (news === null && this._state !== CLOSED_MENU) {
      this._dispatch({ type: 'forgotten' });
      showMenu(menuView(this._state));
      keepEntries(new Set());
    }
    this._source.learn(news, anew);
  }

  /** @param {string} id */
  async _start(id) {
    const entry = this._state.entries?.find((other) => other.id === id);
    if (!entry || this._state.starting.has(id)) return;
    this._dispatch({ type: 'starting', id });
    setText(byId('panel-said'), `Starting ${entry.name}`);
    try {
      await api.openEntry(id, { new: true });
      const open = this.isOpen;
      this._dispatch({ type: 'started', id });
      if (open && !this.isOpen) this._surroundings.started();
    } catch (error) {
      this._dispatch({ type: 'failed', id, why: explain(error) });
      toast(explain(error));
    }
  }

  /** @param {MenuEvent} event */
  _dispatch(event) {
    this._state = reduceMenu(this._state, event);
    if (this._state.open) showMenu(menuView(this._state));
    byId('panel').dataset.view = this._state.open ? 'menu' : 'apps';
    this._ask();
  }

  /** What nobody looks at is not asked for. */
  _ask() {
    this._source.wanted = this.isOpen && this._inSight;
  }

  _wire() {
    this._search.addEventListener('input', () => {
      keepHeight(true);
      this._dispatch({ type: 'typed', query: this._search.value });
      byId('menu-list').scrollTop = 0;
    });
    window.addEventListener('resize', () => keepHeight(false));
    byId('menu').addEventListener('keydown', (event) => this._onKey(event));
    byId('menu-list').addEventListener('click', (event) => {
      const entry = event.target instanceof Element ? event.target.closest('.entry') : null;
      if (entry) void this._start(/** @type {HTMLElement} */ (entry).dataset.key ?? '');
    });
    byId('menu-back').addEventListener('click', (event) => this._leave(event.detail === 0));
    byId('menu-close').addEventListener('click', () => this._surroundings.closed());
  }

  /** @param {KeyboardEvent} event */
  _onKey(event) {
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    const step = STEPS[event.key];
    if (event.key === 'Escape') {
      this._leave(true);
    } else if (step !== undefined) {
      this._dispatch({ type: 'moved', step });
      revealActive();
    } else if (event.key === 'Enter' && event.target === this._search) {
      if (this._state.active !== null) void this._start(this._state.active);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {boolean} keyboard */
  _leave(keyboard) {
    this._dispatch({ type: 'left' });
    this._surroundings.left(keyboard);
  }
}
