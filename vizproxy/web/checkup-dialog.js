/**
 * The dialog with the check-up. It is modal: keyboard and mouse are its own while it is open, and the
 * picture goes on behind it.
 *
 * @typedef {import('./checkup.js').Checkup} State
 * @typedef {import('./checkup.js').Report} Report
 * @typedef {import('./checkup.js').Row} Row
 *
 * @typedef {object} Surroundings
 * @property {() => Promise<Report>} get
 * @property {() => void} left         it was closed, and the keyboard is to go elsewhere
 */

import { answered, asked, asText, checkupView, failed, NO_CHECKUP } from './checkup.js';
import { explain } from './describe.js';
import { byId, closeBeside, copy, setText, showCopied } from './overlay.js';
import { fromTemplate, part, setAttribute, setLine, showKeyed } from './rows.js';

/**
 * Shows a sentence, or nothing. What stands between backticks in it is to be typed.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
function setMarked(element, text) {
  element.hidden = text === '';
  if (element.textContent === text.replaceAll('`', '')) return;
  element.replaceChildren(...text.split('`').map((piece, index) => {
    if (index % 2 === 0) return piece;
    const code = document.createElement('code');
    code.textContent = piece;
    return code;
  }));
}

/**
 * @param {HTMLElement} element
 * @param {Row} row
 */
function showRow(element, row) {
  element.dataset.tone = row.tone;
  setText(part(element, '.unseen'), `${row.word}: `);
  setText(part(element, '.name'), row.title);
  setMarked(part(element, '.what'), row.what);
  setMarked(part(element, '.why'), row.why);
  part(element, '.remedy').hidden = row.remedy === '';
  setMarked(part(element, '.remedy p'), row.remedy);
}

/**
 * @param {HTMLElement} list
 * @param {Row[]} rows
 */
function showRows(list, rows) {
  showKeyed(list, rows, ({ key }) => key, () => fromTemplate('finding-template'), showRow);
  list.hidden = rows.length === 0;
}

export class CheckupDialog {
  /** @param {Surroundings} surroundings */
  constructor(surroundings) {
    this._surroundings = surroundings;
    /** @type {HTMLDialogElement} */
    this._dialog = byId('checkup');
    this._state = NO_CHECKUP;
    /** Grows when what was asked for is no longer wanted. */
    this._era = 0;
    /** No report has come since it was opened. */
    this._fresh = true;
    this._wire();
  }

  open() {
    if (this._dialog.open) return;
    // noVNC lets go of all keys on this event; else one that is held would stay down on the desktop.
    window.dispatchEvent(new Event('blur'));
    this._hideText();
    this._fresh = true;
    this._dialog.showModal();
    byId('checkup-body').scrollTop = 0;
    byId('checkup-body').focus({ preventScroll: true });
    void this._ask();
  }

  /** Closes it and forgets what it showed: not for strangers' eyes. */
  forget() {
    if (this._state === NO_CHECKUP) return;
    this._era += 1;
    this._state = NO_CHECKUP;
    this._hideText();
    this._dialog.close();
    this._show();
  }

  async _ask() {
    if (this._state.asking) return;
    const era = this._era;
    this._turn(asked(this._state));
    /** @type {State} */
    let next;
    try {
      next = answered(await this._surroundings.get(), Date.now());
    } catch (error) {
      next = failed(this._state, explain(error));
    }
    if (era !== this._era) return;
    this._turn(next);
    // What is fine is unfolded where there is nothing else; then it is the reader's choice.
    if (!this._fresh || next.failure) return;
    /** @type {HTMLDetailsElement} */ (byId('checkup-fine')).open = byId('checkup-rows').hidden;
    this._fresh = false;
  }

  /** @param {State} state */
  _turn(state) {
    this._state = state;
    this._show();
  }

  _show() {
    const view = checkupView(this._state);
    this._dialog.dataset.tone = view.busy ? 'off' : view.tone;
    this._dialog.dataset.busy = String(view.busy);
    setText(byId('checkup-verdict'), view.verdict);
    byId('checkup-body').setAttribute('aria-busy', String(view.busy));
    setLine(byId('checkup-hint'), view.hint);
    setLine(byId('checkup-failure'), view.failure);
    byId('checkup-facts').hidden = view.facts === null;
    setText(byId('checkup-plan'), view.facts?.plan ?? '');
    setText(byId('checkup-reason'), view.facts?.reason ?? '');
    setText(byId('checkup-machine'), view.facts?.machine ?? '');
    showRows(byId('checkup-rows'), view.rows);
    byId('checkup-fine').hidden = view.fine.length === 0;
    setText(part(byId('checkup-fine'), 'summary span'), view.fineTitle);
    showRows(byId('checkup-fine-rows'), view.fine);
    setText(byId('checkup-when'), view.when);
    // Not `disabled`: a button that has the focus would lose it.
    setAttribute(byId('checkup-again'), 'aria-disabled', String(view.busy));
    byId('checkup-copy').hidden = this._state.report === null;
  }

  async _copy() {
    const { report, at } = this._state;
    if (!report) return;
    const era = this._era;
    const text = asText(report, at);
    /** @type {HTMLTextAreaElement} */
    const field = byId('checkup-text');
    const copied = await copy(text, () => {
      if (era !== this._era) return;
      field.value = text;
      field.hidden = false;
      field.select();
    });
    if (copied && !field.hidden) {
      this._hideText();
      byId('checkup-copy').focus();
    }
    showCopied(byId('checkup-copy'), copied);
  }

  _hideText() {
    /** @type {HTMLTextAreaElement} */
    const field = byId('checkup-text');
    field.hidden = true;
    field.value = '';
  }

  _wire() {
    byId('checkup-again').addEventListener('click', () => void this._ask());
    byId('checkup-copy').addEventListener('click', () => void this._copy());
    closeBeside(this._dialog);
    this._dialog.addEventListener('close', () => this._surroundings.left());
  }
}
