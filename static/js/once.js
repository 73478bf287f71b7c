// An act goes once: who clicks twice gets one text, one letter, one act. It works the same without this file.

const GOES_AGAIN_AFTER = 5000; // the answer may never come, and a download leaves the page where it is

let gone = new WeakMap();

document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  const act = event.submitter ?? event.target;
  const last = gone.get(act);
  if (last !== undefined && performance.now() - last < GOES_AGAIN_AFTER) event.preventDefault();
  else gone.set(act, performance.now());
});

// Back from the next page, a page kept by the browser is whole again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) gone = new WeakMap();
});
