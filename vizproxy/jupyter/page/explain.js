"use strict";
// Asks whether the desktop is there, ever less often, and gives way to it. Each request counts as use of
// the session at some hubs, so nothing is asked while nobody can see the page, nor without end.
(() => {
  const FIRST_MS = 500;
  const LONGEST_MS = 10_000;
  const GROWTH = 1.5;
  const PATIENCE_MS = 15 * 60_000;
  const ANSWER_MS = 30_000;

  const card = document.getElementById("card");
  const state = document.getElementById("state");
  const again = document.getElementById("again");
  const { health } = document.body.dataset;

  let began = Date.now();
  let pause = FIRST_MS;
  let timer = 0;
  let asking = false;

  // A tab of JupyterLab that is behind another has no size.
  const inSight = () => document.visibilityState === "visible" && window.innerWidth > 0;
  const patient = () => Date.now() - began < PATIENCE_MS;

  function say(text) {
    if (state.textContent !== text) state.textContent = text;
  }

  async function ask() {
    clearTimeout(timer);
    timer = 0;
    if (asking || !inSight()) return;
    if (!patient()) {
      again.hidden = false;
      document.body.dataset.resting = "";
      say("No longer looking, so that this page does not keep the session alive.");
      return;
    }
    asking = true;
    try {
      await look();
    } catch {
      say("The Jupyter server does not answer. Still trying.");
    } finally {
      asking = false;
    }
    timer = setTimeout(ask, pause);
    pause = Math.min(pause * GROWTH, LONGEST_MS);
  }

  async function look() {
    const answer = await fetch(health, {
      cache: "no-store",
      redirect: "manual",
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (answer.ok) {
      location.reload();
      return;
    }
    const { html } = await answer.json();
    if (typeof html !== "string") throw new TypeError("not an answer of ours");
    say("");
    const fresh = document.createElement("div");
    fresh.innerHTML = html;
    if (fresh.innerHTML !== card.innerHTML) card.replaceChildren(...fresh.childNodes);
  }

  function wake() {
    if (!timer && again.hidden) void ask();
  }

  again.addEventListener("click", () => {
    began = Date.now();
    pause = FIRST_MS;
    again.hidden = true;
    delete document.body.dataset.resting;
    say("");
    void ask();
  });
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("resize", wake);
  timer = setTimeout(ask, pause);
})();
