/**
 * Bun's adapter in Bun itself, held to the contracts of every runtime.
 *
 * @module
 */

import { assertMatch } from "@std/assert";
import { assertEnded, interopTest, makeTemporaryFolder, run } from "./support.ts";

const ENTRY = new URL("bun/contracts.ts", import.meta.url).pathname;

interopTest("Bun's adapter keeps the contracts in Bun", ["npx"], async () => {
  await using folder = await makeTemporaryFolder();
  const bundle = `${folder.path}/contracts.js`;
  assertEnded(
    await run("deno", ["bundle", "--quiet", "--platform", "deno", "--output", bundle, ENTRY]),
  );
  const { text } = await run("npx", ["--yes", "bun@1.4.5", bundle], { limit: 300_000 });
  assertMatch(text, /^ok \| \d{3,} passed \| 0 failed$/m);
});
