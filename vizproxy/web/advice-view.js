/**
 * What the page has to say of a desktop that works, but not as well as it could: pure functions of the
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
 * The X server on which VirtualGL draws was given up, and no other plan took the place of the one in force.
 *
 * @param {Status} status
 * @returns {Advice[]}
 */
function ofServer({ components }) {
  const server = components.find(({ name, state }) => name === 'xorg3d' && state === 'fatal');
  return server ? [{ key: `xorg3d ${server.reason}`, text: 'The X server on the GPU does not run.' }] : [];
}

/**
 * @param {Status} status
 * @returns {Advice[]}
 */
function ofPlan({ plan }) {
  return plan.warning ? [{ key: plan.warning, text: PLANS[plan.name] ?? sentence(plan.warning) }] : [];
}

/**
 * @param {Status} status
 * @returns {Advice[]}
 */
function ofGpu({ gpu }) {
  if (!gpu || gpu.condition === 'fine') return [];
  const text = GPU[gpu.condition] ?? sentence(`the GPU is ${gpu.condition}`);
  return [{ key: `${gpu.condition} ${gpu.reason}`, text }];
}

/**
 * @param {Status} status
 * @returns {Advice[]}   what holds now, the most important first
 */
function holding(status) {
  return [...ofGpu(status), ...status.plan.warning ? ofPlan(status) : ofServer(status)];
}

/**
 * @param {Status | null} status
 * @returns {Advice | null}
 */
export function advice(status) {
  return status ? holding(status)[0] ?? null : null;
}

/**
 * What somebody has seen to and holds still. The rest is news when it comes up again.
 *
 * @param {string[]} seen   keys
 * @param {Status | null} status
 */
export function stillSeen(seen, status) {
  if (!status) return seen;
  const keys = holding(status).map(({ key }) => key);
  return seen.filter((key) => keys.includes(key));
}
