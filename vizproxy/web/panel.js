/**
 * The side panel: the apps on the desktop. It opens by a button of the toolbar or by a key chord, takes
 * the keyboard only when asked to by keyboard, and gives it back to the desktop.
 *
 * @typedef {import('./connection.js').Phase} Phase
 * @typedef {import('./apps.js').Message} Message
 * @typedef {import('./apps-view.js').PanelView} PanelView
 */

import * as api from './api.js';
import { EMPTY_DESK, news, told } from './apps.js';
import { panelView, toastText } from './apps-view.js';
import { Deeds } from './deeds.js';
import { explain } from './describe.js';
import { Feed } from './feed.js';
import { Menu } from './menu-panel.js';
import { byId, inDialog, setText, toast } from './overlay.js';
import { showBadge, showPanel } from './panel-rows.js';
import { remember, remembered } from './store.js';

/** Where the panel is a sheet at the lower edge; as in panel.css. */
const SHEET = matchMedia('(max-width: 640px)');

export class Panel {
  /** @param {{focusDesktop: () => void, learned: (desk: import('./apps.js').Desk) => void}} actions */
  constructor(actions) {
    this._actions = actions;
    this._element = byId('panel');
    this._desk = EMPTY_DESK;
    this._deeds = new Deeds(api, {
      changed: () => this._renderSoon(),
      failed: (error) => toast(explain(error)),
      said: (text) => setText(byId('panel-said'), text),
    });
    this._menu = new Menu({
      left: (keyboard) => this._leftMenu(keyboard),
      started: () => this._leaveFor(),
      closed: () => this.toggle(false),
    });
    this._feed = new Feed({ message: (message) => this._take(message), live: (live) => this._setLive(live) });
    /** @type {import('./apps.js').Notice[]} */
    this._untold = [];
    this._drawing = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    this._wireKeys();
    this._wirePointer();
    this._wireVisibility();
    this._setOpen(remembered('panel') === 'open');
  }

  /**
   * @param {Phase} phase    of the page: without a picture there is no panel
   * @param {boolean} hidden
   */
  follow(phase, hidden) {
    this._menu.inSight = phase === 'connected' && !hidden;
    if (phase === 'denied') {
      this._feed.wish = 'off';
      this._learn(EMPTY_DESK); // not for strangers' eyes
    } else if (phase === 'paused' || phase === 'resting' || (hidden && phase !== 'connected')) {
      this._feed.wish = 'off'; // what it says and answers may count as use of the desktop
    } else {
      this._feed.wish = phase === 'connected' ? 'on' : 'hold';
    }
  }

  /** @param {boolean} keyboard   whether it was asked for by keyboard, and so gets it */
  toggle(keyboard) {
    const open = !this._open;
    this._setOpen(open);
    remember('panel', open ? 'open' : 'closed');
    if (open && keyboard) this._focusFirst();
    else this._actions.focusDesktop();
  }

  /** Shows the menu of apps that can be started. */
  openMenu() {
    if (!this._open) this._setOpen(true);
    this._menu.open(true);
  }

  get _open() {
    return this._element.dataset.open === 'true';
  }

  /** @param {boolean} open */
  _setOpen(open) {
    if (open) this._render(true);
    this._element.dataset.open = document.documentElement.dataset.panel = String(open);
    this._element.inert = !open;
    byId('apps-open').setAttribute('aria-expanded', String(open));
    this._menu.panelIsOpen = open;
  }

  /** @param {Message} message */
  _take(message) {
    this._untold.push(...news(this._desk, message, Date.now()));
    this._learn(told(this._desk, message), message.type === 'snapshot');
    this._tell();
  }

  /**
   * @param {import('./apps.js').Desk} desk
   * @param {boolean} [anew]   all of it was told
   */
  _learn(desk, anew = false) {
    if (desk === this._desk) return;
    this._desk = this._deeds.desk = desk;
    this._menu.learn(desk.menu, anew);
    this._actions.learned(desk);
    this._renderSoon();
  }

  /** Shows the news, once somebody looks. */
  _tell() {
    if (document.hidden) return;
    for (const { text, detail } of this._untold.splice(0).slice(-3).map(toastText)) toast(text, detail);
  }

  /** @param {boolean} live */
  _setLive(live) {
    this._element.dataset.live = String(live);
    const text = this._desk.known ? 'Not up to date. Reconnecting…' : 'Asking which apps there are…';
    setText(byId('panel-stale'), live ? '' : text);
  }

  _renderSoon() {
    if (this._drawing) return;
    this._drawing = true;
    requestAnimationFrame(() => {
      this._drawing = false;
      this._render(this._open || !this._desk.known);
    });
  }

  /** @param {boolean} rows   whether they are to be seen */
  _render(rows) {
    clearTimeout(this._timer);
    const view = panelView(this._desk, this._deeds.open, Date.now());
    showBadge(view);
    if (!rows) return;
    this._keepFocus(() => showPanel(view, this._desk.known));
    if (Number.isFinite(view.wake)) this._timer = setTimeout(() => this._renderSoon(), view.wake + 1);
  }

  /**
   * A row that goes away hands the focus to the one that takes its place.
   *
   * @param {() => void} change
   */
  _keepFocus(change) {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    if (!focused || !this._element.contains(focused)) return change();
    const row = focused.closest('.window') ?? focused.closest('.app')?.querySelector('.window');
    const index = this._rows.findIndex((button) => button.closest('.window') === row);
    change();
    if (focused.getClientRects().length > 0) {
      if (document.activeElement !== focused) focused.focus(); // it was moved
      return;
    }
    const rows = this._rows;
    (rows[Math.min(Math.max(index, 0), rows.length - 1)] ?? this._fallback).focus();
  }

  /** @returns {HTMLElement[]} the buttons that raise a window */
  get _rows() {
    return [...this._element.querySelectorAll('.raise')].map((button) => /** @type {HTMLElement} */ (button));
  }

  _focusInside() {
    if (this._menu.isOpen) byId('menu-search').focus();
    else this._focusFirst();
  }

  _focusFirst() {
    const rows = this._rows;
    const active = rows.find((button) => button.getAttribute('aria-current') === 'true');
    (active ?? rows[0] ?? this._fallback).focus();
  }

  /** What gets the focus where there is no window. */
  get _fallback() {
    return byId(byId('start').hidden ? 'panel-close' : 'start');
  }

  /** @param {boolean} keyboard */
  _leftMenu(keyboard) {
    if (keyboard) this._fallback.focus();
    else this._actions.focusDesktop();
  }

  /** Turns to the desktop, where something comes into sight. */
  _leaveFor() {
    if (SHEET.matches) this.toggle(false);
    else this._actions.focusDesktop();
  }

  _wireKeys() {
    window.addEventListener('keydown', (event) => {
      if (!(event.ctrlKey && event.altKey && event.shiftKey && event.code === 'KeyA')) return;
      if (document.documentElement.dataset.state !== 'connected' || inDialog()) return;
      event.preventDefault();
      event.stopPropagation();
      // noVNC lets go of all keys on this event; else the chord's would stay down on the desktop.
      window.dispatchEvent(new Event('blur'));
      if (this._open && !this._element.contains(document.activeElement)) this._focusInside();
      else this.toggle(true);
    }, { capture: true });
    this._element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        this.toggle(true);
      } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        this._moveFocus(event.key === 'ArrowDown' ? 1 : -1);
        event.preventDefault();
      }
    });
  }

  /** @param {1 | -1} step */
  _moveFocus(step) {
    const rows = this._rows;
    const here = document.activeElement;
    const at = rows.findIndex((button) => button === here || button.parentElement?.contains(here));
    const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step;
    rows[(next + rows.length) % rows.length]?.focus();
  }

  _wirePointer() {
    // The keyboard stays where it is, which is at the desktop as a rule.
    this._element.addEventListener('mousedown', (event) => {
      if (!(event.target instanceof Element && event.target.closest('pre, p, input'))) event.preventDefault();
    });
    this._element.addEventListener('click', (event) => {
      const button = event.target instanceof Element ? event.target.closest('button') : null;
      if (button?.dataset.do && button.getAttribute('aria-disabled') !== 'true') this._act(button, event.detail);
    });
    byId('panel-close').addEventListener('click', () => this.toggle(false));
    byId('start').addEventListener('click', (event) => this._menu.open(event.detail === 0));
  }

  /**
   * @param {HTMLElement} button
   * @param {number} presses   2 and more: of a double click
   */
  _act(button, presses) {
    const key = (/** @type {string} */ row) => /** @type {HTMLElement | null} */ (button.closest(row))?.dataset.key ?? '';
    switch (button.dataset.do) {
      case 'raise':
        void this._deeds.change(key('.window'), 'raise');
        this._leaveFor();
        break;
      case 'maximise': return void this._deeds.change(key('.window'), 'maximise');
      case 'restore': return void this._deeds.change(key('.window'), 'restore');
      case 'close': return void this._deeds.close(key('.window'));
      case 'force': return void this._deeds.close(key('.window'), true);
      case 'stop': return void (presses < 2 && this._deeds.stop(key('.app')));
      case 'tile': return void this._deeds.tile();
    }
  }

  _wireVisibility() {
    this._feed.visible = !document.hidden;
    document.addEventListener('visibilitychange', () => {
      this._feed.visible = !document.hidden;
      this._tell();
    });
    window.addEventListener('online', () => this._feed.nudge());
  }
}
