/**
 * Makes the samples of the formats as this version writes them:
 *
 *     deno run -A tests/formats/make.ts tests/formats/v1
 *
 * They are the same whenever they are made. See README.md for when that is.
 *
 * @module
 */

import { encode } from "../../src/bytes.ts";
import { CONFIG, SAYS } from "./config_sample.ts";
import {
  makeControl,
  makeDrop,
  makeLog,
  makeMaildir,
  makeSrs,
  makeUsers,
} from "./other_samples.ts";
import { makeSpool, openSample } from "./spool_sample.ts";

/** All samples, by path below the folder of the version. */
export async function makeSamples(): Promise<Map<string, Uint8Array>> {
  const spool = await makeSpool();
  const users = await makeUsers();
  const drop = makeDrop();
  const { runtime, store } = await openSample(spool.files);
  const expected = {
    spool: spool.messages,
    srs: { secret: spool.srsSecret, ...makeSrs(spool.srsSecret) as object },
    users: users.expected,
    config: SAYS,
    drop: drop.expected,
  };
  const samples = new Map([
    ["yizhan.yaml", encode(CONFIG)],
    ["users", users.file],
    ["log.jsonl", makeLog()],
    ...[...spool.files].map(([path, octets]) => [`spool/${path}`, octets] as const),
    ...drop.files,
    ...await makeMaildir(),
    ...await makeControl(runtime, store),
    ["expected.json", encode(`${JSON.stringify(expected, null, 1)}\n`)],
  ]);
  await store.close();
  return samples;
}

if (import.meta.main) {
  const [folder] = Deno.args;
  if (folder === undefined) throw new Error("name the folder of the version");
  for (const [path, octets] of await makeSamples()) {
    const file = `${folder}/${path}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(file, octets);
  }
  Deno.exit(0); // what a sample leaves half done waits for ever
}
