/**
 * `examples/systemd/yizhan.service` as systemd reads it, without starting it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { readDocument } from "../support/documents.ts";
import { assertEnded, interopTest, makeTemporaryFolder, run } from "./support.ts";

const UNIT = new URL("../../examples/systemd/yizhan.service", import.meta.url).pathname;

/** The unit, with a program in it that is there on every machine. */
async function writeUnit(path: string): Promise<string> {
  const unit = await Deno.readTextFile(UNIT);
  const file = `${path}/yizhan.service`;
  await Deno.writeTextFile(file, unit.replaceAll("/usr/local/bin/yizhan", "/bin/true"));
  return file;
}

interopTest("systemd understands every line of the unit", ["systemd-analyze"], async () => {
  await using folder = await makeTemporaryFolder();
  const ran = await run("systemd-analyze", ["verify", "--man=no", await writeUnit(folder.path)]);
  assertEnded(ran);
  // What it does not know, it says and passes over.
  assertEquals(ran.text, "");
});

interopTest("systemd finds the unit well locked up", [
  "systemd-analyze",
], async () => {
  await using folder = await makeTemporaryFolder();
  const ran = await run("systemd-analyze", [
    "security",
    "--offline=true",
    "--no-pager",
    "--threshold=25",
    await writeUnit(folder.path),
  ]);
  assertEnded(ran);
  const exposure = /exposure level for \S+: ([\d.]+) /.exec(ran.text)?.[1];
  assert(exposure !== undefined && Number(exposure) < 2.5, ran.text);
});

/** The keys of [Service] that say how it is run, and take nothing away. */
const RUNNING = /^(Type|ExecStart|ExecReload|Restart\w*|TimeoutStopSec|KillMode|LimitNOFILE)=/;

Deno.test("docs/security.md says what each line of the unit is for", async () => {
  const unit = await Deno.readTextFile(UNIT);
  const service = unit.split("[Service]\n")[1]!.split("\n[Install]")[0]!;
  const lines = service.split("\n").filter((line) => /^\w+=/.test(line) && !RUNNING.test(line));
  const { text } = await readDocument("docs/security.md");
  const [, table = ""] = text.split(/^\| line .*\n.*\n/m);
  const told = Array.from(table.split("\n\n")[0]!.matchAll(/^\| `([^`]+)` /gm), ([, line]) => line);
  assertEquals(told, lines);
});
