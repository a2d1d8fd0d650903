/**
 * Every command, wrongly used: what it says, in lines for people, and how it exits (`sysexits.h`). The commands come
 * from the program's own table, so that a new one is tried too.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Command, parseCommandLine } from "../../src/cli/command.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { UsageError } from "../../src/cli/exit.ts";
import { type Ended, Folder, run, type RunOptions } from "./program.ts";

const LOADED: readonly Command[] = await Promise.all(COMMANDS.map(({ load }) => load()));

/** Those that take a file of the configuration. */
const CONFIGURED = LOADED.filter(({ flags }) => Object.hasOwn(flags, "config"));

/** What a command needs beside its flags to get as far as its configuration. */
const OPERANDS: Readonly<Record<string, readonly string[]>> = {
  config: ["print"],
  dkim: ["list"],
  explain: ["alice@example.org"],
  queue: ["list"],
  bans: ["list"],
  send: ["alice@example.org"],
  sendmail: ["alice@example.org"],
  trace: ["--all"],
  user: ["list"],
};

/** What a command takes: any number of words, so that one more cannot be wrong. */
const ANY_OPERANDS = ["send", "sendmail", "dmarc"];

/** Fails where something was said that is for programmers, or nothing. */
function assertForPeople({ stdout, stderr }: Ended, where: string): void {
  const said = stdout + stderr;
  assert(said !== "", where);
  assert(!/^\s+at |\.ts:\d|file:\/\/|\bTypeError\b|\[object|undefined/m.test(said), said);
}

async function names(folder: string): Promise<string[]> {
  const found = await Array.fromAsync(Deno.readDir(folder));
  return found.map(({ name }) => name).sort();
}

/** Runs command lines, two at a time. */
async function runAll(
  lines: readonly (readonly string[])[],
  options: RunOptions,
): Promise<(readonly [readonly string[], Ended])[]> {
  const left = lines.values();
  const ended: (readonly [readonly string[], Ended])[] = [];
  const work = async () => {
    for (const words of left) ended.push([words, await run(words, options)]);
  };
  await Promise.all([work(), work()]);
  return ended;
}

for (const command of LOADED.filter(({ ownRules }) => !ownRules)) {
  const { name, flags } = command;
  Deno.test(`${name} says of a flag it does not know, and of one without its value, what it wants`, () => {
    const wrong = (words: readonly string[]): string => {
      try {
        parseCommandLine(command, words);
      } catch (error) {
        assert(error instanceof UsageError, `${error}`);
        assertEquals(error.message.split("\n").length, 1);
        return error.message;
      }
      throw new Error(`${words.join(" ")} is taken`);
    };
    assertEquals(wrong(["--frobnicate"]), `${name} has no flag --frobnicate`);
    assertEquals(wrong(["-%"]), `${name} has no flag -%`);
    for (const [flag, { value }] of Object.entries(flags)) {
      if (value === undefined) {
        assertEquals(wrong([`--${flag}=x`]), `--${flag} takes no value`);
        continue;
      }
      assertEquals(wrong([`--${flag}`]), `--${flag} wants a value: --${flag} ${value}`);
      assertMatch(wrong([`--${flag}`, "--help"]), /wants a value/);
      assertEquals(wrong([`--${flag}=`]), `--${flag} has an empty value; wanted: ${value}`);
      assertMatch(
        wrong([`--${flag.slice(0, -1)}_=x`]),
        new RegExp(`did you mean --${flag}\\?|has no flag`),
      );
    }
  });
}

Deno.test("every command says of a flag it does not know, and of a word too much, what is wrong: 64", async () => {
  await using folder = await Folder.make();
  const lines = LOADED.flatMap(({ name }) => [
    [name, "--frobnicate"],
    ...ANY_OPERANDS.includes(name) ? [] : [[name, "one", "two", "three", "four"]],
  ]);
  for (const [words, ended] of await runAll(lines, { cwd: folder.path })) {
    const where = words.join(" ");
    assertForPeople(ended, where);
    assertEquals([ended.code, ended.stdout], [64, ""], where);
    assertMatch(ended.stderr, /^yizhan: [^\n]* \(see yizhan help \w+\)\n$/, where);
  }
  assertEquals(await names(folder.path), []);
});

Deno.test("every command says that there is no configuration, and how to make one: 66", async () => {
  await using folder = await Folder.make();
  const lines = CONFIGURED.map(({ name }) => {
    return [name, "--config", "none.yaml", ...OPERANDS[name] ?? []];
  });
  for (const [words, ended] of await runAll(lines, { cwd: folder.path })) {
    const where = words.join(" ");
    assertForPeople(ended, where);
    if (words[0] === "check") { // one thing among others that it tells
      assertEquals(ended.code, 78);
      assertMatch(ended.stdout, /^error +configuration +none\.yaml: [^\n]*does not exist\n/);
      continue;
    }
    assertEquals([ended.code, ended.stdout], [66, ""], where);
    assertMatch(ended.stderr, /^yizhan: [^\n]*none\.yaml[^\n]*\n$/, where);
  }
  assertEquals(await names(folder.path), []);
});

/** Wrong in three places, all told by those that need the whole; `data` is wrong for all. */
const WRONG = `hostname: mx
data: ""
listenrs: []
listeners:
  - { role: mxx, address: "127.0.0.1:0" }
`;

Deno.test("every command says what is wrong with the configuration, with the places: 78", async () => {
  await using folder = await Folder.make();
  await Deno.writeTextFile(`${folder.path}/wrong.yaml`, WRONG);
  const lines = CONFIGURED.map(({ name }) => {
    return [name, "--config", "wrong.yaml", ...OPERANDS[name] ?? []];
  });
  for (const [words, ended] of await runAll(lines, { cwd: folder.path })) {
    const where = words.join(" ");
    assertForPeople(ended, where);
    assertEquals(ended.code, 78, `${where}\n${ended.stderr}`);
    const said = ended.stdout + ended.stderr;
    assertMatch(said, /wrong\.yaml:2:7: data: found ""; wanted a path/, where);
    if (words[0] === "serve") {
      assertEquals(ended.stderr.match(/^yizhan: wrong\.yaml:\d+:\d+: /gm)?.length, 4, said);
    }
  }
  assertEquals(await names(folder.path), ["wrong.yaml"]);
});

/** Text that means billions of words, by aliases of aliases. */
function explodingAliases(): string {
  const lines = ["hostname: mx.example.org", "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"];
  for (let level = 1; level < 12; level++) {
    lines.push(`a${level}: &a${level} [${`*a${level - 1}, `.repeat(9)}*a${level - 1}]`);
  }
  return `${lines.join("\n")}\n`;
}

/** Files made to hurt: what they hold, and what is said of them. */
const HOSTILE: readonly (readonly [string, () => string, RegExp])[] = [
  ["10 MB of keys", () => "hostname: mx.example.org\n".repeat(400_000), /larger|longer|at most/],
  ["aliases that explode", explodingAliases, /alias/],
  ["NUL octets", () => `hostname: mx\0.example.org\nlisteners: []\n`, /NUL|0x00|U\+0000|control/i],
  [
    "a million brackets",
    () => `listeners: ${"[".repeat(900_000)}`,
    /deep|nest|larger|longer|at most/,
  ],
];

for (const [name, make, problem] of HOSTILE) {
  Deno.test(`every command says what is wrong with ${name} for a configuration, in little memory`, async () => {
    await using folder = await Folder.make();
    await Deno.writeTextFile(`${folder.path}/yizhan.yaml`, make());
    const lines = CONFIGURED.map((command) => {
      return [command.name, "--config", "yizhan.yaml", ...OPERANDS[command.name] ?? []];
    });
    // Memory for the program, and little beside.
    const flags = ["-A", "--v8-flags=--max-old-space-size=96"];
    for (const [words, ended] of await runAll(lines, { cwd: folder.path, flags })) {
      const where = words.join(" ");
      assertForPeople(ended, where);
      assertEquals(ended.code, 78, `${where}\n${ended.stderr}`);
      const said = (ended.stdout + ended.stderr).split("\n");
      const told = said.filter((line) => line.includes("yizhan.yaml:"));
      assertMatch(told[0] ?? "", problem, where);
      assert(told.every((line) => line.length < 300), where);
    }
    assertEquals(await names(folder.path), ["yizhan.yaml"]);
  });
}
