/**
 * Puts rows into the page. They are kept by their keys, so that focus, hover and transitions survive every
 * change. All text goes in as text.
 */

import { byId, setText } from './overlay.js';

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {Element} element
 * @param {string} selector
 */
export function part(element, selector) {
  return /** @type {T} */ (element.querySelector(selector));
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * @param {HTMLElement} element
 * @param {string} text    none: the element is not shown
 */
export function setLine(element, text) {
  setText(element, text);
  element.hidden = text === '';
}

/**
 * @param {HTMLElement} button
 * @param {string} label   also its tooltip
 */
export function setLabel(button, label) {
  setAttribute(button, 'aria-label', label);
  setAttribute(button, 'title', label);
}

/** @param {string} template */
export function fromTemplate(template) {
  const { content } = /** @type {HTMLTemplateElement} */ (byId(template));
  return /** @type {HTMLElement} */ (content.firstElementChild?.cloneNode(true));
}

/**
 * Makes the children of a list those of the rows. Elements that stay are not moved without need: a
 * moved element loses the focus.
 *
 * @template T
 * @param {HTMLElement} list
 * @param {T[]} rows
 * @param {(row: T) => string} keyOf
 * @param {(row: T) => HTMLElement} make
 * @param {(element: HTMLElement, row: T) => void} update
 */
export function showKeyed(list, rows, keyOf, make, update) {
  const wanted = new Set(rows.map(keyOf));
  /** @type {Map<string, HTMLElement>} */
  const present = new Map();
  for (const child of [...list.children]) {
    const element = /** @type {HTMLElement} */ (child);
    const key = element.dataset.key ?? '';
    if (wanted.has(key)) present.set(key, element);
    else element.remove();
  }
  rows.forEach((row, index) => {
    const key = keyOf(row);
    const element = present.get(key) ?? make(row);
    element.dataset.key = key;
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
    update(element, row);
  });
}
