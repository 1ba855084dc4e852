// Says how old the page is, offers to load it again, and takes keys. Everything else works without it.
"use strict";
(() => {
  const asOf = document.getElementById("as-of");
  const age = document.getElementById("age");
  const reload = document.getElementById("reload");
  if (!asOf || !age || !reload) return;
  const tell = () => {
    const secs = Math.max(0, Math.round((Date.now() - Date.parse(asOf.dateTime)) / 1000));
    const text = secs < 120 ? `${secs} s` : secs < 7200 ? `${Math.floor(secs / 60)} min` : `${Math.floor(secs / 3600)} h`;
    age.textContent = `, ${text} ago`;
    age.classList.toggle("old", secs >= 300);
  };
  tell();
  setInterval(tell, 1000);
  // A page that came of a form would do its act again.
  if (!document.querySelector("[data-form]")) {
    reload.hidden = false;
    reload.addEventListener("click", () => location.reload());
  }
})();

(() => {
  const keys = document.getElementById("keys");
  const open = document.getElementById("keys-open");
  const toggle = document.getElementById("keys-toggle");
  if (!keys || !open || !toggle) return;
  // Who speaks to a machine, or types by chance, can turn them off: for all consoles of this browser, which differ in their port.
  const OFF = "hookledger-keys=off";
  let isOn = !document.cookie.split("; ").includes(OFF);
  const say = () => { toggle.textContent = isOn ? "Turn these keys off" : "Turn these keys on"; };
  toggle.addEventListener("click", () => {
    isOn = !isOn;
    document.cookie = `${OFF}; path=/; samesite=strict; max-age=${isOn ? 0 : 31536000}`;
    say();
  });
  say();
  open.hidden = false;
  open.addEventListener("click", () => keys.showModal());
  const stops = () => [...document.querySelectorAll("main tbody tr a, main summary")].filter((at) => {
    const row = at.closest("tr");
    return (!row || row.querySelector("a") === at) && at.checkVisibility();
  });
  const go = (step) => {
    const all = stops();
    const here = document.activeElement.closest("tr")?.querySelector("a") ?? document.activeElement;
    const at = all.indexOf(here);
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
    all[next]?.focus();
  };
  const acts = {
    j: () => go(1),
    k: () => go(-1),
    "/": () => document.getElementById("find")?.focus(),
    "?": () => keys.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, select, textarea, dialog[open]");
    const act = Object.hasOwn(acts, event.key) ? acts[event.key] : undefined;
    if (!isOn || !act || isTyping || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    event.preventDefault();
    act();
  });
})();
