/**
 * The card over the picture: puts a view (see describe.js) into the page.
 *
 * @typedef {import('./describe.js').View} View
 * @typedef {import('./describe.js').Row} Row
 */

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element ${id}`);
  return /** @type {T} */ (element);
}

/**
 * Changes the text only when it differs, so that selections and screen readers are left in peace.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Row} row */
function newRow(row) {
  const item = document.createElement('li');
  item.dataset.component = row.name;
  for (const part of ['dot', 'name', 'word', 'reason']) {
    const span = document.createElement('span');
    span.className = part;
    item.append(span);
  }
  return item;
}

/**
 * @param {HTMLElement} list
 * @param {Row[]} rows
 */
function showRows(list, rows) {
  const names = [...list.children].map((item) => /** @type {HTMLElement} */ (item).dataset.component);
  if (names.join('\n') !== rows.map((row) => row.name).join('\n')) list.replaceChildren(...rows.map(newRow));
  rows.forEach((row, index) => {
    const item = /** @type {HTMLElement} */ (list.children[index]);
    item.dataset.tone = row.tone;
    const [, name, word, reason] = item.children;
    setText(name, row.title);
    setText(word, row.word);
    setText(reason, row.reason);
  });
  list.hidden = rows.length === 0;
}

/** @param {View['failure']} failure */
function showFailure(failure) {
  byId('failure').hidden = failure === null;
  if (!failure) return;
  byId('failure').dataset.component = failure.name;
  setText(byId('failure-title'), failure.title);
  setText(byId('failure-reason'), failure.reason);
  const output = byId('failure-output');
  const text = failure.output.join('\n');
  output.hidden = text === '';
  if (output.textContent !== text) {
    output.textContent = text;
    output.scrollTop = output.scrollHeight;
  }
}

/** @param {View} view */
export function showView(view) {
  const root = document.documentElement;
  root.dataset.state = view.phase;
  root.dataset.busy = String(view.busy);
  document.title = view.tab;
  // The card fades out with its last words still on it.
  byId('overlay').inert = view.phase === 'connected';
  if (view.phase === 'connected') return;
  setText(byId('title'), view.title);
  setText(byId('text'), view.text);
  byId('text').hidden = view.text === '';
  byId('command').hidden = view.command === '';
  setText(/** @type {Element} */ (byId('command').querySelector('code')), view.command);
  showRows(byId('components'), view.rows);
  showFailure(view.failure);
  const action = byId('action');
  action.hidden = view.action === 'none';
  action.dataset.action = view.action;
  setText(action, view.label);
  byId('checkup-failed').hidden = !view.checkup;
}

/** Whether a dialog has the page for itself. */
export function inDialog() {
  return document.querySelector('dialog[open]') !== null;
}

/**
 * Closes a dialog at a click beside it: one that began there, too, as the end of a selection of text does not.
 *
 * @param {HTMLDialogElement} dialog
 */
export function closeBeside(dialog) {
  /** @param {MouseEvent} event */
  const beside = ({ target, clientX, clientY }) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    return target === dialog && (clientX < left || clientX >= right || clientY < top || clientY >= bottom);
  };
  let began = false;
  dialog.addEventListener('pointerdown', (event) => { began = beside(event); });
  dialog.addEventListener('click', (event) => {
    if (began && beside(event)) dialog.close();
    began = false;
  });
}

/** How long a toast stays, in milliseconds. */
const TOAST_TIME = 6_000;

/**
 * A short message at the lower edge that goes away by itself.
 *
 * @param {string} text
 * @param {string} [detail]   what a program said, on a line of its own
 */
export function toast(text, detail = '') {
  const toasts = byId('toasts');
  const element = document.createElement('p');
  element.textContent = text;
  if (detail) {
    const code = document.createElement('code');
    code.textContent = detail;
    element.append(' ', code);
  }
  for (const other of [...toasts.children]) if (other.textContent === element.textContent) other.remove();
  toasts.append(element);
  setTimeout(() => element.remove(), TOAST_TIME);
}

/** Keys that stand for nothing by themselves, or that move within the page. */
const NO_KEY = new Set([
  'Alt', 'AltGraph', 'CapsLock', 'Control', 'Fn', 'FnLock', 'Hyper', 'Meta', 'NumLock', 'ScrollLock', 'Shift',
  'Super', 'Symbol', 'SymbolLock', 'Tab', 'Dead', 'Process', 'Unidentified',
]);

/**
 * Goes on at a click anywhere, or at any key, while the page is paused or rests. A mouse that moves is no sign:
 * it may only be on its way past.
 *
 * @param {() => void} resume
 */
export function wireResume(resume) {
  const still = () => ['paused', 'resting'].includes(document.documentElement.dataset.state ?? '');
  byId('overlay').addEventListener('click', () => { if (still()) resume(); });
  window.addEventListener('keydown', (event) => {
    const { key, altKey, ctrlKey, metaKey } = event;
    if (!still() || inDialog() || altKey || ctrlKey || metaKey || NO_KEY.has(key)) return; // a shortcut of the browser
    if (key.length === 1 || key === 'Enter') event.preventDefault();
    event.stopPropagation();
    resume();
  }, { capture: true });
}

/** Gives the keyboard to the card's button, so that a screen reader's user is at it. */
export function focusAction() {
  if (document.hasFocus()) byId('action').focus({ preventScroll: true });
}

/**
 * Makes every "Copy" button copy the command beside it.
 */
export function wireCopyButtons() {
  for (const button of document.querySelectorAll('button.copy')) {
    button.addEventListener('click', async () => {
      const code = button.parentElement?.querySelector('code');
      if (!code) return;
      showCopied(button, await copy(code.textContent ?? '', () => getSelection()?.selectAllChildren(code)));
    });
  }
}

/**
 * Says on a button, for a moment, how copying came out.
 *
 * @param {HTMLElement} button
 * @param {boolean} copied
 */
export function showCopied(button, copied) {
  button.dataset.label ??= button.textContent ?? '';
  button.textContent = copied ? 'Copied' : 'Press Ctrl+C';
  setTimeout(() => { button.textContent = button.dataset.label ?? ''; }, 2_000);
}

/**
 * @param {string} text
 * @param {() => void} select   selects the same text in the page
 * @returns {Promise<boolean>} whether the text is in the clipboard; else it is at least selected
 */
export async function copy(text, select) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not allowed in this frame, or not a secure context: the older way may be.
    select();
    return document.execCommand('copy');
  }
}
