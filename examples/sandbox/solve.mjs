// Reads sigcast's API without a key, and works for it where that is asked: in Node from 20 on, and in browsers on
// pages that came by https or from the machine itself: others have no crypto.subtle.
//
//     node solve.mjs declarations?direction=BUY
//
// The server is SIGCAST_URL, or http://127.0.0.1:8080.

/** The nonce with which sha256(challenge + ":" + nonce) begins with so many zero bits. 16 bits take some 65,000 digests. */
export async function solve(challenge, bits) {
  const text = new TextEncoder();
  for (let first = 0; ; first += 1000) {
    // many at a time: each digest alone would wait for its turn of the event loop
    const nonces = Array.from({ length: 1000 }, (_, n) => String(first + n));
    const digests = await Promise.all(
      nonces.map((nonce) => crypto.subtle.digest("SHA-256", text.encode(`${challenge}:${nonce}`))),
    );
    const found = digests.findIndex((digest) => Math.clz32(new DataView(digest).getUint32(0)) >= bits);
    if (found >= 0) return nonces[found];
  }
}

/** Reads `path`, which is what stands behind /api/v1/ with a key. Throws what the server refuses. */
export async function read(server, path) {
  const url = `${server}/api/v1/sandbox/${path}`;
  let response = await fetch(url);
  let body = await response.json();
  if (body.error?.code === "sandbox_challenge_required") {
    const made = await fetch(`${server}/api/v1/sandbox/challenge`, { method: "POST" });
    const { challenge, difficulty, error } = await made.json();
    if (error) throw new Error(`${error.code}: ${error.message}`);
    // within ten minutes, by the same client: network, user agent and language
    const headers = {
      "X-Sandbox-POW-Challenge": challenge,
      "X-Sandbox-POW-Solution": await solve(challenge, difficulty),
    };
    response = await fetch(url, { headers });
    body = await response.json();
  }
  // 429 sandbox_quota: Retry-After says in how many seconds the next call may be made
  if (body.error) throw new Error(`${body.error.code}: ${body.error.message}`);
  return body;
}

/** Whether Node was asked to run this very file, from whatever folder and by whatever link. */
async function isProgram() {
  if (!globalThis.process?.argv[1]) return false;
  const [{ realpathSync }, { fileURLToPath }] = [await import("node:fs"), await import("node:url")];
  return realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url));
}

if (await isProgram()) {
  const server = (process.env.SIGCAST_URL ?? "http://127.0.0.1:8080").replace(/\/+$/, "");
  try {
    const body = await read(server, process.argv[2] ?? "signals");
    console.log(JSON.stringify(body, null, 2));
    console.error(`${body.meta.sandbox.remaining} calls left now; one more at ${body.meta.sandbox.resetAt}`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
