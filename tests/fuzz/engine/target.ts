/**
 * What a fuzzing target is: something that reads what strangers write, and what must hold of it whatever
 * they write.
 *
 * @module
 */

import type { Chance } from "./chance.ts";

/** One thing that is fuzzed. An input is octets and nothing else, so that a file says all of it. */
export interface FuzzTarget {
  /** Its name, which is also that of its folder below `tests/corpus/`. */
  readonly name: string;
  /** What it reads and what must hold, in one line. */
  readonly about: string;
  /** An input as a grammar makes it: mostly right, so that it gets somewhere. */
  readonly generate: (chance: Chance) => Uint8Array;
  /** Words that mutation puts into inputs. */
  readonly words?: readonly (string | Uint8Array)[];
  /** Octets of an input at most. Default 4096. */
  readonly longest?: number;
  /** Reads an input. What it throws is a failure, and so is what never ends. */
  readonly run: (input: Uint8Array) => void | Promise<void>;
}

/** The length limit of a target without one of its own, in octets. */
export const LONGEST = 4096;
