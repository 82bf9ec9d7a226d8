/**
 * The words of the menu: a pure function of its state.
 *
 * @typedef {import('./menu.js').Entry} Entry
 * @typedef {import('./menu.js').MenuState} MenuState
 *
 * @typedef {object} EntryRow
 * @property {string} id
 * @property {string} name
 * @property {string} comment
 * @property {string | null} icon
 * @property {string} glyph      stands where there is no icon
 * @property {string} word
 * @property {boolean} active
 * @property {boolean} starting
 *
 * @typedef {object} MenuView
 * @property {{title: string, rows: EntryRow[]}[]} sections
 * @property {string} note       in place of rows, or ''
 * @property {string} failure
 * @property {string} said       to be read aloud
 */

import { plain } from './apps-view.js';
import { BY_ITSELF } from './describe.js';
import { listed } from './menu.js';

/**
 * @param {Entry} entry
 * @param {MenuState} state
 * @returns {EntryRow}
 */
function row(entry, { active, starting }) {
  const name = plain(entry.name) || entry.id;
  const busy = starting.has(entry.id);
  return {
    id: entry.id,
    name,
    comment: plain(entry.comment),
    icon: entry.icon,
    glyph: (/[\p{L}\p{N}]/u.exec(name)?.[0] ?? '?').toUpperCase(),
    word: busy ? 'starting…' : entry.app === null ? '' : 'running',
    active: entry.id === active,
    starting: busy,
  };
}

/**
 * @param {MenuState} state
 * @param {number} found
 */
function note({ entries, trouble, query }, found) {
  if (entries === null) return trouble ? `${trouble} ${BY_ITSELF}` : 'Asking which apps there are…';
  if (found > 0) return '';
  return entries.length === 0 ? 'No apps are offered at the moment.' : `No app matches “${plain(query)}”.`;
}

/**
 * @param {MenuState} state
 * @returns {MenuView}
 */
export function menuView(state) {
  const shown = listed(state).map(({ title, entries }) => ({ title, rows: entries.map((entry) => row(entry, state)) }));
  const found = shown.reduce((sum, { rows }) => sum + rows.length, 0);
  const number = state.query.trim() === '' ? '' : `${found} ${found === 1 ? 'app' : 'apps'}`;
  const words = note(state, found);
  return { sections: shown, note: words, failure: state.failure, said: words || number };
}
