// What all pages do: times that keep true, buttons that copy, and words for who does not see what changed.

const says = document.getElementById("says");
let silence;

/** Shows some words for a while, and tells readers of screens, too: also where the same was said before. */
function say(text) {
  clearTimeout(silence);
  says.textContent = "";
  silence = setTimeout(() => {
    says.textContent = text;
    silence = setTimeout(() => (says.textContent = ""), 8000);
  });
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** `12s ago`, of milliseconds since 1970. */
function ago(at, now) {
  const seconds = Math.round((at - now) / 1000);
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / size), unit);
}

/** Writes how long ago each moment was; only where that has changed, as thousands may be on a page. */
function tick() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const text = ago(Date.parse(time.dateTime), now);
    if (time.textContent !== text) time.textContent = text;
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    say("Copied.");
    const label = [...button.childNodes];
    if (button.dataset.done) return;
    button.dataset.done = "yes";
    button.replaceChildren("Copied");
    setTimeout(() => {
      button.replaceChildren(...label);
      delete button.dataset.done;
    }, 2000);
  } catch {
    // without leave to copy: selected, so that the keyboard does
    getSelection().selectAllChildren(source);
    say("Selected: copy it with the keyboard.");
  }
});

// what cannot be undone is asked for twice
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !confirm(question)) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

document.addEventListener("htmx:responseError", (event) => say(`The server refused: ${event.detail.xhr.status}.`));
document.addEventListener("htmx:sendError", () => say("The server does not answer."));
// a refusal is an answer too, and is shown where the answer would be
document.addEventListener("htmx:beforeSwap", (event) => {
  const type = event.detail.xhr.getResponseHeader("content-type") ?? "";
  if (type.startsWith("text/html")) event.detail.shouldSwap = true;
  // what was done since makes an older refusal stale
  const { verb } = event.detail.requestConfig;
  if (verb === "post" && event.detail.xhr.status < 300) document.getElementById("refused")?.replaceChildren();
});

/** By what an element is found again in the part that takes the place of its own. */
function nameOf(element) {
  const quoted = (text) => `"${CSS.escape(text)}"`;
  if (element.id) return `#${CSS.escape(element.id)}`;
  if (element.matches("a[href]")) return `a[href=${quoted(element.getAttribute("href"))}]`;
  if (element.matches("[aria-label]")) return `[aria-label=${quoted(element.getAttribute("aria-label"))}]`;
  const action = element.form?.getAttribute("action");
  return action ? `form[action=${quoted(action)}] ${element.name ? `[name=${quoted(element.name)}]` : "button"}` : null;
}

// where a part is shown anew, by itself or for what was done in it, the keyboard stays where it was
let focused = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  const active = document.activeElement;
  focused = active !== document.body && event.detail.target.contains(active) ? nameOf(active) : null;
});
document.addEventListener("htmx:afterSettle", (event) => {
  // what is shown once is read first
  const made = event.detail.elt.querySelector(".made");
  const found = made ?? (focused && document.activeElement === document.body ? document.querySelector(focused) : null);
  found?.focus({ preventScroll: !made });
  focused = null;
});

// what came is told, too, where it has words for that
document.addEventListener("htmx:afterSettle", (event) => {
  const told = event.detail.elt.querySelector("[data-says]");
  if (told) say(told.textContent.trim());
});

tick();
setInterval(tick, 1000);

window.sigcast = { say, ago };
