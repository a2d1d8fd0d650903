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
import { runTarget } from "./engine/run_target.ts";
import { brittle, slow } from "./made_up_targets.ts";
import { loadTarget, TARGETS } from "./targets.ts";

/** Those whose inputs cost milliseconds each get fewer. */
const FRESH: Readonly<Record<string, number>> = {
  ...{ spool: 24, data: 48, config: 24, environment: 24, pair: 72, milter: 48 },
};

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
      slow: Infinity,
    });
    assertEquals(failures, []);
  });
}

Deno.test("every folder of kept inputs has its target", async () => {
  for await (const { name, isDirectory } of Deno.readDir(CORPUS)) {
    if (isDirectory) assert(TARGETS.includes(name), name);
  }
});

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
      slow: Infinity,
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

Deno.test("fuzz() takes for a failure what takes long each time", async () => {
  const failures: Failure[] = [];
  await fuzz({
    target: slow,
    ...{ seed: 1, corpus: [], coverage: null, slow: 10 },
    more: (inputs) => inputs < 48,
    failed: (failure) => failures.push(failure),
  });
  assertEquals(failures.map(({ mark }) => mark), ["slow"]);
  assert(new TextDecoder().decode(failures[0]!.input).includes("SLOW"));
});

const MADE_UP = import.meta.resolve("./made_up_targets.ts");

Deno.test("runTarget() ends a thread whose input never ends, and has the input", async () => {
  const failures: Failure[] = [];
  const { failures: count } = await runTarget({
    ...{
      target: "hanging",
      module: MADE_UP,
      seed: 1,
      runs: 1000,
      time: null,
      folders: [],
      never: 300,
    },
    failed: (failure) => failures.push(failure),
    found: () => {},
    progress: () => {},
  });
  assertEquals([count, failures.map(({ mark }) => mark)], [1, ["never"]]);
  assert(new TextDecoder().decode(failures[0]!.input).includes("HANG"));
});

Deno.test("runTarget() tells of inputs that make code run which never ran before, and begins with what is kept", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const run = async (runs: number) => {
      const found: string[] = [];
      const { pool } = await runTarget({
        ...{ target: "branching", module: MADE_UP, seed: 1, runs, time: null },
        folders: [`file://${folder}/`],
        failed: ({ message }) => assert(false, message),
        found: (input) => found.push(new TextDecoder().decode(input)),
        progress: () => {},
      });
      return { found, pool };
    };
    const { found } = await run(240);
    assert(found.some((text) => text.includes('"')) && found.length < 20, found.join());
    await Deno.mkdir(`${folder}/branching`);
    await Deno.writeTextFile(`${folder}/branching/kept`, '"kept"');
    assertEquals((await run(0)).found, ['"kept"']);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("deno task fuzz --keep writes what found new code, and --input runs one again", async () => {
  const folder = await Deno.makeTempDir();
  const main = new URL("./main.ts", import.meta.url).pathname;
  const run = async (...words: string[]) => {
    const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", main, ...words] });
    const { code, stdout } = await command.output();
    return { code, text: new TextDecoder().decode(stdout) };
  };
  try {
    const kept = await run("--target", "xtext", "--runs", "24", "--seed", "1", "--keep", folder);
    assertEquals(kept.code, 0, kept.text);
    const [found] = await readCorpus("xtext", new URL(`file://${folder}/`));
    const again = await run("--target", "xtext", "--input", `${folder}/xtext/${found!.name}`);
    assertEquals([again.code, again.text.trimEnd().endsWith("passes")], [0, true], again.text);
    assertEquals((await run("--target", "nothing")).code, 64);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
