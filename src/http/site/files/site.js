// What all pages do: times that keep true, buttons that copy, and words for who does not see what changed.

const says = document.getElementById("says");
let silence = 0;

/** Tells everybody, for some seconds; who hears the page is told the same words twice, too, as they are another element. `unseen`: what stands on the page already. */
function say(text, { unseen = false } = {}) {
  const words = document.createElement("p");
  words.textContent = text;
  words.className = unseen ? "unseen" : "";
  says.replaceChildren(words);
  clearTimeout(silence);
  silence = setTimeout(() => says.replaceChildren(), 4000 + 60 * text.length);
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** `12s ago`, of milliseconds since 1970. */
function ago(at, now) {
  const seconds = Math.round((at - now) / 1000);
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  // an age counts what is full; a week that has just begun ends in seven days, not in six
  return relative.format(seconds > 0 ? Math.round(seconds / size) : Math.trunc(seconds / size), unit);
}

/** Writes how long ago each moment was; only where that has changed, as thousands may be on a page. */
function tick() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const text = ago(Date.parse(time.dateTime), now);
    if (time.textContent !== text) time.textContent = text;
  }
}

/** What stands on buttons that say something else for a moment. */
const labels = new WeakMap();

/** A button says this for two seconds. */
function answer(button, words) {
  if (!labels.has(button)) labels.set(button, [...button.childNodes]);
  button.replaceChildren(words);
  setTimeout(() => {
    if (labels.has(button)) button.replaceChildren(...labels.get(button));
    labels.delete(button);
  }, 2000);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    answer(button, "Copied");
    say("Copied.", { unseen: true });
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

/** Whether a part of the page asked for itself anew, and nobody did anything. */
const isPoll = (element) => element.getAttribute("hx-trigger")?.startsWith("every") ?? false;

/** Whether somebody is about to use what is in a part: by the keyboard, with the pointer on a button, or with words of it selected. It stands still then. */
function isInUse(part) {
  const selection = getSelection();
  const selects = !selection.isCollapsed && part.contains(selection.anchorNode);
  return selects || part.querySelector(":focus-visible, button:hover") !== null || part.matches(":focus-visible");
}

/** Whether that was said of this silence of the server: parts ask every few seconds. */
let saidSo = false;
const isText = ({ xhr }) => (xhr.getResponseHeader("content-type") ?? "").startsWith("text/html");

document.addEventListener("htmx:responseError", ({ detail }) => {
  // what is readable is shown where the answer would be
  if (!isPoll(detail.elt) && !isText(detail)) say(`The server refused: ${detail.xhr.status}.`);
});
document.addEventListener("htmx:sendError", ({ detail }) => {
  if (!isPoll(detail.elt) || !saidSo) say("The server does not answer.");
  saidSo = true;
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.successful) return;
  saidSo = false;
  // of the form itself: where the answer took its place, the event is another element's
  const { done } = detail.requestConfig.elt.dataset;
  if (done) say(done);
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isPoll(event.detail.elt) && isInUse(event.detail.elt)) event.preventDefault();
});

/** Of each answer: whether who uses the keyboard was in what it is about to replace, and how far the tables there were moved. Others may come before it settles. */
const before = new WeakMap();

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const asked = detail.requestConfig.elt;
  if (isPoll(asked)) {
    // what asks on and on stays to ask: a failure takes nobody's place, nor does what comes while somebody uses it
    if (detail.xhr.status !== 200 || isInUse(asked)) detail.shouldSwap = false;
  } else {
    // a refusal is an answer too, and is shown where the answer would be; a success takes the last one away
    if (isText(detail)) detail.shouldSwap = true;
    if (detail.xhr.status < 400) document.getElementById("refused")?.replaceChildren();
  }
  const tables = [...detail.target.querySelectorAll(".scrolls")];
  before.set(detail.xhr, {
    hadFocus: detail.target.contains(document.activeElement),
    moved: new Map(tables.map((table) => [table.getAttribute("aria-label"), [table.scrollLeft, table.scrollTop]])),
  });
});

document.addEventListener("htmx:afterSettle", ({ detail }) => {
  tick();
  const { hadFocus = false, moved = new Map() } = before.get(detail.xhr) ?? {};
  for (const table of detail.elt.querySelectorAll(".scrolls")) {
    const at = moved.get(table.getAttribute("aria-label"));
    if (at) [table.scrollLeft, table.scrollTop] = at;
  }
  if (isPoll(detail.requestConfig.elt)) return;
  // what came is told, too, where it has words for that
  const told = detail.elt.querySelector("[data-says]");
  if (told) say(told.textContent.trim(), { unseen: true });
  // what is shown once is where one goes on; else htmx keeps to what has the same id, and where that is gone one begins at the part's own name
  const once = detail.elt.querySelector("[data-once]");
  const isLost = hadFocus && (document.activeElement === document.body || document.activeElement === null);
  if (once) return once.focus();
  if (!isLost) return;
  const start = detail.elt.querySelector("h2, h3") ?? detail.elt;
  start.tabIndex = -1;
  start.focus({ preventScroll: true });
});

tick();
setInterval(tick, 1000);

window.sigcast = { say, ago };
