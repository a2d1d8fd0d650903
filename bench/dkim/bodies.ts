/**
 * Bodies of many kinds, by what the relaxed canonicalization finds in them; the same in every run.
 *
 * @module
 */

import { encode } from "../../src/bytes.ts";

/** Numbers that look random and are the same in every run (a linear congruential generator). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) / 0x80000000;
}

/** Words of up to nine letters, in a line of about so many columns. */
function words(random: () => number, columns: number): string {
  const letters = "etaoinshrdlucmfwypvbgkjqxz";
  let line = "";
  while (line.length < columns) {
    const from = Math.floor(random() * 16);
    line += `${line === "" ? "" : " "}${letters.slice(from, from + 1 + Math.floor(random() * 9))}`;
  }
  return line;
}

type Line = (random: () => number) => string;

const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The kinds, by name: how a line of each is made. */
export const KINDS: Readonly<Record<string, Line>> = {
  "Base64": (random) =>
    Array.from({ length: 76 }, () => base64[Math.floor(random() * 64)]).join("") + "\r\n",
  "prose": (random) => `${words(random, 66)}\r\n`,
  "prose, two spaces behind full stops": (random) =>
    `${words(random, 30)}.  ${words(random, 30)}\r\n`,
  "format=flowed, a space behind each line": (random) => `${words(random, 66)} \r\n`,
  "quoted-printable, soft breaks": (random) => `${words(random, 66)} =C3=A4 =\r\n`,
  "code, indented": (random) =>
    `${" ".repeat(4 * Math.floor(random() * 5))}${words(random, 30)};\r\n`,
  "HTML, indented by tabs": (random) =>
    `${"\t".repeat(Math.floor(random() * 7))}<td class="a">${words(random, 20)}</td>\r\n`,
  "a table, columns of spaces": (random) =>
    `${words(random, 9).padEnd(24)}${words(random, 9).padEnd(24)}${words(random, 9)}\r\n`,
};

/** A body of a kind, of that many octets or some more. */
export function makeBody(line: Line, size: number): Uint8Array {
  const random = generator(1);
  const lines: string[] = [];
  for (let length = 0; length < size;) {
    const next = line(random);
    lines.push(next);
    length += next.length;
  }
  return encode(lines.join(""));
}
