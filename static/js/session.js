// Warns two minutes before the session falls asleep; nothing typed is lost. Without this file the
// session falls asleep all the same, and the password wakes it.

const guard = document.querySelector("dialog.guard");

if (guard?.showModal) {
  const form = guard.querySelector("form");
  const text = guard.querySelector("[data-guard-text]");
  const asking = text.textContent;
  const warning = Number(guard.dataset.warning) * 1000;
  let timers = [];

  const fallAsleep = () => {
    text.textContent = text.dataset.asleep;
    form.hidden = true;
    guard.showModal();
  };

  const start = (seconds) => {
    timers.forEach(clearTimeout);
    timers = [
      setTimeout(() => {
        text.textContent = asking;
        form.hidden = false;
        if (!guard.open) guard.showModal();
      }, Math.max(seconds * 1000 - warning, 0)),
      setTimeout(() => { if (guard.open) guard.close(); fallAsleep(); }, seconds * 1000),
    ];
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new FormData(form),
        redirect: "manual",
        headers: { Accept: "application/json" },
      });
      if (!answer.ok) return fallAsleep();
      const { seconds } = await answer.json();
      guard.close();
      start(seconds);
    } catch {
      text.textContent = text.dataset.lost;
    }
  });

  start(Number(guard.dataset.idle));
}
