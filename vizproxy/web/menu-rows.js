/**
 * Puts the menu's view (see menu-view.js) into the page.
 *
 * @typedef {import('./menu-view.js').EntryRow} EntryRow
 * @typedef {import('./menu-view.js').MenuView} MenuView
 */

import { address } from './api.js';
import { byId, setText } from './overlay.js';
import { fromTemplate, part, setAttribute, setLine, showKeyed } from './rows.js';

/**
 * A row for an entry wherever it stands, so that a search does not load its icon again.
 *
 * @type {Map<string, HTMLElement>}
 */
const made = new Map();
let count = 0;

/** @param {EntryRow} row */
function entryElement({ id }) {
  const known = made.get(id);
  if (known) return known;
  const element = fromTemplate('entry-template');
  count += 1;
  element.id = `menu-entry-${count}`;
  /** @type {HTMLImageElement} */
  const image = part(element, 'img');
  // Until it is there, and where it cannot be had, the glyph stands for it.
  image.addEventListener('load', () => { element.dataset.icon = 'shown'; });
  image.addEventListener('error', () => { element.dataset.icon = 'none'; });
  made.set(id, element);
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {EntryRow} row
 */
function showEntry(element, { name, comment, icon, glyph, word, active, starting }) {
  setText(part(element, '.name'), name);
  setText(part(element, '.comment'), comment);
  setText(part(element, '.word'), word);
  setText(part(element, '.glyph'), glyph);
  setAttribute(element, 'title', comment ? `${name}: ${comment}` : name);
  setAttribute(element, 'aria-selected', String(active));
  setAttribute(element, 'aria-disabled', String(starting));
  /** @type {HTMLImageElement} */
  const image = part(element, 'img');
  image.hidden = icon === null;
  const source = icon === null ? '' : address(icon);
  if ((image.getAttribute('src') ?? '') === source) return;
  delete element.dataset.icon;
  if (source) image.src = source;
  else image.removeAttribute('src');
}

/**
 * @param {HTMLElement} element
 * @param {MenuView['sections'][number]} section
 */
function showSection(element, { title, rows }) {
  setLine(part(element, 'h3'), title);
  setAttribute(element, 'aria-label', title || 'Found');
  showKeyed(part(element, '.entries'), rows, ({ id }) => id, entryElement, showEntry);
}

/** @param {MenuView} view */
export function showMenu({ sections, note, failure, said }) {
  const list = byId('menu-list');
  showKeyed(list, sections, ({ title }) => title, () => fromTemplate('section-template'), showSection);
  list.hidden = sections.length === 0;
  setLine(byId('menu-note'), note);
  setLine(byId('menu-failure'), failure);
  setText(byId('menu-said'), said);
  const active = list.querySelector('[aria-selected="true"]');
  const search = byId('menu-search');
  if (active) setAttribute(search, 'aria-activedescendant', active.id);
  else search.removeAttribute('aria-activedescendant');
  search.setAttribute('aria-expanded', String(!list.hidden));
}

/**
 * Keeps the menu as high as it is, so that it does not jump with what a search finds; or no longer.
 *
 * @param {boolean} still
 */
export function keepHeight(still) {
  const { style, offsetHeight } = byId('menu');
  style.minHeight = still ? style.minHeight || `${offsetHeight}px` : '';
}

/** Brings the entry that the keyboard is at into sight. */
export function revealActive() {
  byId('menu-list').querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
}

/**
 * Forgets the rows of entries that are no longer in the menu.
 *
 * @param {Set<string>} ids   the others
 */
export function keepEntries(ids) {
  for (const [id, element] of made) if (!ids.has(id)) made.delete(id);
}
