// Comfort for the code page; it works the same without this file.

const field = document.querySelector(".field--code input");

// A code pasted as "123 456" or "123-456" fits the field without its separators.
field?.addEventListener("paste", (event) => {
  const digits = event.clipboardData?.getData("text").replace(/[\s\u00a0\u202f-]/g, "") ?? "";
  if (!/^\d+$/.test(digits)) return;
  event.preventDefault();
  field.value = field.maxLength > 0 ? digits.slice(0, field.maxLength) : digits;
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

const resend = document.querySelector("[data-resend-in]");

if (resend) {
  const button = resend.querySelector("button");
  const wait = resend.querySelector("[data-resend-wait]");
  const ready = resend.querySelector("[data-resend-ready]");
  const count = resend.querySelector("[data-resend-count]");
  // The page's own clock: the member's may be wrong.
  const end = performance.now() + Number(resend.dataset.resendIn) * 1000;

  const tick = () => {
    const left = Math.ceil((end - performance.now()) / 1000);
    if (left > 0) {
      const words = left > 1 ? resend.dataset.resendMany : resend.dataset.resendOne;
      count.textContent = words.replace("#", left);
      setTimeout(tick, 1000);
      return;
    }
    button.disabled = false;
    wait.hidden = true;
    ready.textContent = resend.dataset.resendWords;
  };

  button.disabled = true;
  tick();
}
