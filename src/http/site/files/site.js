// What all pages do: times that keep true, buttons that copy, and words for who does not see what changed.

const says = document.getElementById("says");

/** Tells readers of screens, too. */
function say(text) {
  says.textContent = text;
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
});

// what came is told, too, where it has words for that
document.addEventListener("htmx:afterSettle", (event) => {
  const told = event.detail.elt.querySelector("[data-says]");
  if (told) say(told.textContent.trim());
});

tick();
setInterval(tick, 1000);

window.sigcast = { say, ago };
