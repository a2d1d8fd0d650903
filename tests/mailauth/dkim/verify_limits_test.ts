import { assert, assertEquals } from "@std/assert";
import { BodyHashes } from "../../../src/mailauth/dkim/body_hashes.ts";
import { type DkimResult, DkimVerifier, verifyDkim } from "../../../src/mailauth/dkim/verify.ts";
import { parseFields } from "../../../src/message/header.ts";
import { MemoryClock } from "../../../src/runtime/memory_clock.ts";
import type { DnsAnswer } from "../../../src/runtime/resolver.ts";
import { dnsOf, ED25519_KEY, latin1, NOW, RSA_KEY, signByHand } from "./signer.ts";

const HEAD = "From: ann@example.org\r\nTo: bob@example.net\r\nSubject: a tale\r\n";
const BODY = "One.\r\n";
const PLACE = "s._domainkey.example.org";

const resultsOf = (results: readonly DkimResult[]) => results.map(({ result }) => result);

Deno.test("verifyDkim() looks at eight signatures, from the top, and asks for each key once", async () => {
  const asked: string[] = [];
  const signs = (s: string) =>
    signByHand({ head: HEAD, body: BODY, tags: { s } }).replace(HEAD, "");
  const head = `${signs("s").repeat(3)}${signs("t").repeat(4)}${signs("s")}${
    signs("u").repeat(9_992)
  }${HEAD}`;
  const keys = { [PLACE]: RSA_KEY.record, "t._domainkey.example.org": RSA_KEY.record };
  const fields = parseFields(latin1(head));
  assertEquals(fields.length, 10_003);
  const results = await verifyDkim(fields, latin1(BODY), {
    resolver: dnsOf(keys, asked),
    now: NOW,
  });
  assertEquals(resultsOf(results), Array(8).fill("pass"));
  assertEquals(asked, [PLACE, "t._domainkey.example.org"]);
  const few = { resolver: dnsOf(keys), now: NOW, maxSignatures: 2 };
  assertEquals(resultsOf(await verifyDkim(fields, latin1(BODY), few)), ["pass", "pass"]);
  assertEquals(await verifyDkim(fields, latin1(BODY), { ...few, maxSignatures: 0 }), []);
});

Deno.test("verifyDkim() counts a signature that cannot be read among the eight", async () => {
  const asked: string[] = [];
  const head = `${"DKIM-Signature: v=1\r\n".repeat(8)}${signByHand({ head: HEAD, body: BODY })}`;
  const options = { resolver: dnsOf({ [PLACE]: RSA_KEY.record }, asked), now: NOW };
  const results = await verifyDkim(parseFields(latin1(head)), latin1(BODY), options);
  assertEquals(resultsOf(results), Array(8).fill("permerror"));
  assertEquals(asked, []);
});

Deno.test("verifyDkim() gives each signature its own result", async () => {
  const other = { head: HEAD, body: BODY, tags: { s: "ed" }, key: ED25519_KEY };
  const inner = signByHand({ head: HEAD, body: BODY, tags: { h: "from" } });
  const head = signByHand({ ...other, head: inner });
  const keys = { [PLACE]: RSA_KEY.record, "ed._domainkey.example.org": "!SERVFAIL" };
  const results = await verifyDkim(parseFields(latin1(head)), latin1(BODY), {
    resolver: dnsOf(keys),
    now: NOW,
  });
  assertEquals(results.map(({ result, selector, algorithm }) => [result, selector, algorithm]), [
    ["temperror", "ed", "ed25519-sha256"],
    ["pass", "s", "rsa-sha256"],
  ]);
});

Deno.test("verifyDkim() reads whatever a head has room for", async () => {
  const many = Array.from({ length: 10_000 }, (_, index) => `X-${index % 600}: ${index}\r\n`).join(
    "",
  );
  const h = `from:${Array.from({ length: 500 }, (_, index) => `x-${index}`).join(":")}`;
  const resolver = dnsOf({ [PLACE]: RSA_KEY.record });
  const verify = async (head: string) =>
    resultsOf(await verifyDkim(parseFields(latin1(head)), latin1(BODY), { resolver, now: NOW }));
  assertEquals(await verify(signByHand({ head: many + HEAD, body: BODY, tags: { h } })), ["pass"]);
  const z = "From:x|".repeat(30_000);
  assertEquals(await verify(signByHand({ head: HEAD, body: BODY, tags: { z } })), ["pass"]);
  const blanks = `DKIM-Signature: v=1; a=${" ".repeat(250_000)}x\r\n`;
  assertEquals(await verify(blanks + HEAD), ["permerror"]);
  assertEquals(await verify(`DKIM-Signature: ${";".repeat(250_000)}\r\n${HEAD}`), ["permerror"]);
  assertEquals(await verify(`DKIM-Signature: v=1; h=${":".repeat(250_000)}\r\n${HEAD}`), [
    "permerror",
  ]);
});

/** Answers nothing until the signal says that nobody waits. */
const silent = {
  txt: (_name: string, signal?: AbortSignal) =>
    new Promise<DnsAnswer<string>>((resolve) => {
      const end = () => resolve({ status: "failed", reason: String(signal?.reason) });
      if (signal?.aborted) end();
      signal?.addEventListener("abort", end, { once: true });
    }),
};

Deno.test("DkimVerifier waits ten seconds for a key, from when the head is there", async () => {
  const clock = new MemoryClock(NOW);
  const fields = parseFields(latin1(signByHand({ head: HEAD, body: BODY })));
  const verify = async (keyTimeout?: number) => {
    const start = clock.now();
    const results = await clock.runUntil(verifyDkim(fields, latin1(BODY), {
      resolver: silent,
      now: NOW,
      clock,
      ...(keyTimeout !== undefined && { keyTimeout }),
    }));
    assertEquals(resultsOf(results), ["temperror"]);
    assert(results[0]?.reason?.startsWith(`DNS failed for ${PLACE}`));
    return clock.now() - start;
  };
  assertEquals(await verify(), 10_000);
  assertEquals(await verify(50), 50);
});

Deno.test("DkimVerifier stops waiting when its signal is aborted", async () => {
  const controller = new AbortController();
  const fields = parseFields(latin1(signByHand({ head: HEAD, body: BODY })));
  const hashes = new BodyHashes();
  const verifier = new DkimVerifier(fields, hashes, {
    resolver: silent,
    now: NOW,
    signal: controller.signal,
  });
  hashes.write(latin1(BODY));
  hashes.end();
  const results = verifier.finish();
  controller.abort("gone");
  assertEquals(resultsOf(await results), ["temperror"]);
});
