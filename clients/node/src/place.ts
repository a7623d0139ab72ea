/** Places in the log: `<epoch>-<seq>`. */

/** Which log, and how far in it. */
export interface Place {
  epoch: string;
  seq: number;
}

/** Reads a place; null where it is none of a sigcast log. */
export function parsePlace(text: string): Place | null {
  const found = /^([0-9a-zA-Z]{1,64})-([0-9]{1,16})$/.exec(text);
  if (!found) return null;
  const [, epoch, digits] = found;
  const seq = Number(digits);
  return epoch !== undefined && Number.isSafeInteger(seq) ? { epoch, seq } : null;
}

/** Writes it. */
export function placeText(epoch: string, seq: number): string {
  return `${epoch}-${seq}`;
}
