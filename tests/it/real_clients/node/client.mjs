// One stream client, used as its own documentation says: `node client.mjs NAME`. Prints the id of each signal, in order. What it
// does about an end is its own affair, but for what the table in README.md asks of its user.
const name = process.argv[2];
const base = process.env.SIGCAST_URL;
const url = `${base}/api/signals/stream`;
const headers = { Authorization: `Bearer ${process.env.SIGCAST_KEY}` };
const show = (event) => console.log(JSON.parse(event.data).id);
const connected = () => console.log("connected");
const note = (what) => console.error(name, what);

// some of them let the process end while they wait to come back
setInterval(() => {}, 1000);

function listen(source) {
  source.addEventListener("hello", connected);
  source.addEventListener("signal", show);
  source.addEventListener("error", (event) =>
    note(`error ${event.code ?? event.status ?? ""} ${event.message ?? ""} readyState ${source.readyState}`));
}

switch (name) {
  case "eventsource2": {
    const { default: EventSource } = await import("eventsource2");
    listen(new EventSource(url, { headers }));
    break;
  }
  case "eventsource3":
  case "eventsource4":
  case "eventsource5": {
    const { EventSource } = await import(name);
    const withKey = (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } });
    listen(new EventSource(url, { fetch: withKey }));
    break;
  }
  case "undici": {
    // it takes no headers: a ticket, as in a browser
    const { EventSource, request } = await import("undici");
    let last = "";
    const open = async () => {
      const made = await request(`${url}/tickets`, { method: "POST", headers });
      const { ticket } = await made.body.json();
      const source = new EventSource(`${url}?ticket=${ticket}${last}`);
      listen(source);
      source.addEventListener("signal", (event) => (last = `&last_event_id=${event.lastEventId}`));
      // a server that is not there yet makes it stop for good: it is opened anew
      source.addEventListener("error", () => {
        if (source.readyState === EventSource.CLOSED) again();
      });
    };
    const again = () => setTimeout(() => open().catch(again), 500);
    await open();
    break;
  }
  case "eventsource-client": {
    const { createEventSource } = await import("eventsource-client");
    createEventSource({
      url,
      headers,
      onMessage({ event, data }) {
        if (event === "hello") connected();
        if (event === "signal") show({ data });
      },
      onDisconnect: () => note("disconnected"),
    });
    break;
  }
  default:
    throw new Error(`unknown client ${name}`);
}
