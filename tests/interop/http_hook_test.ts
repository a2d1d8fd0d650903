/**
 * A signed request as others read it: the function in `docs/filters.md`, run by Python.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { signHook } from "../../src/policy/http_hook/signature.ts";
import { blocksOf, readDocument } from "../support/documents.ts";
import { assertEnded, interopTest, octets, run } from "./support.ts";

interopTest("the Python of docs/filters.md knows a request of ours, and no other", [
  "python3",
], async () => {
  const blocks = blocksOf(await readDocument("docs/filters.md"));
  const code = blocks.find(({ info }) => info === "python")?.text;
  assert(code !== undefined);
  const [secret, body] = ["a secret of ours", '{"version":1}'];
  const now = Date.now();
  const requests = [
    { headers: signHook(secret, "1", now, octets(body)), body },
    { headers: signHook(secret, "1", now, octets(body)), body: '{"version":2}' },
    { headers: signHook("some other secret", "1", now, octets(body)), body },
    { headers: signHook(secret, "1", now - 400_000, octets(body)), body },
  ];
  const program = `import base64, hashlib, hmac, json, sys, time\n${code}
for each in json.load(sys.stdin):
    print(is_signed(b"${secret}", each["headers"], each["body"].encode()))
`;
  const ran = await run("python3", ["-c", program], { input: JSON.stringify(requests) });
  assertEnded(ran);
  assertEquals(ran.text, "True\nFalse\nFalse\nFalse\n");
});
