/**
 * The program, but for its threads, which end by an error when there is a file where `TEST_DEATH` says.
 *
 * @module
 */

import process from "node:process";
import { main } from "../../../src/cli/main.ts";
import { isThread, rememberEntry } from "../../../src/cli/workers/thread.ts";

rememberEntry(import.meta.url);
if (!isThread()) process.exit(await main(process.argv.slice(2)));

const file = Deno.env.get("TEST_DEATH")!;
setInterval(() => {
  try {
    Deno.removeSync(file);
  } catch {
    return;
  }
  throw new Error("the thread has had enough");
}, 10);
