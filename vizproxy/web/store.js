/** The visitor's choices, kept in the browser where it allows that. */

/**
 * @param {string} name
 * @returns {string | null} the choice of last time
 */
export function remembered(name) {
  try {
    return localStorage.getItem(`vizproxy.${name}`);
  } catch {
    return null; // storage is blocked
  }
}

/**
 * @param {string} name
 * @param {string} choice
 */
export function remember(name, choice) {
  try {
    localStorage.setItem(`vizproxy.${name}`, choice);
  } catch {
    // Storage is blocked: the choice holds until the page is closed.
  }
}

/**
 * @param {string} name
 * @returns {string[]} what was kept under this name in this tab
 */
export function kept(name) {
  try {
    const things = JSON.parse(sessionStorage.getItem(`vizproxy.${name}`) ?? '[]');
    return Array.isArray(things) ? things : [];
  } catch {
    return []; // storage is blocked, or something else is in it
  }
}

/**
 * @param {string} name
 * @param {string[]} things
 */
export function keep(name, things) {
  try {
    sessionStorage.setItem(`vizproxy.${name}`, JSON.stringify(things));
  } catch {
    // Storage is blocked: they are known until the page is loaded again.
  }
}
