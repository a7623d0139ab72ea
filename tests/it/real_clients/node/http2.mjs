// Node's own HTTP/2: a stream and requests beside it on one session, opened anew where it ends. Prints the id of each signal.
import http2 from "node:http2";
import { readFileSync } from "node:fs";

const base = process.env.SIGCAST_URL;
const authorization = `Bearer ${process.env.SIGCAST_KEY}`;
const ca = readFileSync(process.env.CA_FILE);
let last;

function open() {
  const session = http2.connect(base, { ca });
  let over = false;
  const again = () => {
    if (over) return;
    over = true;
    session.destroy();
    setTimeout(open, 300);
  };
  session.on("error", (error) => (console.error(String(error)), again()));
  session.on("close", again);
  const fields = { ":path": "/api/signals/stream", authorization };
  const stream = session.request(last ? { ...fields, "last-event-id": last } : fields);
  stream.setEncoding("utf8");
  stream.on("response", (head) => {
    if (head.connection) console.log("a connection field");
    if (head[":status"] !== 200) return again();
    console.log(session.alpnProtocol === "h2" ? "version 2" : session.alpnProtocol);
    console.log("connected");
    const beside = session.request({ ":path": "/api/signals", authorization });
    beside.on("response", (head) => console.log(`beside ${head[":status"]}`));
    beside.on("error", (error) => console.error(String(error)));
    beside.resume();
    beside.end();
  });
  let text = "";
  stream.on("data", (more) => {
    text += more;
    const frames = text.split("\n\n");
    text = frames.pop();
    for (const frame of frames) {
      const field = (name) => frame.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      if (field("event") === "signal") console.log(JSON.parse(field("data")).id);
      last = field("id") ?? last;
    }
  });
  stream.on("error", (error) => console.error(String(error)));
  stream.on("close", again);
  stream.end();
}

open();
