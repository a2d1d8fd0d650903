import { assert, assertEquals } from "@std/assert";
import { Folder } from "./program.ts";

const CLI = new URL("../../src/cli/", import.meta.url);

/** A program that begins as ours does, and gets SIGHUP while the rest of it is not loaded yet. */
const PROGRAM = `
import "${CLI}early_hang_ups.ts";
import process from "node:process";
const alive = setInterval(() => {}, 1000);
if (process.argv[2] === "serve") {
  const came = new Promise((resolve) => process.once("SIGHUP", resolve));
  process.kill(process.pid, "SIGHUP");
  await came;
} else process.kill(process.pid, "SIGHUP");
const { HangUps } = await import("${CLI}hang_ups.ts");
HangUps.catch().answer(() => {
  console.log("answered");
  clearInterval(alive);
});
HangUps.catch()[Symbol.dispose]();
`;

async function begin(command: string) {
  await using folder = await Folder.make();
  const file = `${folder.path}/program.ts`;
  await Deno.writeTextFile(file, PROGRAM);
  const words = ["run", "--no-prompt", "--quiet", "--no-check", "-A", file, command];
  const { signal, stdout } = await new Deno.Command(Deno.execPath(), { args: words }).output();
  return { signal, stdout: new TextDecoder().decode(stdout) };
}

Deno.test("a SIGHUP that comes while a server is being loaded is answered once it serves", async () => {
  assertEquals(await begin("serve"), { signal: null, stdout: "answered\n" });
});

Deno.test("a SIGHUP ends every other command, as where its terminal goes", async () => {
  assertEquals((await begin("status")).signal, "SIGHUP");
});

Deno.test("the entry file imports what catches SIGHUP before all else", async () => {
  const text = await Deno.readTextFile(new URL("main.ts", CLI));
  const first = text.slice(text.indexOf("*/") + 2).trimStart();
  assert(first.startsWith('import "./early_hang_ups.ts";\n'), first.slice(0, 100));
});
