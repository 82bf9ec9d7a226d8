/**
 * The check-up of the machine, as the daemon's doctor makes it, and its words: pure functions.
 *
 * @typedef {object} Finding
 * @property {string} check        its name
 * @property {string} title
 * @property {'green' | 'yellow' | 'red'} level
 * @property {string} what         what was found: a clause
 * @property {string} why          what follows from it, or ''
 * @property {string} remedy       what to do, or ''
 *
 * @typedef {object} Report
 * @property {string} version
 * @property {string} machine
 * @property {{name: string, reason: string, warning: string}} plan
 * @property {Finding[]} findings
 *
 * @typedef {object} Checkup
 * @property {Report | null} report   the last one
 * @property {number} at              when it came, in milliseconds since 1970
 * @property {boolean} asking         another one is on its way
 * @property {string} failure         why the last one that was asked for did not come, or ''
 *
 * @typedef {'good' | 'poor' | 'bad'} Tone
 *
 * @typedef {object} Row              a finding
 * @property {string} key
 * @property {Tone} tone
 * @property {string} word            the tone in a word
 * @property {string} title
 * @property {string} what
 * @property {string} why
 * @property {string} remedy
 *
 * @typedef {object} CheckupView
 * @property {Tone | 'off'} tone
 * @property {string} verdict
 * @property {boolean} busy
 * @property {string} hint            what a check-up is, while there is none
 * @property {string} failure
 * @property {{plan: string, reason: string, machine: string} | null} facts
 * @property {Row[]} rows             what is not fine, the worst first
 * @property {string} fineTitle
 * @property {Row[]} fine
 * @property {string} when
 */

import { sentence } from './describe.js';

/** @type {Checkup} */
export const NO_CHECKUP = { report: null, at: 0, asking: false, failure: '' };

/**
 * @param {Checkup} checkup
 * @returns {Checkup}
 */
export function asked(checkup) {
  return { ...checkup, asking: true, failure: '' };
}

/**
 * @param {Report} report
 * @param {number} at
 * @returns {Checkup}
 */
export function answered(report, at) {
  return { report, at, asking: false, failure: '' };
}

/**
 * @param {Checkup} checkup
 * @param {string} why
 * @returns {Checkup}
 */
export function failed(checkup, why) {
  return { ...checkup, asking: false, failure: why };
}

/** @type {Record<Finding['level'], Tone>} */
const TONES = { green: 'good', yellow: 'poor', red: 'bad' };
/** @type {Record<Tone, string>} */
const WORDS = { bad: 'Wrong', poor: 'Could be better', good: 'Fine' };
/** The worst first. @type {Tone[]} */
const ORDER = ['bad', 'poor', 'good'];

/** Begins with a word, and not with a name that is written in its own way, such as vGPU or nvidia_drv.so. */
const WORD = /^\p{Ll}+(?=[,:;.]*(?:\s|$))/u;

/**
 * A sentence whose first word keeps its letters if it is a name.
 *
 * @param {string} text
 */
function clause(text) {
  const trimmed = text.trim();
  return WORD.test(trimmed) ? sentence(trimmed) : trimmed.slice(0, 1) + sentence(trimmed).slice(1);
}

/**
 * @param {Finding} finding
 * @param {number} index
 * @returns {Row}
 */
function row({ check, title, level, what, why, remedy }, index) {
  // A level of a newer daemon is worth a look.
  const tone = TONES[level] ?? 'poor';
  const words = { title, what: clause(what), why: clause(why), remedy: clause(remedy) };
  return { key: `${check} ${index}`, tone, word: WORDS[tone], ...words };
}

/**
 * @param {Report} report
 * @returns {Row[]}   the worst first, and else in the daemon's order
 */
function rowsOf(report) {
  const rows = report.findings.map(row);
  return ORDER.flatMap((tone) => rows.filter((each) => each.tone === tone));
}

/**
 * @param {number} number
 * @param {string} one    what to say of a single one
 * @param {string} many   what to say of more, after their number
 */
function count(number, one, many) {
  return number === 1 ? one : `${number}${many}`;
}

/** @param {Row[]} rows */
function judge(rows) {
  const bad = rows.filter(({ tone }) => tone === 'bad').length;
  const poor = rows.filter(({ tone }) => tone === 'poor').length;
  if (bad + poor === 0) return 'All is fine.';
  if (bad === 0) return `${count(poor, 'One thing', ' things')} could be better.`;
  const wrong = `${count(bad, 'One thing is', ' things are')} wrong`;
  return poor ? `${wrong}, ${count(poor, 'one', '')} could be better.` : `${wrong}.`;
}

/** @param {string} reason */
function because(reason) {
  return reason ? `, because ${reason}` : '';
}

/** @param {number} at   milliseconds since 1970 */
function clock(at) {
  return new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

const HINT = 'It looks at the GPU and its driver, at what the container allows, and at what programs need.';

/**
 * @param {Checkup} checkup
 * @returns {CheckupView}
 */
export function checkupView({ report, at, asking, failure }) {
  const rows = report ? rowsOf(report) : [];
  const fine = rows.filter(({ tone }) => tone === 'good');
  const others = rows.filter(({ tone }) => tone !== 'good');
  let verdict = asking ? 'Checking the machine…' : 'The machine could not be checked.';
  if (report) verdict = asking ? 'Checking again…' : judge(rows);
  return {
    tone: report ? rows[0]?.tone ?? 'good' : 'off',
    verdict,
    busy: asking,
    hint: asking && !report ? HINT : '',
    failure,
    facts: report && {
      plan: report.plan.name,
      reason: because(report.plan.reason),
      machine: report.machine,
    },
    rows: others,
    fineTitle: `${count(fine.length, 'One check is', ' checks are')} fine`,
    fine,
    when: report ? `Checked at ${clock(at)}` : '',
  };
}

/**
 * The report as lines to paste into a mail.
 *
 * @param {Report} report
 * @param {number} at   when it came, in milliseconds since 1970
 */
export function asText(report, at) {
  const rows = rowsOf(report);
  const { name, reason, warning } = report.plan;
  const time = new Date(at).toISOString().slice(0, 16).replace('T', ' ');
  const head = [
    `Check-up of the desktop: ${judge(rows)}`,
    `vizproxy ${report.version}, ${time} UTC`,
    `Machine: ${report.machine}`,
    `Rendering plan: ${name}${because(reason)}`,
    ...warning ? [sentence(warning)] : [],
  ];
  const findings = rows.map(({ word, title, what, why, remedy }) => [
    `[${word}] ${title}: ${what}`,
    ...why ? [`    ${why}`] : [],
    ...remedy ? [`    What to do: ${remedy}`] : [],
  ].join('\n'));
  return `${[...head, '', ...findings].join('\n')}\n`;
}
