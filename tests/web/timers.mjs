/** Time, as a test wants it. */

/** Lets promises settle. */
export const settle = () => new Promise((resolve) => { setImmediate(resolve); });

/**
 * Replaces the timers and the clock for this test, and returns what makes time pass. (The timers of
 * node:test are enabled in one way in Node.js 18 and in another in later ones.)
 *
 * @param {import('node:test').TestContext} t
 * @returns {(milliseconds: number) => void}
 */
export function timersOf(t) {
  /** @type {Map<number, {callback: () => void, at: number}>} */
  const waiting = new Map();
  let now = 0;
  let last = 0;
  t.mock.method(Date, 'now', () => now);
  t.mock.method(globalThis, 'setTimeout', (callback, delay) => {
    waiting.set(++last, { callback, at: now + delay });
    return last;
  });
  t.mock.method(globalThis, 'clearTimeout', (id) => waiting.delete(id));
  return (milliseconds) => {
    now += milliseconds;
    for (const [id, { callback, at }] of waiting) {
      if (at <= now) {
        waiting.delete(id);
        callback();
      }
    }
  };
}
