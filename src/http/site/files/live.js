// The live feed: the stream by a ticket, each signal once and none left out; rows are made a frame at a time, however many come.

(() => {
  "use strict";

  const { say, ago } = window.sigcast;
  const find = (id) => document.getElementById(id);
  const blank = find("row").content.firstElementChild;
  const connection = find("connection");
  const lag = find("lag");
  const pauseButton = find("pause");
  const soundButton = find("sound");
  const againButton = find("again");

  /** Rows on the page at most. */
  const KEPT = 200;
  /** Milliseconds from rows to rows: the first of some is shown at once, those close behind it together, as each time all rows move. */
  const PACE = 100;
  /** What a signal's name says, where it is not told by more. */
  const KINDS = { insider_buy: "Insider buys", insider_sell: "Insider sells", insider_cluster_buy: "Insiders buy", insider_cluster_sell: "Insiders sell" };
  const GAPS = {
    pruned: "Signals between are older than the server keeps.",
    epoch_changed: "The server's log is another one since: what came between cannot be told.",
    ahead_of_log: "The server's log went back: what came between cannot be told.",
    unknown_id: "What came between cannot be told.",
  };
  const ENDS = {
    key_revoked: "Ended: the session is over, or its key counts no more. Sign in again.",
    subscription_expired: "Ended: the account's plan has no stream any more.",
    superseded: "Shown in other tabs: this one was open the longest.",
    signed_out: "Signed out.",
    missing_api_key: "Signed out.",
    invalid_api_key: "Ended: the session is over, or its key counts no more. Sign in again.",
    no_views: "This server shows no stream in its pages.",
    subscription_required: "The account's plan has no stream.",
  };

  let feed = find("feed");
  let list = feed.querySelector("ol");
  /** The stream that counts: what comes of another one is late. */
  let run = 0;
  let source = null;
  /** The last place that was told: `<epoch>-<seq>`. */
  let place = feed.dataset.after;
  let failures = 0;
  /** Why the server ended the last one. */
  let because = null;
  let heardAt = performance.now();
  let pingSeconds = 25;
  /** The server's clock less this one's, in milliseconds. */
  let offset = 0;
  let paused = false;
  /** Signals and gaps that wait to be shown, the oldest first. */
  let waiting = [];
  let heldBack = 0;
  let asksForFrame = false;
  let shownAt = 0;
  let beepAllowedAt = 0;
  let audio = null;
  let lagShownAt = -Infinity;

  function show(state, words) {
    if (connection.dataset.state === state && connection.textContent === words) return;
    connection.dataset.state = state;
    connection.textContent = words;
    if (state !== "live") lag.textContent = "";
  }

  function seqOf(id) {
    const at = id.lastIndexOf("-");
    return [id.slice(0, at), Number(id.slice(at + 1))];
  }

  /** Moves the place on; false where it was passed before. */
  function passes(id) {
    const [epoch, seq] = seqOf(id);
    const [ownEpoch, ownSeq] = seqOf(place);
    if (epoch === ownEpoch && seq <= ownSeq) return false;
    place = id;
    return true;
  }

  const events = {
    hello(event) {
      const told = JSON.parse(event.data);
      pingSeconds = told.ping_seconds;
      offset = Date.parse(told.server_time) - Date.now();
      failures = 0;
      because = null;
      show("live", "Live");
    },
    signal: take,
    signal_update: take,
    signal_exit: take,
    gap(event) {
      const told = JSON.parse(event.data);
      place = event.lastEventId;
      put({ gap: told });
    },
    heartbeat(event) {
      passes(event.lastEventId);
      tellLag(JSON.parse(event.data).server_time);
    },
    bye(event) {
      const { reason } = JSON.parse(event.data);
      if (reason === "signed_out") return end(reason);
      show("waiting", "The server says goodbye for a moment; connecting again…");
    },
    error(event) {
      // the server's own word has data, the browser's has none
      if (event.data === undefined) return broken();
      const { code, retryable } = JSON.parse(event.data);
      // a key that was rotated has a successor, by which the session goes on: if it does not, that is said
      if (code === "key_revoked") {
        because = code;
        open();
      } else if (!retryable) end(code);
    },
  };

  function take(event) {
    if (!passes(event.lastEventId)) return;
    put({ signal: JSON.parse(event.data) });
  }

  function put(what) {
    waiting.push(what);
    // a page in the background is given no frames, and a pause may last: what nobody would see is let go
    if (waiting.length > 2 * KEPT) waiting = waiting.slice(-KEPT);
    if (what.signal) heldBack += 1;
    if (paused) {
      pauseButton.textContent = `Show ${heldBack} new`;
    } else if (!asksForFrame) {
      asksForFrame = true;
      setTimeout(() => requestAnimationFrame(flush), Math.max(0, shownAt + PACE - performance.now()));
    }
  }

  function flush() {
    asksForFrame = false;
    if (paused || waiting.length === 0) return;
    shownAt = performance.now();
    const some = waiting.slice(-KEPT);
    waiting = [];
    heldBack = 0;
    const rows = document.createDocumentFragment();
    for (let n = some.length - 1; n >= 0; n -= 1) rows.append(some[n].gap ? gapRow(some[n].gap) : signalRow(some[n].signal));
    // a mark on each of many a second would be a flicker, and work
    if (some.length === 1 && rows.firstElementChild) rows.firstElementChild.classList.toggle("fresh", performance.now() - lagShownAt > 400);
    list.prepend(rows);
    while (list.childElementCount > KEPT) list.lastElementChild.remove();
    const last = some.at(-1)?.signal;
    if (last) {
      tellLag(last.published_at);
      beep();
    }
  }

  /** How long ago the server said something at this time of its own. */
  function tellLag(saidAt) {
    const now = performance.now();
    if (now - lagShownAt < 400) return;
    lagShownAt = now;
    const behind = Math.max(0, Date.now() + offset - Date.parse(saidAt));
    if (Number.isFinite(behind)) lag.textContent = behind < 1000 ? `${Math.round(behind)} ms behind` : `${(behind / 1000).toFixed(1)} s behind`;
  }

  const text = (value) => (typeof value === "string" && value !== "" ? value : undefined);
  const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : undefined);

  function kindOf(signal) {
    const type = text(signal.signal_type) ?? "";
    if (KINDS[type]) return KINDS[type];
    if (type.endsWith("_exit")) return "Exit";
    return number(signal.update) > 0 ? "Update" : "Signal";
  }

  /** The row that the server would have made: see `told::row`. */
  function signalRow(signal) {
    const row = blank.cloneNode(true);
    const [badge, kind, what, score, risk, wallets, time] = row.children;
    const rank = ["S", "A", "B", "C", "D"].includes(signal.rank) ? signal.rank : undefined;
    badge.classList.add(`rank-${rank ?? "D"}`);
    badge.lastElementChild.textContent = rank ?? "–";
    kind.textContent = kindOf(signal);
    const token = signal.token ?? {};
    const company = typeof signal.company === "object" && signal.company !== null ? signal.company : {};
    const subject = [company.name, token.symbol, token.name, token.address, signal.company, signal.signal_type, signal.id].map(text).find(Boolean) ?? "A signal";
    const beside = [signal.insider?.name, token.name].map(text).find(Boolean);
    const [first, second] = what.children;
    first.firstElementChild.textContent = subject;
    if (text(signal.id)) first.href = `/signals/${encodeURIComponent(signal.id)}`;
    second.firstElementChild.textContent = beside && beside !== subject ? beside : company.slug ? "Company" : "";
    if (text(company.slug)) second.href = `/companies/${encodeURIComponent(company.slug)}`;
    const points = number(signal.rank_score);
    if (points !== undefined) {
      score.firstElementChild.textContent = points.toFixed(1);
      score.querySelector(".fill").setAttribute("width", `${Math.min(100, Math.max(0, points)).toFixed(1)}%`);
    }
    const danger = text(signal.rug_check?.risk);
    if (danger) {
      risk.dataset.risk = danger;
      risk.textContent = `Risk ${danger}`;
    }
    const buyers = number(signal.wallet_count) ?? number(signal.triggering_wallet_count);
    if (buyers !== undefined) wallets.textContent = buyers === 1 ? "1 wallet" : `${buyers} wallets`;
    const at = text(signal.published_at) ?? "";
    time.dateTime = at;
    time.title = at;
    time.textContent = ago(Date.parse(at), Date.now());
    row.dataset.seq = signal.seq;
    return row;
  }

  function gapRow(gap) {
    const row = document.createElement("li");
    row.className = "gap";
    const which = gap.from !== null && gap.to !== null ? `Signals ${gap.from} to ${gap.to} are missing here. ` : "Signals may be missing here. ";
    row.textContent = which + (GAPS[gap.reason] ?? "");
    return row;
  }

  async function open() {
    const own = ++run;
    source?.close();
    source = null;
    againButton.hidden = true;
    show("waiting", failures === 0 ? "Connecting…" : "Connecting again…");
    let ticket;
    try {
      const answer = await fetch("/live/ticket", { method: "POST", headers: { accept: "application/json" } });
      if (own !== run) return;
      const told = await answer.json();
      if (answer.status === 401 || answer.status === 403) return end(because ?? told.error?.code);
      if (!answer.ok) return later(own, Number(answer.headers.get("retry-after") ?? 0));
      ticket = told.ticket;
    } catch {
      return later(own, 0);
    }
    if (own !== run) return;
    const query = new URLSearchParams(feed.dataset.query);
    query.set("heartbeat", "event");
    query.set("last_event_id", place);
    query.set("ticket", ticket);
    source = new EventSource(`/api/signals/stream?${query}`);
    heardAt = performance.now();
    for (const [name, does] of Object.entries(events)) {
      source.addEventListener(name, (event) => {
        if (own !== run) return;
        heardAt = performance.now();
        does(event);
      });
    }
  }

  /** The connection is gone: the browser opens it again, by the ticket and after the last place, unless it was refused. */
  function broken() {
    show("waiting", "Disconnected; connecting again…");
    if (source?.readyState === EventSource.CLOSED) later(run, 0);
  }

  function later(own, seconds) {
    if (own !== run) return;
    failures += 1;
    show("waiting", "Disconnected; connecting again…");
    const wait = Math.max(seconds * 1000, Math.min(30_000, 500 * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2));
    setTimeout(() => own === run && open(), wait);
  }

  /** For good, until somebody wants it again. */
  function end(code) {
    run += 1;
    source?.close();
    source = null;
    const words = ENDS[code] ?? `Ended: ${code ?? "refused"}.`;
    show("ended", words);
    say(words);
    againButton.hidden = false;
  }

  // a connection that says nothing is none: each ping brings a heartbeat with it
  setInterval(() => {
    if (source?.readyState === EventSource.OPEN && performance.now() - heardAt > (2 * pingSeconds + 5) * 1000) open();
  }, 1000);

  againButton.addEventListener("click", () => {
    failures = 0;
    open();
  });

  pauseButton.addEventListener("click", () => {
    paused = !paused;
    pauseButton.setAttribute("aria-pressed", String(paused));
    pauseButton.textContent = paused ? "Show 0 new" : "Pause";
    heldBack = 0;
    if (!paused) flush();
  });

  soundButton.addEventListener("click", async () => {
    const on = soundButton.getAttribute("aria-pressed") !== "true";
    if (on) {
      audio ??= new AudioContext();
      await audio.resume();
    }
    soundButton.setAttribute("aria-pressed", String(on));
    soundButton.textContent = on ? "Sound: on" : "Sound: off";
    if (on) beep();
  });

  function beep() {
    const now = performance.now();
    if (soundButton.getAttribute("aria-pressed") !== "true" || now < beepAllowedAt) return;
    beepAllowedAt = now + 250;
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = 880;
    volume.gain.setValueAtTime(0.08, audio.currentTime);
    volume.gain.exponentialRampToValueAtTime(0.0001, audio.currentTime + 0.12);
    tone.connect(volume).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.13);
  }

  // another filter: the server has sent the rows that pass, and up to where
  document.addEventListener("htmx:afterSwap", () => {
    const now = find("feed");
    if (now === feed) return;
    // who has signed out meanwhile is shown what is public
    if (now.dataset.after === undefined) return end("signed_out");
    feed = now;
    list = feed.querySelector("ol");
    place = feed.dataset.after;
    waiting = [];
    heldBack = 0;
    if (paused) pauseButton.textContent = "Show 0 new";
    open();
  });

  // what is shown when one comes back from another page is what was shown then
  addEventListener("pageshow", (event) => event.persisted && open());
  addEventListener("pagehide", () => source?.close());

  open();
})();
