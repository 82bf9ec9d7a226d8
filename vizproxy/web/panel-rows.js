/**
 * Puts the panel's view (see apps-view.js) into the page. Rows are kept by their keys, so that focus,
 * hover and transitions survive every change. All text goes in as text.
 *
 * @typedef {import('./apps-view.js').AppRow} AppRow
 * @typedef {import('./apps-view.js').Line} Line
 * @typedef {import('./apps-view.js').PanelView} PanelView
 * @typedef {import('./apps-view.js').WindowRow} WindowRow
 */

import { byId, setText } from './overlay.js';

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {Element} element
 * @param {string} selector
 */
function part(element, selector) {
  return /** @type {T} */ (element.querySelector(selector));
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * @param {HTMLElement} element
 * @param {string} text    none: the element is not shown
 */
function setLine(element, text) {
  setText(element, text);
  element.hidden = text === '';
}

/**
 * @param {HTMLElement} button
 * @param {string} label   also its tooltip
 */
function setLabel(button, label) {
  setAttribute(button, 'aria-label', label);
  setAttribute(button, 'title', label);
}

/** @param {string} template */
function fromTemplate(template) {
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
 * @param {() => HTMLElement} make
 * @param {(element: HTMLElement, row: T) => void} update
 */
function showKeyed(list, rows, keyOf, make, update) {
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
    const element = present.get(key) ?? make();
    element.dataset.key = key;
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
    update(element, row);
  });
}

/**
 * @param {HTMLElement} element
 * @param {WindowRow} row
 */
function showWindow(element, row) {
  const raise = part(element, '.raise');
  setText(part(raise, '.title'), row.title);
  setText(part(raise, '.word'), row.word);
  setAttribute(raise, 'title', row.title);
  setAttribute(raise, 'aria-current', String(row.active));
  element.dataset.state = row.state;
  element.classList.toggle('active', row.active);
  element.classList.toggle('minimised', row.minimised);
  const maximise = part(element, '.maximise');
  setAttribute(maximise, 'aria-pressed', String(row.maximised));
  setLabel(maximise, `${row.maximised ? 'Restore' : 'Maximise'} ${row.title}`);
  maximise.dataset.do = row.maximised ? 'restore' : 'maximise';
  const close = part(element, '.close');
  setLabel(close, `Close ${row.title}`);
  setAttribute(close, 'aria-disabled', String(row.state === 'closing'));
  const force = part(element, '.force');
  force.hidden = !row.force;
  setAttribute(force, 'aria-label', `Force ${row.title} to close`);
}

/**
 * @param {HTMLElement} element
 * @param {AppRow} row
 */
function showApp(element, row) {
  setText(part(element, '.name'), row.name);
  setAttribute(part(element, '.name'), 'title', row.program);
  setText(part(element, '.head .word'), row.word);
  element.classList.toggle('over', row.usage.over);

  setText(part(element, '.usage'), row.usage.text);
  setAttribute(part(element, '.usage'), 'title', row.usage.detail);
  const meter = part(element, '.meter');
  setAttribute(meter, 'aria-valuenow', String(Math.round(row.usage.fill * 100)));
  setAttribute(meter, 'aria-valuetext', `${row.usage.text}. ${row.usage.detail}`);
  part(meter, 'i').style.setProperty('--fill', String(row.usage.fill));

  const stop = part(element, '.stop');
  const armed = row.stop === 'armed';
  stop.dataset.state = row.stop;
  setLabel(stop, armed ? `Press again to stop ${row.name}` : `Stop ${row.name}`);
  setAttribute(stop, 'aria-disabled', String(row.stop === 'stopping'));

  setLine(part(element, '.remarks'), row.remarks.join(' · '));
  const notice = part(element, '.notice');
  setLine(notice, row.notice?.text ?? '');
  notice.dataset.level = row.notice?.level ?? '';
  showKeyed(part(element, '.windows'), row.windows, ({ id }) => id, () => fromTemplate('window-template'), showWindow);
}

/**
 * @param {HTMLElement} element
 * @param {Line} line
 */
function showMessage(element, { level, text }) {
  element.dataset.level = level;
  setText(element, text);
}

/** @param {PanelView['budget']} budget */
function showBudget(budget) {
  byId('budget').hidden = budget === null;
  if (!budget) return;
  part(byId('budget'), '.meter i').style.setProperty('--fill', String(budget.fill));
  setText(byId('budget-text'), budget.text);
  setLine(byId('budget-more'), budget.more.join(' · '));
}

/** @param {PanelView} view */
export function showBadge({ count, warning }) {
  const button = byId('apps-open');
  const badge = part(button, '.badge');
  setText(badge, String(count));
  badge.hidden = count === 0;
  button.classList.toggle('over', warning);
  const number = count === 0 ? '' : `: ${count} on the desktop`;
  setAttribute(button, 'aria-label', `Apps${number}${warning ? ', one uses too much' : ''}`);
}

/**
 * @param {PanelView} view
 * @param {boolean} known    the daemon has told what there is
 */
export function showPanel(view, known) {
  setText(byId('panel-count'), view.count ? String(view.count) : '');
  setAttribute(byId('tile'), 'aria-disabled', String(!view.tileable));
  showKeyed(byId('messages'), view.messages, ({ key }) => key, () => document.createElement('li'), showMessage);
  byId('messages').hidden = view.messages.length === 0;
  showKeyed(byId('apps'), view.apps, ({ id }) => id, () => fromTemplate('app-template'), showApp);
  byId('apps').hidden = view.count === 0;
  byId('no-apps').hidden = !known || view.count > 0;
  showBudget(view.budget);
}
