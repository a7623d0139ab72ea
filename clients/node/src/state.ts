/** Where a client stands, kept where it survives the process. */

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { type DigestState, readDigest } from "./digest.js";
import { describe, StateError } from "./errors.js";

/** What is kept after each signal that was handled. */
export interface State {
  /** The id of the last frame that was handled. */
  id: string;
  /** The filter under which it was: a digest under another one means nothing. */
  filter: string;
  digest: DigestState | null;
}

/** Keeps it: in a file, or in a row of your own, best in the very transaction that acts on the signal. */
export interface StateStore {
  /** What was saved last; null where nothing was. */
  load(): Promise<State | null>;
  save(state: State): Promise<void>;
}

/** Reads what a store has kept; null where it is no state. */
export function readState(value: unknown): State | null {
  if (typeof value !== "object" || value === null) return null;
  const { id, filter, digest } = value as Record<string, unknown>;
  if (typeof id !== "string" || id === "" || typeof filter !== "string") return null;
  return { id, filter, digest: readDigest(digest) };
}

export interface FileStateOptions {
  /** How often it is made sure that the disk has it, in milliseconds; 0: each time. */
  syncMs?: number;
}

/**
 * Keeps the state in a file, replaced whole after each signal: whatever ends the process, it is exact. What ends the machine may take the last
 * second: a copy beside it (`….synced`) is known to be on the disk, and is read where the file itself was lost with the power.
 */
export function fileState(path: string, { syncMs = 1_000 }: FileStateOptions = {}): StateStore {
  const copy = `${path}.synced`;
  let syncedAt = -Infinity;
  return {
    async load() {
      const [state, before] = [read(path), read(copy)];
      if (state === undefined && before === undefined) return null;
      const kept = state ?? before;
      // beginning afresh in its place would be a silent hole
      if (!kept) throw new StateError(`${path} holds no position`);
      return kept;
    },
    async save(state) {
      const text = `${JSON.stringify(state)}\n`;
      try {
        // at once, in the page cache: quicker than a thread could be asked
        writeFileSync(`${path}.new`, text, { mode: 0o600 });
        renameSync(`${path}.new`, path);
        if (performance.now() - syncedAt < syncMs) return;
        await writeSynced(copy, text);
        syncedAt = performance.now();
      } catch (error) {
        throw new StateError(`${path}: ${describe(error)}`, { cause: error });
      }
    },
  };
}

/** What a file holds: undefined where there is none, null where it holds no state. */
function read(path: string): State | null | undefined {
  try {
    return readState(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new StateError(`${path}: ${describe(error)}`, { cause: error });
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  renameSync(`${path}.new`, path);
}
