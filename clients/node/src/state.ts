/** Where a client stands, kept where it survives the process. */

import { type DigestState, readDigest } from "./digest.js";

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
  // what no header holds is no id either
  if (typeof id !== "string" || !/^[\x20-\x7e]+$/.test(id) || typeof filter !== "string") return null;
  return { id, filter, digest: readDigest(digest) };
}
