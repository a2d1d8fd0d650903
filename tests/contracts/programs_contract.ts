/**
 * What every {@link Programs} of a real machine does.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { encode } from "../../src/bytes.ts";
import type { ProgramCommand, ProgramResult, Programs } from "../../src/runtime/programs.ts";
import { codeOf } from "../support/connections.ts";

/** More than any pipe holds. */
const MUCH = Array.from({ length: 40 }, () => new Uint8Array(65536).fill(0x78));

/** Registers the tests. */
export function programsContract(name: string, run: Programs["run"]): void {
  const test = (what: string, body: () => Promise<void>) =>
    Deno.test(`${name}: run() ${what}`, body);

  /** A script of the shell: the tests need programs that misbehave, the adapter knows no shell. */
  const sh = (
    script: string,
    input: Iterable<Uint8Array> | AsyncIterable<Uint8Array> = [],
    more: Partial<ProgramCommand> = {},
    signal?: AbortSignal,
  ): Promise<ProgramResult> => {
    const given = (async function* () {
      yield* input;
    })();
    return run(
      { program: "/bin/sh", arguments: ["-c", script, "sh"], input: given, ...more },
      signal,
    );
  };

  test("streams the input and gives the output", async () => {
    const result = await sh("cat", [encode("first "), encode("second")]);
    assertEquals(result, { code: 0, output: "first second" });
    assertEquals((await sh("wc -c", MUCH)).output.trim(), `${40 * 65536}`);
  });

  test("hands arguments and environment over as they are", async () => {
    const strange = ["a b", "$HOME", "`id`", "'\"\\", "*", "", "-n"];
    const result = await run({
      program: "printf",
      arguments: ["[%s]", ...strange],
      input: (async function* () {})(),
    });
    assertEquals(result.output, strange.map((text) => `[${text}]`).join(""));
    const environment = { SENDER: "a'b $(id)@example.test" };
    assertEquals((await sh('printf %s "$SENDER"', [], { environment })).output, environment.SENDER);
    const inherited = await run({
      program: "printenv",
      arguments: [],
      environment: { ONLY: "this" },
      input: (async function* () {})(),
    });
    assertEquals(inherited.output, "ONLY=this\n");
  });

  test("gives the exit code, 128 and the number of a signal", async () => {
    assertEquals((await sh("exit 75")).code, 75);
    assertEquals((await sh("kill -TERM $$")).code, 128 + 15);
  });

  test("keeps the beginning of both outputs", async () => {
    const both = await sh("printf out; printf err >&2");
    assertEquals([...both.output].sort(), [..."outerr"].sort());
    const much = await sh("head -c 1000000 /dev/zero | tr '\\0' x; exit 3");
    assertEquals([much.code, much.output], [3, "x".repeat(4096)]);
  });

  test("takes a program that stops reading as it is", async () => {
    assertEquals((await sh("exit 0", MUCH)).code, 0);
    assertEquals((await sh("head -c 1 >/dev/null; exit 67", MUCH)).code, 67);
    assertEquals((await sh("exec <&-; exit 0", MUCH)).code, 0);
  });

  test("does not wait for what a program left behind", async () => {
    // The sleeper holds all three streams open; its pid lets us end it.
    const result = await sh("sleep 600 & echo $!; exit 0", MUCH);
    assertEquals(result.code, 0);
    process.kill(Number(result.output), "SIGKILL");
  });

  test("kills the program when its signal is aborted", async () => {
    const giveUp = new AbortController();
    const reason = new Error("too long");
    const endless = (async function* () {
      yield encode("x");
      giveUp.abort(reason);
      for (;;) yield new Uint8Array(65536);
    })();
    const error = await assertRejects(() => sh("exec sleep 600", endless, {}, giveUp.signal));
    assertEquals(error, reason);
    assertEquals(await assertRejects(() => sh("exit 0", [], {}, giveUp.signal)), reason);
  });

  test("kills what the program started when its signal is aborted", async () => {
    const folder = await mkdtemp(join(tmpdir(), "yizhan-"));
    const fifo = `${folder}/fifo`;
    await run({ program: "mkfifo", arguments: [fifo], input: (async function* () {})() });
    const giveUp = new AbortController();
    // The sleeper has the fifo open for writing: as long as it lives, reading does not end.
    const running = sh(`sleep 600 >${fifo} & wait`, [], {}, giveUp.signal);
    const reader = await open(fifo);
    giveUp.abort();
    await assertRejects(() => running);
    assertEquals((await reader.read(new Uint8Array(1))).bytesRead, 0);
    await reader.close();
    await rm(folder, { recursive: true });
  });

  test("gives the result of a program that ended before the signal was aborted", async () => {
    const folder = await mkdtemp(join(tmpdir(), "yizhan-"));
    const fifo = `${folder}/fifo`;
    await run({ program: "mkfifo", arguments: [fifo], input: (async function* () {})() });
    const giveUp = new AbortController();
    const input = (async function* () {
      yield encode("x");
      // The program has the fifo open for writing until it ends.
      const reader = await open(fifo);
      await reader.read(new Uint8Array(1));
      await reader.close();
      giveUp.abort();
      throw new Error("and nobody reads this any more");
    })();
    assertEquals(await sh(`exec 3>${fifo}; exit 3`, input, {}, giveUp.signal), {
      code: 3,
      output: "",
    });
    await rm(folder, { recursive: true });
  });

  test("does not wait for an input that nobody reads any more", async () => {
    const endless = (async function* () {
      yield encode("x");
      await new Promise(() => {});
    })();
    assertEquals((await sh("exit 69", endless)).code, 69);
  });

  test("kills the program when the input fails, before it sees an end", async () => {
    const folder = await mkdtemp(join(tmpdir(), "yizhan-"));
    const broken = (async function* () {
      yield encode("half");
      await Promise.resolve();
      throw new Error("the disk is gone");
    })();
    const script = `cat >${folder}/taken; echo whole >${folder}/whole`;
    const error = await assertRejects(() => sh(script, broken));
    assert(error instanceof Error && error.message === "the disk is gone");
    assertEquals(await codeOf(readFile(`${folder}/whole`)), "ENOENT");
    await rm(folder, { recursive: true });
  });

  test("fails where there is no such program", async () => {
    const start = (program: string) =>
      run({ program, arguments: [], input: (async function* () {})() });
    assertEquals(await codeOf(start("/nonexistent/program")), "ENOENT");
    assertEquals(await codeOf(start("yizhan-no-such-program")), "ENOENT");
    const folder = await mkdtemp(join(tmpdir(), "yizhan-"));
    await writeFile(`${folder}/file`, "");
    assertEquals(await codeOf(start(`${folder}/file`)), "EACCES");
    await rm(folder, { recursive: true });
  });
}
