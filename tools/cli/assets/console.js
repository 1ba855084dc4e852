// Says how old the page is, and offers to load it again. Everything else works without it.
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
  if (!document.querySelector("[data-outcome]")) {
    reload.hidden = false;
    reload.addEventListener("click", () => location.reload());
  }
})();
