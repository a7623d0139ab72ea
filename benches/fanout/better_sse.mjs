// A plain server as one writes it with better-sse: one channel, every session registered, no keys, nothing kept.
import http from "node:http";
import { createChannel, createSession } from "better-sse";

const channel = createChannel();

const server = http.createServer(async (request, response) => {
  if (request.method === "POST") {
    let body = "";
    for await (const piece of request) body += piece;
    for (const data of body.split("\n")) {
      // its place in the log stands first, as in every signal
      if (data) channel.broadcast(data, "signal", { eventId: `1f3c9a2e-${data.slice(7, data.indexOf(","))}` });
    }
    response.writeHead(204).end();
    return;
  }
  // the data is JSON already
  const session = await createSession(request, response, { serializer: String, keepAlive: null });
  channel.register(session);
});

server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
