/** The items of a list, each in the very bytes in which the server wrote it: JSON read and written again is other bytes. */

import { ProtocolError } from "./errors.js";

/** The texts of the members of the array that stands first under `items` in an object. */
export function rawItems(text: string): string[] {
  const opening = /^\s*\{\s*"items"\s*:\s*\[/.exec(text);
  if (!opening) throw new ProtocolError("a list without items");
  const items: string[] = [];
  let depth = 0;
  let from = opening[0].length;
  for (let at = from; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === '"') at = stringEnd(text, at);
    else if (letter === "{" || letter === "[") depth += 1;
    else if (letter === "}" || (letter === "]" && depth > 0)) depth -= 1;
    else if (depth === 0 && (letter === "," || letter === "]")) {
      const item = text.slice(from, at).trim();
      if (item !== "") items.push(item);
      if (letter === "]") return items;
      from = at + 1;
    }
  }
  throw new ProtocolError("a list that does not end");
}

/** The index of the quote that closes a string. */
function stringEnd(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at;
  }
  throw new ProtocolError("a string that does not end");
}
