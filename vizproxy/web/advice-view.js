/**
 * What the page has to say of a desktop that works, but not as well as it could: a pure function of the
 * status.
 *
 * @typedef {import('./api.js').Status} Status
 *
 * @typedef {object} Advice
 * @property {string} key    differs where the daemon says something else
 * @property {string} text
 */

import { sentence } from './describe.js';

/** What a plan means for programs, where another one would be better. @type {Record<string, string>} */
const PLANS = {
  software: 'Programs draw in software, not on the GPU.',
  egl: 'Programs draw on the GPU, but not all of OpenGL works.',
  direct: 'Programs draw on the GPU, but the picture may be late.',
};

/** @type {Record<string, string>} */
const GPU = {
  lost: 'The GPU has failed. Programs cannot draw on it now.',
  silent: 'The GPU does not answer. Programs may stand still.',
};

/**
 * @param {Status | null} status
 * @returns {Advice | null}
 */
export function advice(status) {
  const gpu = status?.gpu;
  if (gpu && gpu.condition !== 'fine') {
    const text = GPU[gpu.condition] ?? sentence(`the GPU is ${gpu.condition}`);
    return { key: `${gpu.condition} ${gpu.reason}`, text };
  }
  const plan = status?.plan;
  if (!plan?.warning) return null;
  return { key: plan.warning, text: PLANS[plan.name] ?? sentence(plan.warning) };
}
