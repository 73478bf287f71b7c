// Passkeys: asks the browser for a key and hands its answer over. Without this file passwords still serve.

const STALE = 4 * 60 * 1000; // the server forgets a challenge after five minutes

const bytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

// An address by number, or another name than the public one, cannot hold keys.
const isUsable = (host) =>
  Boolean(window.PublicKeyCredential && navigator.credentials) &&
  (location.hostname === host || location.hostname.endsWith(`.${host}`));

const named = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

const packed = ({ id, rawId, type, authenticatorAttachment, response }, transports) => ({
  id,
  rawId: text(rawId),
  type,
  ...(authenticatorAttachment ? { authenticatorAttachment } : {}),
  response: {
    clientDataJSON: text(response.clientDataJSON),
    ...(response.attestationObject ? { attestationObject: text(response.attestationObject), transports } : {}),
    ...(response.authenticatorData ? { authenticatorData: text(response.authenticatorData) } : {}),
    ...(response.signature ? { signature: text(response.signature) } : {}),
    ...(response.userHandle ? { userHandle: text(response.userHandle) } : {}),
  },
});

// The sign-in page

const door = document.querySelector("[data-passkey-door]");

if (door && isUsable(door.dataset.host)) {
  const button = door.querySelector("button");
  const words = door.querySelector("[role=status]");
  const form = document.querySelector(door.dataset.form);
  let asked = null; // one challenge at a time: the server keeps the last one only
  let asking = null;

  const post = async (address, content) => {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      body: JSON.stringify(content),
    });
    const told = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(told.message), { told: told.message });
    return told;
  };

  const options = () => {
    if (!asked || performance.now() - asked.at > STALE) {
      asked = { at: performance.now(), told: post(door.dataset.options, {}) };
    }
    return asked.told;
  };

  const ask = async (mediation) => {
    asking?.abort();
    const mine = (asking = new AbortController());
    const quiet = mediation === "conditional";
    try {
      const { challenge, ...others } = await options();
      if (mine.signal.aborted) return;
      if (!quiet) words.textContent = door.dataset.waiting;
      const credential = await navigator.credentials.get({
        publicKey: { ...others, challenge: bytes(challenge), allowCredentials: named(others.allowCredentials) },
        mediation,
        signal: mine.signal,
      });
      asked = null;
      words.textContent = door.dataset.opening;
      const { url } = await post(door.dataset.enter, {
        credential: packed(credential),
        next: form.elements.next?.value ?? "",
      });
      location.assign(url);
    } catch (error) {
      if (mine.signal.aborted) return;
      if (!quiet || error.told) asked = null;
      const cancelled = error.name === "NotAllowedError";
      if (error.told) words.textContent = error.told;
      else if (!quiet) words.textContent = cancelled ? door.dataset.cancelled : door.dataset.failed;
      if (!quiet) suggest();
    }
  };

  // Keys stand among the suggestions of the first field, where the browser can.
  const suggest = async () => {
    if (await PublicKeyCredential.isConditionalMediationAvailable?.()) ask("conditional");
  };

  button.addEventListener("click", () => ask("optional"));
  form.elements.identifiant?.addEventListener("focus", () => {
    if (asked && performance.now() - asked.at > STALE) suggest();
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) words.textContent = "";
  });
  door.hidden = false;
  suggest();
}

// The page that adds one

const maker = document.querySelector("[data-passkey-maker]");

if (maker) {
  const button = maker.querySelector("button");
  const words = maker.querySelector("[role=status]");
  const { challenge, user, excludeCredentials, ...others } = JSON.parse(maker.dataset.options);

  const make = async () => {
    words.textContent = maker.dataset.waiting;
    try {
      const credential = await navigator.credentials.create({
        publicKey: {
          ...others,
          challenge: bytes(challenge),
          user: { ...user, id: bytes(user.id) },
          excludeCredentials: named(excludeCredentials),
        },
      });
      const transports = credential.response.getTransports?.() ?? [];
      maker.elements.credential.value = JSON.stringify(packed(credential, transports));
      maker.submit();
    } catch (error) {
      words.textContent =
        { InvalidStateError: maker.dataset.known, NotAllowedError: maker.dataset.cancelled }[error.name] ??
        maker.dataset.failed;
    }
  };

  if (isUsable(others.rp.id)) {
    button.hidden = false;
    button.addEventListener("click", make);
  } else {
    words.textContent = maker.dataset.unable;
  }
}
