// @modelcontextprotocol/sdk, held to one revision of the protocol: its greeting offers no other.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { answerAll } from "./ask.mjs";

const { MCP_URL, MCP_KEY, MCP_REVISION } = process.env;

class Held extends StreamableHTTPClientTransport {
  send(message, options) {
    if (message.method === "initialize") {
      message.params.protocolVersion = MCP_REVISION;
    }
    return super.send(message, options);
  }

  setProtocolVersion(version) {
    this.agreed = version;
    super.setProtocolVersion(version);
  }
}

const transport = new Held(new URL(MCP_URL), {
  requestInit: { headers: { authorization: `Bearer ${MCP_KEY}` } },
});
const client = new Client({ name: "test", version: "1" });
await client.connect(transport);
await answerAll(client, () => transport.agreed);
