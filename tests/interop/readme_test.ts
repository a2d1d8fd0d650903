/**
 * The README's first minute: `task start` in a copy of the sources, with the permissions it has there,
 * and the commands to try it with, read from the README itself; but on a free port.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { readMaildir } from "./maildir.ts";
import { startTask } from "./server.ts";
import { assertEnded, interopTest, makeTemporaryFolder, run } from "./support.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

interopTest("The README's first minute works", ["deno", "curl", "swaks"], async () => {
  const readme = await Deno.readTextFile(`${ROOT}/README.md`);
  const commands = readme.match(/Try it:\n+```sh\n([^]*?)```/)?.[1];
  assert(commands, "no commands behind `Try it:`");

  const folder = await makeTemporaryFolder();
  assertEnded(await run("cp", ["-r", ...SOURCES.map((name) => ROOT + name), folder.path]));
  await using server = await startTask(folder, "start", "--listen", "127.0.0.1:0");
  const here = commands.replaceAll("127.0.0.1:2525", server.endpoint().address);
  const script = `set -euo pipefail\ncd ${folder.path}\n${here}`;
  assertEnded(await run("bash", ["-c", script]));

  const mails = await readMaildir(`${folder.path}/yizhan-data/mail/example.test/someone`);
  const texts = mails.map(({ file }) => new TextDecoder().decode(file));
  assertEquals(texts.length, 2);
  assert(texts.some((text) => /\nSubject: Hello\n\nIt works\.\n$/.test(text)), "curl's mail");
  const second = texts.find((text) => /This is a test mailing/.test(text));
  assertMatch(second ?? "", /with ESMTPS /);
  assertEquals(await server.stop(), 0);
});

const SOURCES = ["deno.json", "deno.lock", "mod.ts", "src", "tests"];
