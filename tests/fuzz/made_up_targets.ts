/**
 * Targets that are made to fail, for the tests of the fuzzer itself.
 *
 * @module
 */

import { splitWords } from "../../src/directory/users_file.ts";
import type { FuzzTarget } from "./engine/target.ts";

const decode = (input: Uint8Array) => new TextDecoder().decode(input);
const encode = (text: string) => new TextEncoder().encode(text);

/** Breaks at a word that neither its grammar nor chance alone makes often. */
export const brittle: FuzzTarget = {
  name: "brittle",
  about: "throws at QUIT behind a newline",
  words: ["QUIT"],
  generate: (chance) => encode(chance.many(5, 60, () => chance.pick(["NOOP ", "\n"]))),
  run(input) {
    if (decode(input).includes("\nQUIT")) throw new RangeError("broken");
  },
};

/** Never ends at a word. */
export const hanging: FuzzTarget = {
  name: "hanging",
  about: "never ends at HANG",
  generate: (chance) => encode(chance.pick(["HANG", "NOOP", "QUIT"])),
  run(input) {
    while (decode(input).includes("HANG"));
  },
};

/** Takes its time at a word. */
export const slow: FuzzTarget = {
  name: "slow",
  about: "takes 20 ms at SLOW",
  generate: (chance) => encode(chance.pick(["SLOW", "NOOP", "QUIT"])),
  run(input) {
    const end = performance.now() + (decode(input).includes("SLOW") ? 20 : 0);
    while (performance.now() < end);
  },
};

/** Has code of its source run at some inputs only. */
export const branching: FuzzTarget = {
  name: "branching",
  about: "reads words in quotes at times",
  generate: (chance) => encode(chance.pick(["a", "a", "a", "a", '"b\\\\"', '"'])),
  run: (input) => void splitWords(decode(input)),
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [brittle, hanging, slow, branching];
