import assert from 'node:assert/strict';
import { test } from 'node:test';

import { category, CLOSED_MENU, listed, ranked, reduceMenu, sections } from '../../vizproxy/web/menu.js';
import { menuView } from '../../vizproxy/web/menu-view.js';
import { entry } from './fixtures.mjs';

const names = (entries) => entries.map(({ name }) => name);
const play = (state, ...events) => events.reduce(reduceMenu, state);

const KATE = entry('Kate', { comment: 'Advanced text editor', categories: ['Qt', 'KDE', 'Utility'], keywords: ['code'] });
const VOREEN = entry('Voreen', { tile: true, categories: ['Science'] });
const GIMP = entry('GNU Image Manipulation Program', { comment: 'Edit photographs', categories: ['Graphics'], keywords: ['GIMP', 'paint brush'] });
const ALL = [KATE, GIMP, VOREEN];
const OPEN = play(CLOSED_MENU, { type: 'opened' }, { type: 'loaded', entries: ALL });

test('categories have the names that people use', () => {
  const cases = [
    [['AudioVideo', 'Audio'], 'Sound & video'], [['Video'], 'Sound & video'], [['Game'], 'Games'], [['Network'], 'Internet'],
    [['GTK', 'Utility'], 'Accessories'], [['Development'], 'Development'], [['Office', 'Graphics'], 'Office'],
    [['Education', 'Science', 'Math'], 'Science'], [['System', 'Settings'], 'Settings'], [['X-Own'], 'Other'], [[], 'Other'],
  ];
  for (const [categories, name] of cases) assert.equal(category(entry('x', { categories })), name, String(categories));
});

test('favourites come first as they were chosen, what is about the machine last', () => {
  const entries = [
    entry('Plain'), entry('Ü', { categories: ['Utility'] }), entry('Top', { categories: ['System'] }), entry('Mouse', { categories: ['Settings'] }),
    entry('b', { categories: ['Science'] }), entry('A', { categories: ['Science'] }), entry('a10', { categories: ['Science'] }),
    entry('a2', { categories: ['Science'] }), entry('Zeta', { tile: true }), VOREEN,
  ];
  assert.deepEqual(sections(entries).map(({ title, entries: its }) => [title, names(its)]), [
    ['Favourites', ['Zeta', 'Voreen']], ['Accessories', ['Ü']], ['Science', ['A', 'a2', 'a10', 'b']],
    ['Settings', ['Mouse']], ['System', ['Top']], ['Other', ['Plain']],
  ]);
  assert.deepEqual(sections([]), []);
});

test('a search ranks name, keywords and comment, in this order', () => {
  const entries = [
    entry('In comment', { comment: 'an editor of text' }), entry('Inside comment', { comment: 'a subeditor' }),
    entry('Inside keyword', { keywords: ['subeditor'] }), entry('By keyword', { keywords: ['text editor'] }),
    entry('Hexeditor'), entry('Text editor'), entry('Editor'), entry('Unrelated'),
  ];
  assert.deepEqual(names(ranked(entries, 'edit')), [
    'Editor', 'Text editor', 'Hexeditor', 'By keyword', 'Inside keyword', 'In comment', 'Inside comment',
  ]);
});

test('every word must fit, and what begins with all of them is first', () => {
  const found = (query) => names(ranked([...ALL, entry('Text Adventure')], query));
  assert.deepEqual(found('image gnu'), [GIMP.name]);
  assert.deepEqual(found('text adv'), ['Text Adventure', 'Kate']);
  assert.deepEqual(found('gimp brush'), [GIMP.name]);
  assert.deepEqual(found('kate gimp'), []);
});

test('case, accents and blanks make no difference', () => {
  const entries = [entry('Éditeur  de Texte'), entry('STRASSE'), entry('قلب')];
  assert.deepEqual(names(ranked(entries, '  editeur de ')), ['Éditeur  de Texte']);
  assert.deepEqual(names(ranked(entries, 'Straße')), [], 'ß stays what it is');
  assert.deepEqual(names(ranked(entries, 'قل')), ['قلب']);
  assert.deepEqual(names(ranked(entries, '.*')), []);
});

test('equals stand by name', () => {
  assert.deepEqual(names(ranked([entry('a10'), entry('a9'), entry('A1')], 'a')), ['A1', 'a9', 'a10']);
});

test('a thousand entries are searched at once', () => {
  const entries = Array.from({ length: 1000 }, (_, i) => entry(`App ${i}`, { comment: 'x '.repeat(200), keywords: ['one', 'two'] }));
  const found = names(ranked(entries, 'app 99'));
  assert.equal(found.length, 19);
  assert.deepEqual(found.slice(9, 13), ['App 998', 'App 999', 'App 199', 'App 299']);
});

test('nothing is listed before it is known', () => {
  assert.deepEqual(listed(CLOSED_MENU), []);
  assert.equal(menuView(play(CLOSED_MENU, { type: 'opened' })).note, 'Asking which apps there are…');
});

test('without a search nothing is picked before an arrow', () => {
  assert.equal(OPEN.active, null);
  assert.equal(play(OPEN, { type: 'moved', step: 1 }).active, VOREEN.id);
  assert.equal(play(OPEN, { type: 'moved', step: -1 }).active, GIMP.id);
});

test('arrows go round, pages stop at the ends', () => {
  const down = { type: 'moved', step: 1 };
  assert.equal(play(OPEN, down, down, down).active, GIMP.id);
  assert.equal(play(OPEN, down, down, down, down).active, VOREEN.id);
  assert.equal(play(OPEN, down, { type: 'moved', step: 8 }).active, GIMP.id);
  assert.equal(play(OPEN, { type: 'moved', step: 8 }, { type: 'moved', step: -8 }).active, VOREEN.id);
  const none = play(OPEN, { type: 'typed', query: 'zzz' });
  assert.equal(play(none, down), none);
});

test('a search picks the best one, and a new search the new best one', () => {
  const found = play(OPEN, { type: 'moved', step: 1 }, { type: 'typed', query: 'e' });
  assert.equal(found.active, GIMP.id, 'of equals the first by name');
  assert.equal(play(found, { type: 'typed', query: 'code' }).active, KATE.id);
  assert.equal(play(found, { type: 'typed', query: 'zzz' }).active, null);
  assert.equal(play(found, { type: 'typed', query: '' }).active, null);
});

test('a menu that changes keeps what is picked, while it is there', () => {
  const picked = play(OPEN, { type: 'moved', step: 1 });
  assert.equal(play(picked, { type: 'loaded', entries: [entry('New'), VOREEN] }).active, VOREEN.id);
  assert.equal(play(picked, { type: 'loaded', entries: [KATE] }).active, null);
});

test('an app that starts says so, and closes the menu when it has', () => {
  const starting = play(OPEN, { type: 'starting', id: KATE.id });
  const row = (state) => menuView(state).sections.flatMap(({ rows }) => rows).find(({ id }) => id === KATE.id);
  assert.deepEqual([row(starting).word, row(starting).starting], ['starting…', true]);
  const done = play(starting, { type: 'started', id: KATE.id });
  assert.deepEqual([done.open, done.starting.size], [false, 0]);
});

test('of several that start, the last one closes the menu', () => {
  const two = play(OPEN, { type: 'starting', id: KATE.id }, { type: 'starting', id: GIMP.id });
  const one = play(two, { type: 'started', id: KATE.id });
  assert.equal(one.open, true);
  assert.equal(play(one, { type: 'started', id: GIMP.id }).open, false);
  assert.equal(play(play(two, { type: 'failed', id: KATE.id, why: 'No.' }), { type: 'started', id: GIMP.id }).open, true, 'the failure is read first');
});

test('a failure stands in the menu until the next start or the end of it', () => {
  const failed = play(OPEN, { type: 'starting', id: KATE.id }, { type: 'failed', id: KATE.id, why: 'Cannot start Kate.' });
  assert.equal(menuView(failed).failure, 'Cannot start Kate.');
  assert.equal(failed.starting.size, 0);
  assert.equal(play(failed, { type: 'starting', id: GIMP.id }).failure, '');
  assert.equal(play(failed, { type: 'left' }).failure, '');
  const away = play(OPEN, { type: 'starting', id: KATE.id }, { type: 'left' }, { type: 'failed', id: KATE.id, why: 'No.' });
  assert.equal(play(away, { type: 'opened' }).failure, 'No.', 'who was away finds it');
});

test('a menu that was left does not close what was opened since', () => {
  const away = play(OPEN, { type: 'starting', id: KATE.id }, { type: 'left' }, { type: 'started', id: KATE.id });
  assert.equal(away.open, false);
});

test('a menu that may not be seen any more is forgotten', () => {
  assert.deepEqual(play(OPEN, { type: 'forgotten' }), CLOSED_MENU);
});

test('each visit begins without a search', () => {
  const again = play(OPEN, { type: 'typed', query: 'kate' }, { type: 'left' }, { type: 'opened' });
  assert.deepEqual([again.query, again.active, again.open], ['', null, true]);
  assert.equal(again.entries, ALL, 'what was known is shown meanwhile');
});

test('the words of rows, whatever programs put into them', () => {
  const [nameless, row] = menuView(play(CLOSED_MENU, { type: 'loaded', entries: [
    entry('a\n<b>\u202e', { comment: '\u0007', app: 'a-1', icon: 'api/v1/menu/1.a/icon?v=1' }), entry('\u200e', { id: '1.x' }),
  ] })).sections[0].rows;
  assert.deepEqual([row.name, row.comment, row.word, row.glyph, row.icon], ['a <b>', '', 'running', 'A', 'api/v1/menu/1.a/icon?v=1']);
  assert.deepEqual([nameless.name, nameless.glyph], ['1.x', '1']);
  assert.equal(menuView(play(CLOSED_MENU, { type: 'loaded', entries: [entry('…')] })).sections[0].rows[0].glyph, '?');
});

test('what is read aloud is the number of what was found', () => {
  const said = (query) => menuView(play(OPEN, { type: 'typed', query })).said;
  assert.equal(said(''), '');
  assert.equal(said('e'), '3 apps');
  assert.equal(said('kate'), '1 app');
  assert.equal(said('zzz'), 'No app matches “zzz”.');
});

test('an empty menu and one that cannot be had say so', () => {
  assert.equal(menuView(play(CLOSED_MENU, { type: 'loaded', entries: [] })).note, 'No apps are offered at the moment.');
  const lost = play(CLOSED_MENU, { type: 'opened' }, { type: 'unreachable', why: 'The server does not answer.' });
  assert.equal(menuView(lost).note, 'The server does not answer. The page keeps trying by itself.');
  assert.equal(menuView(play(lost, { type: 'loaded', entries: ALL })).note, '');
  assert.equal(menuView(play(OPEN, { type: 'unreachable', why: 'No.' })).note, '', 'the old one is better than none');
});
