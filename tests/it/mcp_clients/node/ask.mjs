// What a list of questions is answered, each asked by the client that its caller has connected.
import { readFileSync } from "node:fs";

const KINDS = {
  tools: (client) => client.listTools(),
  call: (client, { name, arguments: args }) => client.callTool({ name, arguments: args }),
  resources: (client) => client.listResources(),
  templates: (client) => client.listResourceTemplates(),
  read: (client, { uri }) => client.readResource({ uri }),
  prompts: (client) => client.listPrompts(),
  prompt: (client, { name, arguments: args }) => client.getPrompt({ name, arguments: args }),
};

export async function answerAll(client, revision) {
  const answers = [];
  for (const question of JSON.parse(readFileSync(0, "utf8"))) {
    try {
      answers.push({ ok: await KINDS[question.do](client, question) });
    } catch (error) {
      answers.push({ error: { code: error.code ?? null, message: error.message } });
    }
  }
  const said = {
    revision: revision(),
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    answers,
  };
  await client.close();
  process.stdout.write(JSON.stringify(said));
}
