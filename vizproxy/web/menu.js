/**
 * The menu of apps that can be started: what is in it, what a search finds, and what is picked, as a
 * pure function of what happened.
 *
 * @typedef {object} Entry
 * @property {string} id
 * @property {string} name
 * @property {string} comment
 * @property {string[]} categories   of the freedesktop.org menu specification
 * @property {string[]} keywords
 * @property {boolean} tile          it was chosen to have a tile of its own
 * @property {string | null} icon    an address, relative to the page
 * @property {string | null} app     the newest app that runs and was started from it
 *
 * @typedef {{title: string, entries: Entry[]}} Section
 *
 * @typedef {object} MenuState
 * @property {boolean} open
 * @property {Entry[] | null} entries       null: not known yet
 * @property {string} trouble               why they could not be had
 * @property {string} query
 * @property {string | null} active         the entry that the keyboard is at
 * @property {ReadonlySet<string>} starting
 * @property {string} failure               why the last one could not be started
 *
 * @typedef {{type: 'opened'} | {type: 'left'}
 *   | {type: 'loaded', entries: Entry[]}
 *   | {type: 'unreachable', why: string}
 *   | {type: 'forgotten'}
 *   | {type: 'typed', query: string}
 *   | {type: 'moved', step: number}
 *   | {type: 'starting', id: string}
 *   | {type: 'started', id: string}
 *   | {type: 'failed', id: string, why: string}} MenuEvent
 */

/** What people call the main categories of the specification; the first of these that an entry has is its. */
const CATEGORIES = new Map([
  ['AudioVideo', 'Sound & video'],
  ['Audio', 'Sound & video'],
  ['Video', 'Sound & video'],
  ['Development', 'Development'],
  ['Education', 'Education'],
  ['Game', 'Games'],
  ['Graphics', 'Graphics'],
  ['Network', 'Internet'],
  ['Office', 'Office'],
  ['Science', 'Science'],
  ['Settings', 'Settings'],
  ['System', 'System'],
  ['Utility', 'Accessories'],
]);
/** Programs of science list Education as well, and settings System: these two say more. */
const TELLING = ['Science', 'Settings'];
const OTHER = 'Other';
/** These come last, in this order; the others by name. */
const LAST = ['Settings', 'System', OTHER];

export const FAVOURITES = 'Favourites';

/** @type {MenuState} */
export const CLOSED_MENU = {
  open: false, entries: null, trouble: '', query: '', active: null, starting: new Set(), failure: '',
};

/**
 * Text as it is compared: without case, accents and superfluous blanks.
 *
 * @param {string} text
 */
function folded(text) {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/\s+/g, ' ').trim();
}

const COLLATOR = new Intl.Collator('en', { sensitivity: 'base', numeric: true });

/**
 * @param {Entry} a
 * @param {Entry} b
 */
function byName(a, b) {
  return COLLATOR.compare(a.name, b.name) || (a.id < b.id ? -1 : 1);
}

/**
 * The name of the section that an entry is in.
 *
 * @param {Entry} entry
 */
export function category({ categories }) {
  const main = TELLING.find((name) => categories.includes(name)) ?? categories.find((name) => CATEGORIES.has(name));
  return main === undefined ? OTHER : /** @type {string} */ (CATEGORIES.get(main));
}

/**
 * The whole menu in sections: favourites in the order that they were chosen in, then the categories.
 *
 * @param {Entry[]} entries
 * @returns {Section[]}
 */
export function sections(entries) {
  const favourites = entries.filter((entry) => entry.tile);
  /** @type {Map<string, Entry[]>} */
  const found = new Map();
  for (const entry of entries.filter(({ tile }) => !tile).sort(byName)) {
    const title = category(entry);
    found.set(title, [...found.get(title) ?? [], entry]);
  }
  const titles = [...found.keys()].sort((a, b) => LAST.indexOf(a) - LAST.indexOf(b) || COLLATOR.compare(a, b));
  const rest = titles.map((title) => ({ title, entries: found.get(title) ?? [] }));
  return favourites.length > 0 ? [{ title: FAVOURITES, entries: favourites }, ...rest] : rest;
}

/**
 * How well one word fits an entry: the smaller the better, Infinity for not at all.
 *
 * @param {{name: string, keywords: string[], comment: string}} entry   folded
 * @param {string} word
 */
function distance({ name, keywords, comment }, word) {
  if (name.startsWith(word)) return 0;
  const begins = (/** @type {string} */ text) => text.split(/[^\p{L}\p{N}]+/u).some((part) => part.startsWith(word));
  if (begins(name)) return 1;
  if (name.includes(word)) return 2;
  if (keywords.some(begins)) return 3;
  if (keywords.some((keyword) => keyword.includes(word))) return 4;
  if (begins(comment)) return 5;
  return comment.includes(word) ? 6 : Infinity;
}

/**
 * The entries that every word of the query fits, the best first.
 *
 * @param {Entry[]} entries
 * @param {string} query
 * @returns {Entry[]}
 */
export function ranked(entries, query) {
  const wanted = folded(query);
  const words = wanted.split(' ');
  const rated = entries.map((entry) => {
    const plain = { name: folded(entry.name), keywords: entry.keywords.map(folded), comment: folded(entry.comment) };
    // What begins with all that was typed is what was meant.
    const rank = plain.name.startsWith(wanted) ? -1 : Math.max(...words.map((word) => distance(plain, word)));
    return { entry, rank };
  });
  return rated.filter(({ rank }) => rank < Infinity)
    .sort((a, b) => a.rank - b.rank || byName(a.entry, b.entry))
    .map(({ entry }) => entry);
}

/**
 * What there is to see: the sections, or, in a search, one without a title.
 *
 * @param {MenuState} state
 * @returns {Section[]}
 */
export function listed({ entries, query }) {
  if (entries === null) return [];
  if (folded(query) === '') return sections(entries);
  const found = ranked(entries, query);
  return found.length > 0 ? [{ title: '', entries: found }] : [];
}

/** @param {MenuState} state */
function order(state) {
  return listed(state).flatMap(({ entries }) => entries.map(({ id }) => id));
}

/**
 * The state with a valid active entry: in a search there is one, so that Enter starts it.
 *
 * @param {MenuState} state
 * @returns {MenuState}
 */
function settled(state) {
  const ids = order(state);
  if (state.active !== null && ids.includes(state.active)) return state;
  return { ...state, active: folded(state.query) === '' ? null : ids[0] ?? null };
}

/**
 * @param {MenuState} state
 * @param {number} step   entries down, or up
 * @returns {MenuState}
 */
function moved(state, step) {
  const ids = order(state);
  if (ids.length === 0) return state;
  const at = ids.indexOf(state.active ?? '');
  // A long step ends at the edge, a short one goes round.
  const long = Math.abs(step) > 1;
  const next = at < 0 ? (step > 0 ? 0 : ids.length - 1) : at + step;
  const index = long ? Math.min(ids.length - 1, Math.max(0, next)) : (next + ids.length) % ids.length;
  return { ...state, active: ids[index] };
}

/**
 * @param {MenuState} state
 * @param {string} id
 */
function without({ starting }, id) {
  return new Set([...starting].filter((other) => other !== id));
}

/**
 * @param {MenuState} state
 * @param {MenuEvent} event
 * @returns {MenuState}
 */
export function reduceMenu(state, event) {
  switch (event.type) {
    case 'opened':
      return { ...state, open: true, query: '', active: null };
    case 'left':
      return { ...state, open: false, failure: '' };
    case 'loaded':
      return settled({ ...state, entries: event.entries, trouble: '' });
    case 'unreachable':
      return { ...state, trouble: event.why };
    case 'forgotten':
      return CLOSED_MENU;
    case 'typed':
      return settled({ ...state, query: event.query, active: null });
    case 'moved':
      return moved(state, event.step);
    case 'starting':
      return { ...state, starting: new Set([...state.starting, event.id]), failure: '' };
    case 'started': {
      const starting = without(state, event.id);
      // Somebody may be starting several; the last one closes it.
      return { ...state, starting, open: state.open && (starting.size > 0 || state.failure !== '') };
    }
    case 'failed':
      return { ...state, starting: without(state, event.id), failure: event.why };
  }
}
