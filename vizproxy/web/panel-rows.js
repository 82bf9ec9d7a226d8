/**
 * Puts the panel's view (see apps-view.js) into the page.
 *
 * @typedef {import('./apps-view.js').AppRow} AppRow
 * @typedef {import('./apps-view.js').Line} Line
 * @typedef {import('./apps-view.js').PanelView} PanelView
 * @typedef {import('./apps-view.js').WindowRow} WindowRow
 */

import { byId, setText } from './overlay.js';
import { fromTemplate, part, setAttribute, setLabel, setLine, showKeyed } from './rows.js';

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

function newNotice() {
  return fromTemplate('notice-template');
}

/**
 * @param {HTMLElement} element
 * @param {Line} line
 */
function showNotice(element, { level, text, output, more }) {
  element.dataset.level = level;
  setText(part(element, '.text'), text);
  const details = part(element, 'details');
  details.hidden = more === '';
  setText(part(details, 'summary'), more);
  const inside = part(details, 'pre');
  const beside = part(element, ':scope > pre');
  const shown = output.join('\n');
  setText(inside, more ? shown : '');
  setLine(beside, more ? '' : shown);
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
  const notices = part(element, '.notices');
  showKeyed(notices, row.notice ? [row.notice] : [], ({ key }) => key, newNotice, showNotice);
  notices.hidden = row.notice === null;
  showKeyed(part(element, '.windows'), row.windows, ({ id }) => id, () => fromTemplate('window-template'), showWindow);
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
export function showBadge({ count, warning, startable }) {
  byId('help-menu').hidden = !startable;
  const button = byId('apps-open');
  const badge = part(button, '.badge');
  setText(badge, String(count));
  badge.hidden = count === 0;
  button.classList.toggle('over', warning);
  const number = count === 0 ? '' : `: ${count} on the desktop`;
  setAttribute(button, 'aria-label', `Apps${number}${warning ? ', one uses too much' : ''}`);
}

/**
 * @param {boolean} none
 * @param {boolean} startable
 */
function showNone(none, startable) {
  byId('no-apps').hidden = !none;
  const also = startable ? 'You can start a program in a terminal, too:' : 'Start a program in a terminal of this session:';
  setText(part(byId('no-apps'), 'p'), `Nothing runs here yet. ${also}`);
  byId('start').hidden = !startable;
  byId('start').classList.toggle('first', none);
}

/**
 * @param {PanelView} view
 * @param {boolean} known    the daemon has told what there is
 */
export function showPanel(view, known) {
  setText(byId('panel-count'), view.count ? String(view.count) : '');
  setAttribute(byId('tile'), 'aria-disabled', String(!view.tileable));
  showKeyed(byId('messages'), view.messages, ({ key }) => key, newNotice, showNotice);
  byId('messages').hidden = view.messages.length === 0;
  showKeyed(byId('apps'), view.apps, ({ id }) => id, () => fromTemplate('app-template'), showApp);
  byId('apps').hidden = view.count === 0;
  showNone(known && view.count === 0, view.startable);
  showBudget(view.budget);
}
