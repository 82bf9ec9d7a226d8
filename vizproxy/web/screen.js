/**
 * The picture: noVNC on one socket at a time, and the last frame while there is none.
 *
 * @typedef {'resize' | 'scale' | 'actual'} Mode
 * @typedef {import('./resize.js').Size} Size
 *
 * @typedef {object} Rfb         the part of noVNC's RFB object that is used here
 * @property {boolean} scaleViewport
 * @property {boolean} clipViewport
 * @property {boolean} dragViewport
 * @property {boolean} resizeSession
 * @property {number} qualityLevel
 * @property {number} compressionLevel
 * @property {string} background
 * @property {() => void} disconnect
 * @property {(options?: FocusOptions) => void} focus
 * @property {(type: string, listener: (event: CustomEvent) => void) => void} addEventListener
 *
 * @typedef {new (target: Element, socket: WebSocket, options: {shared: boolean}) => Rfb} RfbClass
 *
 * @typedef {object} Listener
 * @property {() => void} opened                                the first frame is on the screen
 * @property {(code: number, reason: string, lasted: number) => void} closed
 * @property {(clipped: boolean) => void} clipped               part of the picture is out of sight
 */

import { address, socketAddress } from './api.js';

/** JPEG quality and zlib level of noVNC (0 to 9): near-lossless lines, little work for the server. */
const QUALITY = 8;
const COMPRESSION = 2;

const CONNECT_TIMEOUT = 20_000;
/** From the first bytes of the first frame to the moment it is drawn. */
const DRAWING_TIME = 80;
const FIRST_FRAME_TIMEOUT = 2_000;

const COARSE = matchMedia('(pointer: coarse)');

export class Screen {
  /**
   * @param {HTMLElement} element       noVNC's place
   * @param {HTMLCanvasElement} still   shows the last frame while there is no live one
   */
  constructor(element, still) {
    this._element = element;
    this._still = still;
    /** @type {RfbClass | null} */
    this._class = null;
    /** @type {Rfb | null} */
    this._rfb = null;
    /** @type {HTMLCanvasElement | null} */
    this._canvas = null;
    /** @type {Mode} */
    this._mode = 'resize';
  }

  /** Loads noVNC; throws in a browser that doesn't understand it. */
  async load() {
    const logging = await import(address('novnc/core/util/logging.js'));
    logging.initLogging('none');
    this._class = (await import(address('novnc/core/rfb.js'))).default;
  }

  /** @returns {Size} the room for the picture, in CSS pixels */
  get room() {
    return { width: this._element.clientWidth, height: this._element.clientHeight };
  }

  /** @param {Mode} mode */
  set mode(mode) {
    this._mode = mode;
    this._still.dataset.size = mode;
    if (this._rfb) this._applyMode(this._rfb);
  }

  /** @param {boolean} on whether dragging moves the clipped picture instead of the pointer */
  set drag(on) {
    if (this._rfb) this._rfb.dragViewport = on;
  }

  focus() {
    this._rfb?.focus({ preventScroll: true });
  }

  close() {
    this._rfb?.disconnect();
  }

  /**
   * Opens a new socket. Exactly one `closed` follows, whatever happens.
   *
   * @param {Listener} listener
   */
  open(listener) {
    if (!this._class) throw new Error('noVNC is not loaded');
    const socket = new WebSocket(socketAddress());
    const born = performance.now();
    let reason = '';
    let done = false;
    /** @type {ReturnType<typeof setTimeout>[]} */
    const timers = [];
    /** @param {number} code */
    const finish = (code) => {
      if (done) return;
      done = true;
      timers.forEach(clearTimeout);
      this._freeze();
      this._rfb = this._canvas = null;
      listener.closed(code, reason, (performance.now() - born) / 1000);
    };
    // Before noVNC's own listener, which takes the canvas away.
    socket.addEventListener('close', (event) => {
      reason ||= event.reason;
      finish(event.code);
    });

    const rfb = new this._class(this._element, socket, { shared: true });
    this._rfb = rfb;
    this._canvas = this._element.querySelector('canvas');
    this._canvas?.setAttribute('aria-label', 'Desktop');
    rfb.background = 'transparent';
    rfb.qualityLevel = QUALITY;
    rfb.compressionLevel = COMPRESSION;
    this._applyMode(rfb);

    const show = () => {
      if (done) return;
      timers.forEach(clearTimeout);
      this._still.hidden = true;
      listener.opened();
    };
    timers.push(setTimeout(() => rfb.disconnect(), CONNECT_TIMEOUT));
    rfb.addEventListener('connect', () => {
      timers.push(setTimeout(show, FIRST_FRAME_TIMEOUT));
      socket.addEventListener('message', () => timers.push(setTimeout(show, DRAWING_TIME)), { once: true });
    });
    rfb.addEventListener('clippingviewport', (event) => listener.clipped(event.detail));
    rfb.addEventListener('securityfailure', (event) => { reason = event.detail.reason ?? 'the VNC server refused the connection'; });
    rfb.addEventListener('credentialsrequired', () => {
      reason = 'the VNC server asks for a password, which the page does not have';
      rfb.disconnect();
    });
    rfb.addEventListener('disconnect', () => finish(1006));
  }

  /** @param {Rfb} rfb */
  _applyMode(rfb) {
    const actual = this._mode === 'actual';
    // In resize mode, scaling fills the moments until the desktop has its new size.
    rfb.scaleViewport = !actual;
    rfb.resizeSession = false;
    // With a mouse there are scroll bars; a finger drags the picture instead.
    rfb.clipViewport = actual && COARSE.matches;
    rfb.dragViewport = false;
  }

  /** Keeps what is on the screen, so that a lost connection doesn't leave a hole. */
  _freeze() {
    const canvas = this._canvas;
    if (!canvas || !canvas.width || !canvas.height) return;
    const context = this._still.getContext('2d');
    if (!context) return;
    this._still.width = canvas.width;
    this._still.height = canvas.height;
    context.drawImage(canvas, 0, 0);
    this._still.hidden = false;
  }
}
