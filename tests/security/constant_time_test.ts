/**
 * Where secrets are compared: every place is named here, and how it does it. A new comparison of something that
 * sounds like a secret by `==` or by `equal()` fails this test, until it is put right.
 *
 * @module
 */

import { assertEquals } from "@std/assert";

/** Files that compare secrets, all by `timingSafeEqual`. */
const COMPARED_IN_CONSTANT_TIME = [
  "src/directory/map_directory.ts", // passwords of a map: by their hashes
  "src/directory/password.ts", // PLAIN and LOGIN: by the stored key
  "src/policy/http_hook/signature.ts", // signatures, for receivers
  "src/routing/srs.ts", // hashes in rewritten addresses
  "src/smtp/sasl/scram.ts", // SCRAM: the client's proof
  "src/smtp/sasl/scram_client.ts", // SCRAM: the server's signature
];

/** Names of what must not be compared octet by octet until one differs. */
const SECRET =
  "(?:\\w*(?:[pP]assword|[sS]ecret|[hH]mac|[sS]ignature|[pP]roof|storedKey|serverKey))";
/** Both sides are the operator's own, where no stranger has a say, or both are known to everybody. */
const HARMLESS_THERE = [
  "src/mailauth/dkim/verify.ts: equal(body.digest, signature", // of a body that everybody may hash
  "src/mta_queue.ts: secret !==", // which of our SRS secrets is the newest
];

/** What they may be compared with: whether there is one, of what kind, and how long. */
const HARMLESS = '(?! *(?:undefined|null|true|false|HIDDEN|"|[A-Z_]+_LENGTH|\\w*\\.length|\\d))';
const COMPARISON = new RegExp(
  `${SECRET} *[!=]==${HARMLESS}|[!=]== *${SECRET}\\b(?![(.])|\\bequal\\([^)]*${SECRET}`,
  "g",
);

async function sources(folder = "src"): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) paths.push(...await sources(path));
    else if (name.endsWith(".ts")) paths.push(path);
  }
  return paths.sort();
}

/** The text without its comments. */
function code(text: string): string {
  return text.replace(/\/\*[^]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

Deno.test("secrets are compared in constant time, and where is known", async () => {
  const found: string[] = [];
  for (const path of await sources()) {
    if (/\btimingSafeEqual\(/.test(code(await Deno.readTextFile(path)))) found.push(path);
  }
  assertEquals(found, COMPARED_IN_CONSTANT_TIME);
});

Deno.test("nothing that sounds like a secret is compared in another way", async () => {
  const found: string[] = [];
  for (const path of await sources()) {
    for (const [match] of code(await Deno.readTextFile(path)).matchAll(COMPARISON)) {
      if (!HARMLESS_THERE.includes(`${path}: ${match}`)) found.push(`${path}: ${match}`);
    }
  }
  assertEquals(found, []);
});
