/**
 * mandoc, who reads manual pages more strictly than others: it finds nothing wrong with ours, and shows what is in
 * them.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { loadPage } from "../../src/cli/command_page.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { runCommand } from "./server.ts";
import { assertEnded, interopTest, makeTemporaryFolder, run } from "./support.ts";

interopTest("mandoc has nothing to say against the manual pages, and shows every flag", [
  "mandoc",
], async () => {
  await using folder = await makeTemporaryFolder();
  assertEnded(await runCommand(folder, ["man", "--directory", `${folder.path}/man`]));
  const pagesOf = async (section: string) =>
    (await Array.fromAsync(Deno.readDir(`${folder.path}/man/${section}`)))
      .map(({ name }) => `${folder.path}/man/${section}/${name}`);
  const files = [...await pagesOf("man1"), ...await pagesOf("man5")];
  assertEquals(files.length, COMMANDS.length + 2);
  const { code, text } = await run("mandoc", ["-Tlint", "-Wwarning", ...files]);
  assertEquals([code, text], [0, ""]);
  for (const entry of COMMANDS) {
    const page = await loadPage(entry);
    const shown = await show(`${folder.path}/man/man1/yizhan-${entry.name}.1`);
    for (const { name, value } of page.flags) {
      const flag = value === undefined ? name : `${name} ${value}`;
      assert(
        shown.includes(`\n     ${flag}`) || shown.includes(`\n       ${flag}`),
        `${flag}: ${shown}`,
      );
    }
    for (const example of page.examples) assert(shown.includes(`yizhan ${example}`), example);
  }
  assert((await show(`${folder.path}/man/man5/yizhan.yaml.5`)).includes("RFC 5321 §4.5.3.2"));
});

/** A page as it is read: without what overprints for bold. */
async function show(file: string): Promise<string> {
  const { text } = await run("mandoc", ["-Tutf8", "-Owidth=200", file]);
  // deno-lint-ignore no-control-regex
  return text.replace(/.\x08/gu, "");
}
