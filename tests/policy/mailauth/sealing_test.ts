/**
 * What a station seals, and what not: whole stations in memory. What they sealed is verified as others would (by our
 * verifier, which passes the published suite; by other programs in tests/interop/arc_test.ts).
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { generateKeyPairSync, sign } from "node:crypto";
import { concat, decode, encode } from "../../../src/bytes.ts";
import { mapDirectory } from "../../../src/directory/map_directory.ts";
import { trustedArcPass } from "../../../src/mailauth/arc/trust.ts";
import { type ArcResult, verifyArc } from "../../../src/mailauth/arc/verify.ts";
import { parseFields } from "../../../src/message/header.ts";
import { authentication } from "../../../src/policy/mailauth/authentication.ts";
import { arcSealing, type ArcSealingOptions } from "../../../src/policy/mailauth/sealing.ts";
import { type DkimKeyText, SigningKeys } from "../../../src/policy/mailauth/signing_keys.ts";
import type { MessageView, Policy } from "../../../src/policy/policy.ts";
import type { Envelope } from "../../../src/queue/entry.ts";
import { MemoryStore } from "../../../src/queue/memory_store.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation, type StationSetup } from "../../support/memory_station.ts";
import { KEY_RECORD, sealed } from "./signed_mail.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
const PEM = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
const RECORD = `v=DKIM1; p=${
  new Uint8Array(publicKey.export({ type: "spki", format: "der" })).toBase64()
}`;
/** RFC 8463 Appendix A.2. */
const ED25519_PEM = "-----BEGIN PRIVATE KEY-----\n" +
  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" +
  "-----END PRIVATE KEY-----\n";
const KEY: DkimKeyText = { domain: "example.test", selector: "s1", pem: PEM };

const DIRECTORY = mapDirectory({
  accounts: { "alice@example.test": { password: "wonderland" } },
  aliases: {
    "carl@example.test": ["carl@elsewhere.example"],
    "both@example.test": ["alice@example.test", "carl@elsewhere.example"],
    "dora@other.test": ["dora@elsewhere.example"],
  },
});

const MAIL =
  "From: Ann <ann@author.example>\r\nTo: carl@example.test\r\nSubject: hi\r\n\r\nHello.\r\n";
const AUTHOR = "203.0.113.9";
/** Where a list is. */
const LIST = "198.51.100.7";

/**
 * The keys, of which that of RSA signs at once: it works beside the thread otherwise, and virtual time, which jumps when
 * nothing is left to do, would be over before.
 */
async function openKeys(texts: readonly DkimKeyText[]): Promise<ArcSealingOptions["keys"]> {
  const opened = await SigningKeys.open(texts);
  const atOnce = (octets: Uint8Array) =>
    Promise.resolve(new Uint8Array(sign("sha256", octets, privateKey)));
  return {
    isEmpty: opened.isEmpty,
    find(domain) {
      const found = opened.find(domain);
      if (found === null) return null;
      const keys = found.keys.map((one) =>
        one.key.algorithm === "rsa-sha256" ? { ...one, key: { ...one.key, sign: atOnce } } : one
      );
      return { ...found, keys };
    },
  };
}

interface Setup extends StationSetup {
  readonly before?: readonly Policy[];
  readonly keys?: readonly DkimKeyText[];
  readonly seal?: Partial<ArcSealingOptions>;
  /** Whether mail is checked. Default `true`. */
  readonly checks?: boolean;
}

/** A station that checks and seals, and whose queue keeps what goes on. */
async function start(setup: Setup = {}) {
  const { before = [], keys = [KEY], seal = {}, checks = true, ...more } = setup;
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { resolver, clock } = runtime;
  resolver.set("author.example", {
    mx: ["10 mx.author.example"],
    txt: ["v=spf1 ip4:203.0.113.0/24 -all"],
  });
  resolver.set("_dmarc.author.example", { txt: ["v=DMARC1; p=none"] });
  resolver.set("s._domainkey.list.example", { txt: [KEY_RECORD] });
  const store = new MemoryStore({ clock });
  const authservId = "mx.example.test";
  const check = authentication({ authservId }, { resolver, clock, emit: () => {} });
  const station = await MemoryStation.start({
    runtime,
    directory: DIRECTORY,
    policies: [
      ...before,
      ...checks ? [check] : [],
      arcSealing({ authservId, keys: await openKeys(keys), ...seal }, runtime),
    ],
    queue: { store, paused: true },
    ...more,
  });
  return {
    ...{ station, clock, resolver },
    /** A stranger sends a mail. */
    async send(text = MAIL, to = "carl@example.test", from = AUTHOR): Promise<string> {
      const peer = await station.greeted(from);
      await peer.mail({ text, sender: "ann@author.example", to: [to] }, 250);
      await peer.say("QUIT", 221);
      const [mail] = await this.queued();
      return mail!;
    },
    /** All that lies in the queue. */
    async queued(): Promise<string[]> {
      const mails: string[] = [];
      for await (const { id } of store.list()) {
        const { head, openBody } = await station.mta.queue!.open(id);
        const body = (await Array.fromAsync(openBody())).map((part) => part.slice());
        mails.push(decode(concat([head, encode("\r\n"), ...body])));
      }
      return mails;
    },
    /** What the next station finds. */
    verified(mail: string): Promise<ArcResult> {
      const end = mail.indexOf("\r\n\r\n") + 2;
      const resolver = {
        txt: (name: string) =>
          Promise.resolve({
            status: "found" as const,
            records: [name.endsWith(".test") ? RECORD : KEY_RECORD],
          }),
      };
      const fields = parseFields(encode(mail.slice(0, end)));
      return verifyArc(fields, encode(mail.slice(end + 2)), { resolver, now: clock.now() });
    },
    [Symbol.asyncDispose]: () => station[Symbol.asyncDispose](),
  };
}

const SEALED = /^ARC-Seal:/m;

Deno.test("arcSealing() seals what a stranger sends and goes on, with what was found", async () => {
  await using world = await start();
  const mail = await world.send();
  const names = mail.split("\r\n\r\n")[0]!.match(/^[\w-]+(?=:)/gm)!;
  assertEquals(names.slice(0, 5), [
    "ARC-Seal",
    "ARC-Message-Signature",
    "ARC-Authentication-Results",
    "Authentication-Results",
    "Received",
  ]);
  const arc = await world.verified(mail);
  assertEquals([arc.result, arc.oldestPass, arc.boundToMessage], ["pass", 0, true]);
  assertEquals(arc.sets[0]?.domain, "example.test");
  assertEquals(arc.sets[0]?.selector, "s1");
  assertEquals(
    arc.sets[0]?.authenticationResults.replace(/\s+/g, " "),
    "mx.example.test; spf=pass (ip4:203.0.113.0/24) smtp.mailfrom=ann@author.example; dkim=none; " +
      "dmarc=pass (p=none) header.from=author.example",
  );
  const believed = trustedArcPass(arc, new Set(["example.test"]), "author.example");
  assertEquals(believed?.results.authservId, "mx.example.test");
  assertEquals((await world.verified(mail.replace("Hello", "Hullo"))).result, "fail");
});

Deno.test("arcSealing() seals mail of which a copy goes on, and none that ends here", async () => {
  await using world = await start();
  assertMatch(await world.send(MAIL, "both@example.test"), SEALED);
  await using other = await start();
  assertEquals(await other.send(MAIL, "alice@example.test"), undefined as unknown as string);
  assertNotMatch((await other.station.mailbox("alice"))[0]!, SEALED);
});

Deno.test("arcSealing() leaves what our own send, and networks that are no strangers", async () => {
  await using world = await start();
  const recipients = ["carl@elsewhere.example"];
  await world.clock.runUntil(
    world.station.mta.submit({ sender: "alice@example.test", recipients }, MAIL),
  );
  assertNotMatch((await world.queued())[0]!, SEALED);
  await using relay = await start({ relayFrom: ["203.0.113.0/24"] });
  assertNotMatch(await relay.send(), SEALED);
});

Deno.test("arcSealing() goes on from a chain that holds", async () => {
  await using world = await start();
  const list = await sealed(MAIL, "list.example", "mx.list.example; none", world.clock.now());
  const mail = await world.send(list, "carl@example.test", LIST);
  const { result, sets } = await world.verified(mail);
  assertEquals(result, "pass");
  assertEquals(sets.map(({ domain }) => domain), ["list.example", "example.test"]);
  assertMatch(sets[1]!.authenticationResults, /; *\s*arc=pass \(i=1 list\.example\)/);
});

Deno.test("arcSealing() says of a chain that does not hold that it does not, once", async () => {
  await using world = await start();
  const list = await sealed(MAIL, "list.example", "mx.list.example; none", world.clock.now());
  const mail = await world.send(list.replace("Hello", "Hullo"), "carl@example.test", LIST);
  assertMatch(mail, /^ARC-Seal: i=2; [^]*? cv=fail;/);
  await using next = await start();
  const end = mail.indexOf("ARC-Seal");
  const again = await next.send(mail.slice(end), "carl@example.test", LIST);
  assertNotMatch(again, /^ARC-Seal: i=3;/m);
});

Deno.test("arcSealing() leaves a chain of which DNS tells nothing now", async () => {
  await using world = await start();
  world.resolver.failures.set("s._domainkey.list.example", "servfail");
  const list = await sealed(MAIL, "list.example", "mx.list.example; none", world.clock.now());
  const mail = await world.send(list, "carl@example.test", LIST);
  // RFC 8617 §4.4 has three words for a chain, and this is none of them.
  assertNotMatch(mail, /\barc=temperror\b/);
  assertMatch(mail, /\barc=fail \(temporary\)\s+reason="DNS failed for/);
  assertEquals(mail.match(/^ARC-Seal:/gm)?.length, 1);
});

Deno.test("arcSealing() records nothing that came with the message", async () => {
  const forged =
    `Authentication-Results: mx.example.test; dmarc=pass header.from=bank.example\r\n${MAIL}`;
  await using world = await start();
  const mail = await world.send(forged);
  assertMatch(mail, SEALED);
  assertNotMatch(mail, /bank\.example/);
  // Nor where nobody takes such fields out: nobody has looked at the message then.
  await using unchecked = await start({ checks: false });
  assertNotMatch(await unchecked.send(forged), SEALED);
  await using silent = await start({ checks: false });
  assertNotMatch(await silent.send(), SEALED);
});

Deno.test("arcSealing() records what a filter found, without checks of ours", async () => {
  const filter: Policy = {
    name: "filter",
    message: () => ({
      action: "annotate",
      changes: [{
        change: "add-field",
        name: "Authentication-Results",
        value: "mx.example.test; dkim=pass header.d=author.example",
      }],
    }),
  };
  await using world = await start({ checks: false, before: [filter] });
  const { result, sets } = await world.verified(await world.send());
  assertEquals(result, "pass");
  assertEquals(
    sets[0]?.authenticationResults.replace(/\s+/g, " "),
    "mx.example.test; dkim=pass header.d=author.example",
  );
});

Deno.test("arcSealing() seals the body that goes out", async () => {
  const filter: Policy = {
    name: "filter",
    message: () => ({
      action: "annotate",
      changes: [{ change: "replace-body", body: encode("Something else.\r\n") }],
    }),
  };
  await using world = await start({ before: [filter] });
  const mail = await world.send();
  assert(mail.endsWith("\r\n\r\nSomething else.\r\n"));
  assertEquals((await world.verified(mail)).result, "pass");
});

Deno.test("arcSealing() makes a mail 7-bit before, where its way takes nothing else", async () => {
  const via = { kind: "smarthost", host: "192.0.2.99", eightBit: "convert-first" } as const;
  await using world = await start({ routes: [{ domains: ["elsewhere.example"], via }] });
  const text = MAIL.replace(
    "\r\n\r\nHello",
    "\r\nMIME-Version: 1.0\r\n" +
      "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße",
  );
  const mail = await world.send(text);
  assertMatch(mail, /^Content-Transfer-Encoding: (quoted-printable|base64)\r$/m);
  assertEquals((await world.verified(mail)).result, "pass");
});

Deno.test("arcSealing() re-encodes nothing that others have signed", async () => {
  const via = { kind: "smarthost", host: "192.0.2.99", eightBit: "convert-first" } as const;
  await using world = await start({ routes: [{ domains: ["elsewhere.example"], via }] });
  const mail = await world.send(`DKIM-Signature: v=1\r\n${MAIL.replace("Hello", "Grüße")}`);
  assert(mail.endsWith("\r\n\r\nGrüße.\r\n"), mail);
  assertEquals((await world.verified(mail)).result, "pass");
});

Deno.test("arcSealing() seals no message whose fields it has not seen come: they may be forged", async () => {
  const session = {
    ...{ id: "1", role: "mx", client: "203.0.113.9", hello: "c", tls: null },
    ...{ identity: null, trusted: false },
  };
  const runtime = memoryRuntime();
  const keys = await openKeys([KEY]);
  const policy = arcSealing({ keys, authservId: "mx.example.test" }, runtime);
  const fields = parseFields(encode(
    `Authentication-Results: mx.example.test; dmarc=pass header.from=bank.example\r\n${MAIL}`,
  ));
  const envelope = { sender: null, recipients: [], body: "7BIT" } as unknown as Envelope;
  const message: MessageView = {
    ...{ id: "1.2", session, envelope, fields, bodySize: 0, bodyReplaced: false, goesOn: true },
    carriage: "8bit",
    hasResults: true,
    async *openBody() {},
    draftBody: () => {
      throw new Error("no other body is wanted");
    },
  };
  assertEquals(await policy.message!(message), undefined);
  // Nor one of whose fields it has seen that they came so.
  assertEquals(policy.watches!(session), true);
  policy.body!(session, fields, envelope);
  assertEquals(await policy.message!(message), undefined);
  policy.body!(session, [], envelope);
  assertEquals((await policy.message!(message))?.action, "annotate");
});

Deno.test("arcSealing() takes the key of the host's domain, else of a recipient's, and only one of RSA", async () => {
  const other = { ...KEY, domain: "other.test" };
  const sealers = async (keys: readonly DkimKeyText[], to: string, seal = {}) => {
    await using world = await start({ keys, seal });
    const mail = await world.send(MAIL, to);
    return SEALED.test(mail) ? (await world.verified(mail)).sets[0]?.domain : null;
  };
  assertEquals(await sealers([KEY, other], "dora@other.test"), "example.test");
  assertEquals(await sealers([other], "dora@other.test"), "other.test");
  assertEquals(await sealers([other], "carl@example.test"), null);
  const seal = { domain: "mail.other.test" };
  assertEquals(await sealers([KEY, other], "carl@example.test", seal), "other.test");
  const ed25519 = { ...KEY, selector: "s2", pem: ED25519_PEM };
  assertEquals(await sealers([ed25519], "carl@example.test"), null);
  assertEquals(await sealers([ed25519, KEY], "carl@example.test"), "example.test");
  assertEquals(await sealers([], "carl@example.test"), null);
});

Deno.test("arcSealing() lets mail go on unsealed when a key fails", async () => {
  const broken = {
    isEmpty: false,
    find: () => ({
      domain: "example.test",
      keys: [{
        selector: "s1",
        key: {
          algorithm: "rsa-sha256" as const,
          sign: () => Promise.reject(new Error("no more entropy")),
        },
      }],
    }),
  };
  await using world = await start({ seal: { keys: broken } });
  assertNotMatch(await world.send(), SEALED);
  const [told] = world.station.of("policy.failed");
  assertEquals(told?.policy, "arc-sealing");
});
