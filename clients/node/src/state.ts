/** Where a client stands, kept where it survives the process. */

import { open, readFile, rename } from "node:fs/promises";
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

/** Keeps the state in a file, replaced whole each time: after a crash it is the old or the new one, never half of one. */
export function fileState(path: string): StateStore {
  const written = `${path}.new`;
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(path, "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
        throw new StateError(`${path}: ${describe(error)}`, { cause: error });
      }
      const state = readState(parsed(text));
      // beginning afresh in its place would be a silent hole
      if (!state) throw new StateError(`${path} holds no position`);
      return state;
    },
    async save(state) {
      try {
        const file = await open(written, "w", 0o600);
        try {
          await file.writeFile(`${JSON.stringify(state)}\n`);
          await file.datasync();
        } finally {
          await file.close();
        }
        await rename(written, path);
      } catch (error) {
        throw new StateError(`${path}: ${describe(error)}`, { cause: error });
      }
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
