/**
 * Every kept input through its target, and some hundred fresh ones: the same ones each time. `deno task fuzz` goes on
 * from there.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attempt, shrink } from "./engine/attempt.ts";
import { Chance } from "./engine/chance.ts";
import { CORPUS, readCorpus } from "./engine/corpus.ts";
import { type Failure, fuzz } from "./engine/fuzz.ts";
import type { FuzzTarget } from "./engine/target.ts";
import { loadTarget, TARGETS } from "./targets.ts";

/** Those whose inputs cost milliseconds each get fewer. */
const FRESH: Readonly<Record<string, number>> = { spool: 24, data: 96, config: 48, pair: 96 };

for (const name of TARGETS) {
  Deno.test(`fuzz: ${name} holds for every kept input and for fresh ones`, async () => {
    const target = await loadTarget(name);
    const corpus = await readCorpus(name);
    assert(corpus.length > 0, "no kept input");
    for (const { name: file, input } of corpus) {
      const fault = await attempt(target, input);
      assertEquals(fault, null, `tests/corpus/${name}/${file}`);
    }
    const failures: Failure[] = [];
    await fuzz({
      target,
      seed: 1,
      corpus: corpus.map(({ input }) => input),
      coverage: null,
      more: (inputs) => inputs < corpus.length + (FRESH[name] ?? 192),
      failed: (failure) => failures.push(failure),
      timed: false,
    });
    assertEquals(failures, []);
  });
}

Deno.test("every folder of kept inputs has its target", async () => {
  for await (const { name, isDirectory } of Deno.readDir(CORPUS)) {
    if (isDirectory) assert(TARGETS.includes(name), name);
  }
});

/** Breaks at a word that neither its grammar nor chance alone makes often. */
const brittle: FuzzTarget = {
  name: "brittle",
  about: "throws at QUIT behind a newline",
  words: ["QUIT"],
  generate: (chance) =>
    new TextEncoder().encode(chance.many(5, 60, () => chance.pick(["NOOP ", "\n"]))),
  run(input) {
    if (new TextDecoder().decode(input).includes("\nQUIT")) throw new RangeError("broken");
  },
};

Deno.test("fuzz() finds what is broken, makes it small, and does the same again", async () => {
  const run = async () => {
    const failures: Failure[] = [];
    const { inputs } = await fuzz({
      target: brittle,
      seed: 7,
      corpus: [],
      coverage: null,
      more: (inputs) => inputs < 2000 && failures.length === 0,
      failed: (failure) => failures.push(failure),
      timed: false,
    });
    return { inputs, failures: failures.map(({ input }) => new TextDecoder().decode(input)) };
  };
  const first = await run();
  assertEquals(first.failures, ["\nQUIT"]);
  assertEquals(await run(), first);
});

Deno.test("shrink() keeps what fails", async () => {
  const input = new Chance(1).octets(200);
  input[100] = 0xff;
  const small = await shrink(input, (candidate) => Promise.resolve(candidate.includes(0xff)));
  assertEquals([...small], [0xff]);
});
