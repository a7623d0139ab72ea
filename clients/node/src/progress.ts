/** How far a client has come: it moves only over what was handled, and what it moves over goes into the digest. */

import { RollingDigest } from "./digest.js";
import type { SignalEvent } from "./payloads/signal.js";
import { parsePlace, type Place } from "./place.js";
import { StateError } from "./errors.js";
import { readState, type StateStore } from "./state.js";

/** The position, its digest, and where they are kept. */
export class Progress {
  #id = "";
  #digest = new RollingDigest();

  constructor(
    readonly store: StateStore | undefined,
    readonly filter: string,
    readonly from: string,
  ) {}

  /** The id of the last frame that was handled; empty before the first. */
  get id(): string {
    return this.#id;
  }

  /** The same, where it is a place in a log. */
  get place(): Place | null {
    return parsePlace(this.#id);
  }

  get digest(): RollingDigest {
    return this.#digest;
  }

  /** Reads what was kept; where nothing was, begins where it was told to. Saves that at once: better no signal than one whose place cannot be kept. */
  async load(): Promise<void> {
    const kept = (await this.store?.load()) ?? null;
    if (kept && !readState(kept)) throw new StateError("what was kept is no position");
    // read once more: unless another program went on meanwhile, it is where this one stands
    if (this.#id && (!kept || kept.id === this.#id)) return;
    this.#id = "";
    // under another filter other signals passed: what follows is no part of that digest
    this.#digest = new RollingDigest(kept && kept.filter === this.filter ? kept.digest : null);
    await this.move(kept?.id ?? this.from);
  }

  /** A signal was handled, here or over another channel. */
  async take(event: SignalEvent): Promise<void> {
    if (event.place === null) return;
    if (parsePlace(event.place)) this.#digest.push(event.place, event.raw);
    await this.move(event.place);
  }

  /** There is nothing more up to here. */
  async move(id: string): Promise<void> {
    if (id === "" || id === this.#id) return;
    this.#id = id;
    await this.store?.save({ id, filter: this.filter, digest: this.#digest.state });
  }

  /** What is in between is lost: the digest begins anew. */
  async jump(id: string): Promise<void> {
    this.#digest.clear();
    await this.move(id);
  }
}
