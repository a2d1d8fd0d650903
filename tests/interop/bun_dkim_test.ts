/**
 * DKIM's hashes and signatures in Bun: the same tests as in Deno.
 *
 * @module
 */

import { assertMatch } from "@std/assert";
import { assertEnded, interopTest, makeTemporaryFolder, run } from "./support.ts";

const ENTRY = new URL("bun/dkim.ts", import.meta.url).pathname;

interopTest("Bun hashes and signs for DKIM as Deno does", ["npx"], async () => {
  await using folder = await makeTemporaryFolder();
  const bundle = `${folder.path}/dkim.js`;
  assertEnded(
    await run("deno", ["bundle", "--quiet", "--platform", "deno", "--output", bundle, ENTRY]),
  );
  const { text } = await run("npx", ["--yes", "bun@1.4.5", bundle], { limit: 300_000 });
  assertMatch(text, /^ok \| \d{2,} passed \| 0 failed$/m);
});
