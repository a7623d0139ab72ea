/** A position in a file: written in place after each signal, and whole whatever ends the process or the machine. */

import { createHash } from "node:crypto";
import { closeSync, constants, fdatasync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { performance } from "node:perf_hooks";
import { promisify } from "node:util";
import { describe, StateError } from "./errors.js";
import { readState, type State, type StateStore } from "./state.js";

export interface FileStateOptions {
  /** How often it is made sure that the disk has it, in milliseconds; 0: each time. */
  syncMs?: number;
}

/** Bytes of a slot: a page, which no kernel writes in two parts while it runs. */
const SLOT = 4_096;
/** The first slots: written by turns, after each signal. */
const QUICK = 2;
/** Written by turns and confirmed by the disk: while one is being written, the other is known to be there. */
const SURE: readonly [number, number] = [2, 3];
const SLOTS = [0, 1, 2, 3];
/** Of a slot, the rest is for the place and the digest. */
const LONGEST_FILTER = 3_000;

/** What a slot holds: a line of JSON, filled up with blanks. */
interface Kept {
  /** Counts what was saved: the greatest is the latest. */
  n: number;
  state: State;
}

/**
 * Keeps the state in a file of four slots, each with its checksum, and takes the latest that is whole. Two are written by turns after each signal, in
 * place: whatever ends the process, the position is exact. The other two are confirmed by the disk, by turns, once a second: what ends the machine may take
 * that second.
 *
 * In place, since replacing a file by another makes ext4 wait for its disk: 2 ms for each signal rather than some microseconds.
 */
export function fileState(path: string, { syncMs = 1_000 }: FileStateOptions = {}): StateStore {
  let file: number | null = null;
  let n = 0;
  let sure = SURE[0];
  let syncedAt = -Infinity;

  /** Opens the file, and reads what it holds; null where there is none. */
  const begin = (): State | null => {
    file ??= open(path);
    if (file === null) return null;
    const slots = readSlots(file);
    const kept = slots.reduce((one, other) => ((other?.n ?? -1) > (one?.n ?? -1) ? other : one));
    // beginning afresh in its place would be a silent hole
    if (!kept) throw new StateError(`${path} holds no position`);
    n = kept.n;
    sure = (slots[SURE[0]]?.n ?? -1) > (slots[SURE[1]]?.n ?? -1) ? SURE[1] : SURE[0];
    return kept.state;
  };
  const save = async (state: State): Promise<void> => {
    if (file === null) begin();
    n += 1;
    const kept = { n, state };
    file ??= create(path, kept);
    writeSlot(file, n % QUICK, kept);
    if (performance.now() - syncedAt < syncMs) return;
    if (fstatSync(file).nlink === 0) {
      // somebody removed it: what is written to it is written to nothing
      closeSync(file);
      file = null;
      file = create(path, kept);
    }
    writeSlot(file, sure, kept);
    await promisify(fdatasync)(file);
    sure = sure === SURE[0] ? SURE[1] : SURE[0];
    syncedAt = performance.now();
  };
  const failed = (error: unknown): StateError =>
    error instanceof StateError ? error : new StateError(`${path}: ${describe(error)}`, { cause: error });
  return {
    async load() {
      try {
        return begin();
      } catch (error) {
        throw failed(error);
      }
    },
    save: (state) => save(state).catch((error: unknown) => Promise.reject(failed(error))),
  };
}

/** The file as it is; null where there is none. */
function open(path: string): number | null {
  try {
    return openSync(path, constants.O_RDWR);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Makes the file whole under another name, so that there never is one that holds nothing. */
function create(path: string, kept: Kept): number {
  const made = `${path}.new`;
  const file = openSync(made, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o600);
  try {
    for (const slot of SLOTS) writeSlot(file, slot, kept);
    fsyncSync(file);
  } catch (error) {
    rmSync(made, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  renameSync(made, path);
  if (process.platform !== "win32") syncFolder(dirname(path));
  return openSync(path, constants.O_RDWR);
}

/** So that the disk knows the file's name as well. */
function syncFolder(path: string): void {
  const folder = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function writeSlot(file: number, slot: number, { n, state }: Kept): void {
  // known before the first signal: the rest of a state grows while it is used
  if (state.filter.length > LONGEST_FILTER) throw new StateError(`a filter of more than ${LONGEST_FILTER} letters has no room in the file`);
  const text = JSON.stringify({ n, ...state });
  const line = Buffer.alloc(SLOT, " ");
  const length = line.write(`${checksum(text)} ${text}`);
  if (length >= SLOT) throw new StateError("a position longer than its slot");
  line[SLOT - 1] = 10;
  if (writeSync(file, line, 0, SLOT, slot * SLOT) < SLOT) throw new StateError("no room on the disk");
}

/** The slots; null for each that is not whole. */
function readSlots(file: number): (Kept | null)[] {
  const all = Buffer.alloc(SLOTS.length * SLOT);
  readSync(file, all, 0, all.length, 0);
  return SLOTS.map((slot) => readSlot(all.toString("utf8", slot * SLOT, (slot + 1) * SLOT)));
}

function readSlot(line: string): Kept | null {
  const [sum, text] = [line.slice(0, 16), line.slice(17).trimEnd()];
  if (sum !== checksum(text)) return null;
  const value = JSON.parse(text) as { n?: unknown };
  const state = readState(value);
  return state && typeof value.n === "number" ? { n: value.n, state } : null;
}

/** Tells a line that was cut from a whole one; it keeps nobody from writing another. */
function checksum(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
