/**
 * What a station signs, and what not: whole stations in memory. What they signed is verified as others would (by our
 * verifier, which has its own vectors; by other programs in tests/interop/dkim_submission_test.ts).
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { generateKeyPairSync } from "node:crypto";
import { concat, decode, encode } from "../../../src/bytes.ts";
import { verifyDkim } from "../../../src/mailauth/dkim/verify.ts";
import { parseFields } from "../../../src/message/header.ts";
import type { MessageView, Policy } from "../../../src/policy/policy.ts";
import { dkimSigning } from "../../../src/policy/mailauth/signing.ts";
import { type DkimKeyText, SigningKeys } from "../../../src/policy/mailauth/signing_keys.ts";
import type { Envelope } from "../../../src/queue/entry.ts";
import { MemoryStore } from "../../../src/queue/memory_store.ts";
import type { RouteOptions } from "../../../src/routing/route_table.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation, type StationSetup } from "../../support/memory_station.ts";

/** RFC 8463 Appendix A.2, as PKCS#8 (RFC 8410 §7), and its record. */
const PEM = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
`;
const RECORD = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/** Two keys of a domain; that their halves are the same does not matter here. */
const KEYS: readonly DkimKeyText[] = [
  { domain: "example.test", selector: "s1", pem: PEM },
  { domain: "example.test", selector: "s2", pem: PEM },
  { domain: "mx.example.test", selector: "host", pem: PEM },
];

/** A station that signs, and whose queue keeps what goes on. Programs and 198.51.100.0/24 may relay. */
async function start(setup: StationSetup & { readonly before?: readonly Policy[] } = {}) {
  const { before = [], ...more } = setup;
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const store = new MemoryStore({ clock: runtime.clock });
  const keys = await SigningKeys.open(KEYS);
  const station = await MemoryStation.start({
    runtime,
    relayFrom: ["198.51.100.0/24"],
    policies: [...before, dkimSigning({ keys }, runtime)],
    queue: { store, paused: true },
    ...more,
  });
  return {
    station,
    keys,
    clock: runtime.clock,
    /** Submits a mail for somebody elsewhere and gives it as it lies in the queue. */
    async send(text: string, to = "you@elsewhere.example"): Promise<string> {
      const sent = station.mta.submit({ sender: "alice@example.test", recipients: [to] }, text);
      const { id } = await runtime.clock.runUntil(sent);
      return await this.queued(id);
    },
    async queued(id: string): Promise<string> {
      const { head, openBody } = await station.mta.queue!.open(id);
      const body = concat((await Array.fromAsync(openBody())).map((part) => part.slice()));
      return decode(concat([head, encode("\r\n"), body]));
    },
    /** The message of the only entry. */
    async only(): Promise<string> {
      const [entry, ...others] = await Array.fromAsync(store.list());
      assertEquals(others.length, 0);
      return await this.queued(entry!.id);
    },
    [Symbol.asyncDispose]: () => station[Symbol.asyncDispose](),
  };
}

/** What a receiver finds: of each signature from the top who made it, and whether it holds. */
async function verdicts(mail: string, now: number): Promise<string[]> {
  const end = mail.indexOf("\r\n\r\n") + 2;
  const results = await verifyDkim(
    parseFields(encode(mail.slice(0, end))),
    encode(mail.slice(end + 2)),
    {
      now,
      resolver: { txt: () => Promise.resolve({ status: "found", records: [RECORD] }) },
    },
  );
  return results.map(({ result, domain, selector }) => `${result} ${selector} ${domain}`);
}

const BOTH = ["pass s1 example.test", "pass s2 example.test"];
const MAIL = "From: Alice <alice@example.test>\r\nSubject: hi\r\n\r\nHello.\r\n";

Deno.test("dkimSigning() signs what programs submit, with every key of the domain in From", async () => {
  await using world = await start();
  const mail = await world.send(MAIL);
  assertEquals(await verdicts(mail, world.clock.now()), BOTH);
  // It signs what goes out: what a submission lacked is there and covered, what must not be seen is gone.
  assertMatch(mail, /; h=[^;]*\bdate:message-id:from:/);
  assertMatch(mail, /^DKIM-Signature: [^]*^DKIM-Signature: [^]*^Received: /m);
  const changed = mail.replace("Subject: hi", "Subject: ho");
  assertEquals((await verdicts(changed, world.clock.now())).map((one) => one.split(" ")[0]), [
    "fail",
    "fail",
  ]);
});

Deno.test("dkimSigning() takes Bcc for gone, and a body of many pieces for what it is", async () => {
  await using world = await start();
  const body = Array.from({ length: 30_000 }, (_, i) => `line ${i} \t of it \r\n`).join("");
  const text = `Bcc: eve@example.net\r\n${MAIL.replace("Hello.\r\n", body)}\r\n\r\n`;
  const mail = await world.send(text);
  assertNotMatch(mail, /^Bcc:/m);
  assertEquals(await verdicts(mail, world.clock.now()), BOTH);
});

Deno.test("dkimSigning() finds the key of a domain above, and none for others", async () => {
  await using world = await start();
  const from = (address: string) => MAIL.replace("alice@example.test", address);
  const signers = async (text: string) => {
    const mail = await world.send(text);
    return (await verdicts(mail, world.clock.now())).map((one) => one.split(" ").at(-1));
  };
  assertEquals(await signers(from("news@news.example.test")), ["example.test", "example.test"]);
  assertEquals(await signers(from("root@mx.example.test")), ["mx.example.test"]);
  assertEquals(await signers(from("ALICE@EXAMPLE.TEST")), ["example.test", "example.test"]);
  assertEquals(await signers(from("alice@notexample.test")), []);
  assertEquals(await signers(from("alice@test")), []);
  // Nobody knows whose mail this is.
  assertEquals(await signers(`From: eve@example.net\r\n${MAIL}`), []);
  assertEquals(await signers(`From: bob@example.test\r\n${MAIL}`), []);
  assertEquals(await signers("From: alice@example.test (\r\n\r\nx\r\n"), []);
  assertEquals(await signers("Subject: nobody's\r\n\r\nx\r\n"), []);
});

Deno.test("dkimSigning() signs for who has logged in and for who may relay, and for no stranger", async () => {
  await using world = await start();
  const mail = await (async () => {
    const peer = await world.station.greeted("198.51.100.7");
    await peer.mail({ to: ["you@elsewhere.example"], text: MAIL });
    return await world.only();
  })();
  assertEquals(await verdicts(mail, world.clock.now()), BOTH);

  const stranger = await world.station.greeted("203.0.113.9");
  await stranger.mail({ to: ["bob@example.test"], text: MAIL });
  const [forged] = await world.station.mailbox("bob");
  assertNotMatch(forged!, /^DKIM-Signature:/m);

  await using logged = await start({ listener: { role: "submission" } });
  const peer = await logged.station.greeted("203.0.113.9");
  await peer.startTls();
  await peer.say("EHLO laptop", 250);
  await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wonderland")}`, 235);
  await peer.mail({ sender: "alice@example.test", to: ["you@elsewhere.example"], text: MAIL });
  assertEquals(await verdicts(await logged.only(), logged.clock.now()), BOTH);
});

Deno.test("dkimSigning() looks at no message of strangers, and at none where there is no key", async () => {
  const session = {
    ...{ id: "1", role: "mx", client: "203.0.113.9", hello: "c", tls: null },
    ...{ identity: null, trusted: false },
  };
  const user = { ...session, identity: "alice@example.test" };
  const views = (session: MessageView["session"]) =>
    ({
      session,
      get fields() {
        throw new Error("looked at");
      },
    }) as unknown as MessageView;
  const runtime = memoryRuntime();
  const keys = await SigningKeys.open([]);
  const policy = dkimSigning({ keys }, runtime);
  const watched = () => [session, user].map((one) => policy.watches!(one));
  assertEquals(watched(), [false, false]);
  assertEquals(policy.message!(views(user)), undefined);
  assertEquals(policy.notice!(views(user)), []);
  // Keys that come later are looked for from then on.
  await keys.replace(KEYS);
  assertEquals(watched(), [false, true]);
  assertEquals(policy.message!(views(session)), undefined);
  assertThrows(() => policy.message!(views(user)), Error, "looked at");
  // Who comes by LMTP hands on what others wrote, and to a catcher everybody is somebody.
  for (const role of ["lmtp", "catcher"]) {
    for (const one of [user, { ...session, trusted: true }]) {
      assertEquals(policy.watches!({ ...one, role }), false, role);
      assertEquals(policy.message!(views({ ...one, role })), undefined, role);
    }
  }
});

/** A policy that signs, and a message of a session that it has not watched. */
async function unwatched() {
  const runtime = memoryRuntime();
  const keys = await SigningKeys.open(KEYS);
  const policy = dkimSigning({ keys }, runtime);
  const session = {
    ...{ id: "1", role: "mx", client: "203.0.113.9", hello: "c", tls: null },
    ...{ identity: "alice@example.test", trusted: false },
  };
  const fields = parseFields(encode("From: alice@example.test\r\n"));
  const envelope = { sender: null, recipients: [], body: "7BIT" } as unknown as Envelope;
  const message: MessageView = {
    ...{ id: "1.2", session, envelope, fields, bodySize: 7, bodyReplaced: false, goesOn: true },
    carriage: "8bit",
    hasResults: false,
    async *openBody() {
      yield encode("this\r\n");
    },
    draftBody: () => {
      throw new Error("no other body is wanted");
    },
  };
  return { runtime, keys, policy, session, message };
}

for (const end of ["another without keys", "the end of the session"]) {
  Deno.test(`dkimSigning() keeps no hash of a message that was refused beyond ${end}`, async () => {
    const { runtime, keys, policy, session, message } = await unwatched();
    assertEquals(policy.watches!(session), true);
    const observer = policy.body!(session, message.fields, message.envelope);
    observer!.write(encode("another body\r\n"));
    if (end === "the end of the session") {
      policy.close!(session);
    } else {
      await keys.replace([]);
      assertEquals(policy.watches!(session), false);
      await keys.replace(KEYS);
    }
    const verdict = await policy.message!(message);
    assert(verdict?.action === "annotate");
    const signatures = verdict.changes.map((change) =>
      change.change === "add-field" ? `${change.name}:${change.value}\r\n` : ""
    );
    const mail = `${signatures.reverse().join("")}From: alice@example.test\r\n\r\nthis\r\n`;
    assertEquals(await verdicts(mail, runtime.clock.now()), BOTH);
  });
}

Deno.test("dkimSigning() puts off mail that must be re-encoded where there is no room for that", async () => {
  const { policy, message } = await unwatched();
  const verdict = await policy.message!({
    ...message,
    carriage: "7bit",
    async *openBody() {
      yield encode("Grüße\r\n");
    },
    draftBody: () => ({ write: () => Promise.resolve(), finish: () => Promise.resolve(null) }),
  });
  assert(verdict?.action === "defer");
  assertEquals(verdict.reply.code, 452);
});

Deno.test("dkimSigning() signs what the policies before it made of a message", async () => {
  const editor: Policy = {
    name: "editor",
    async message(view) {
      const draft = view.draftBody();
      await draft.write(encode("Another\nbody.\r\n"));
      return {
        action: "annotate",
        changes: [
          { change: "replace-field", name: "Subject", occurrence: 1, value: "[x] hi" },
          { change: "add-field", name: "List-Id", value: "<x.example.test>" },
          { change: "replace-body", body: (await draft.finish())! },
        ],
      };
    },
  };
  await using world = await start({ before: [editor] });
  const mail = await world.send(MAIL);
  assertMatch(mail, /\r\n\r\nAnother\r\nbody\.\r\n$/);
  assertEquals(await verdicts(mail, world.clock.now()), BOTH);
  // A From that changes changes who signs.
  const author: Policy = {
    name: "author",
    message: () => ({
      action: "annotate",
      changes: [{
        change: "replace-field",
        name: "From",
        occurrence: 1,
        value: "root@mx.example.test",
      }],
    }),
  };
  await using other = await start({ before: [author] });
  const foreign = MAIL.replace("alice@example.test", "alice@example.net");
  assertEquals(await verdicts(await other.send(foreign), other.clock.now()), [
    "pass host mx.example.test",
  ]);
});

Deno.test("dkimSigning() defers mail that it cannot sign, and none goes out unsigned", async () => {
  const sign = () => Promise.reject(new Error("the key is gone"));
  const keys = {
    isEmpty: false,
    find: () => ({
      domain: "example.test",
      keys: [{ selector: "s", key: { algorithm: "ed25519-sha256", sign } as const }],
    }),
  };
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const store = new MemoryStore({ clock: runtime.clock });
  await using station = await MemoryStation.start({
    runtime,
    policies: [dkimSigning({ keys }, runtime)],
    relayFrom: ["198.51.100.0/24"],
    queue: { store, paused: true },
  });
  const peer = await station.greeted();
  const mail = { to: ["you@elsewhere.example"], text: MAIL };
  assertMatch(await peer.mail(mail, 451, "4.3.0"), /cannot be signed now/);
  assertEquals(await Array.fromAsync(store.list()), []);
  const [failed] = station.of("policy.failed");
  assertEquals([failed?.policy, failed?.error.includes("the key is gone")], ["dkim-signing", true]);
});

Deno.test("SigningKeys.replace() is in force for the next message, or not at all", async () => {
  await using world = await start();
  await world.keys.replace([{ domain: "example.test", selector: "next", pem: PEM }]);
  assertEquals(await verdicts(await world.send(MAIL), world.clock.now()), [
    "pass next example.test",
  ]);
  const failed = await world.keys.replace([{ domain: "example.test", selector: "bad", pem: "" }])
    .then(() => null, (error) => error);
  assert(failed instanceof TypeError);
  assertMatch(failed.message, /the DKIM key bad of example\.test holds no private key/);
  assertEquals(await verdicts(await world.send(MAIL), world.clock.now()), [
    "pass next example.test",
  ]);
});

Deno.test("SigningKeys.open() takes no names that no signature can have: no mail would be signed by them", async () => {
  for (const names of [{ selector: "s 1" }, { selector: "s1; d=x" }, { domain: "[192.0.2.1]" }]) {
    const text = { domain: "example.test", selector: "s1", pem: PEM, ...names };
    await assertRejects(() => SigningKeys.open([text]), TypeError, "not a ");
  }
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const rsa = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  const keys = await SigningKeys.open([
    { domain: "BÜCHER.example", selector: "s1", pem: PEM },
    { domain: "xn--bcher-kva.example", selector: "s2", pem: rsa },
  ]);
  // The signature that everybody can check is the uppermost.
  assertEquals(keys.find("BÜCHER.EXAMPLE")?.keys.map(({ selector }) => selector), ["s2", "s1"]);
  assertEquals(keys.find("news.xn--bcher-kva.example")?.domain, "xn--bcher-kva.example");
});

const SEVEN_BIT: readonly RouteOptions[] = [{
  domains: ["old.example"],
  via: { kind: "smarthost", host: "192.0.2.99", eightBit: "convert-first" },
}];

Deno.test("dkimSigning() makes mail 7-bit before it signs, where a route says so, and only there", async () => {
  await using world = await start({ routes: SEVEN_BIT });
  const text = MAIL.replace("Hello.", "Hello to all, and Grüße.");
  const converted = await world.send(text, "you@old.example");
  assertMatch(converted, /\r\n\r\nHello to all, and Gr=C3=BC=C3=9Fe\.\r\n$/);
  assertMatch(converted, /^Content-Transfer-Encoding: quoted-printable\r$/m);
  assertMatch(converted, /^MIME-Version: 1\.0\r$/m);
  // What is added stands behind what was there, the trace field above all.
  assertMatch(converted, /^Received: [^]*^From: [^]*^Content-Transfer-Encoding: [^]*^MIME-V/m);
  assertEquals(await verdicts(converted, world.clock.now()), BOTH);

  const asItWas = await world.send(text);
  assertMatch(asItWas, /\r\n\r\nHello to all, and Grüße\.\r\n$/);
  assertEquals(await verdicts(asItWas, world.clock.now()), BOTH);

  // What is 7-bit already goes as it came, and so does what cannot be converted: delivery says that.
  const plain = await world.send(MAIL, "you@old.example");
  assertMatch(plain, /\r\n\r\nHello\.\r\n$/);
  assertNotMatch(plain, /^MIME-Version/m);
  const sealed = [
    "From: alice@example.test",
    "MIME-Version: 1.0",
    'Content-Type: multipart/signed; boundary="b"; micalg=x; protocol="application/x"',
    ...["", "--b", "Content-Type: text/plain; charset=utf-8", "", "Grüße", "--b"],
    ...["Content-Type: application/x", "", "sig", "--b--", ""],
  ].join("\r\n");
  const kept = await world.send(sealed, "you@old.example");
  assertMatch(kept, /\r\nGrüße\r\n/);
  assertEquals(await verdicts(kept, world.clock.now()), BOTH);
});

Deno.test("dkimSigning() replaces the labels of a message that it re-encodes, each once", async () => {
  await using world = await start({ routes: SEVEN_BIT });
  const text = [
    "content-type: text/plain; charset=utf-8",
    "From: alice@example.test",
    "Content-Transfer-Encoding: 8bit",
    "Content-Transfer-Encoding: 8bit",
    "Mime-Version: 1.0",
    ...["", "Hello to all, and Grüße", ""],
  ].join("\r\n");
  const mail = await world.send(text, "you@old.example");
  assertEquals(mail.match(/^Content-Transfer-Encoding:.*$/gim), [
    "Content-Transfer-Encoding: quoted-printable",
  ]);
  assertEquals(mail.match(/^content-type:.*$/gim)?.length, 1);
  assertEquals(mail.match(/^mime-version:.*$/gim)?.length, 1);
  assertEquals(await verdicts(mail, world.clock.now()), BOTH);
});

Deno.test("dkimSigning() signs fields that are there twice as they go out, twice", async () => {
  await using world = await start({ routes: SEVEN_BIT });
  const body = ["", "Hello to all, and Grüße", ""];
  for (
    const twice of [
      ["Content-Type: text/plain; charset=utf-8", "Content-Type: text/html", "MIME-Version: 1.0"],
      ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Mime-Version: 1.0"],
    ]
  ) {
    const text = ["From: alice@example.test", ...twice, ...body].join("\r\n");
    const mail = await world.send(text, "you@old.example");
    for (const field of twice) assert(mail.includes(`${field}\r\n`), mail);
    assertMatch(mail, /^Content-Transfer-Encoding: quoted-printable\r$/m);
    assertEquals(await verdicts(mail, world.clock.now()), BOTH);
  }
});

Deno.test("dkimSigning() encodes lines that are too long before it signs: others would break them", async () => {
  await using world = await start();
  const limit = `${"x".repeat(998)}\r\n`;
  const kept = await world.send(MAIL.replace("Hello.\r\n", limit));
  assert(kept.endsWith(`\r\n\r\n${limit}`));
  assertNotMatch(kept, /^Content-Transfer-Encoding/m);
  const long = `${"word ".repeat(30_000)}\r\n`;
  const mail = await world.send(MAIL.replace("Hello.\r\n", long));
  assertMatch(mail, /^Content-Transfer-Encoding: base64\r$/m);
  const [head, body = ""] = mail.split("\r\n\r\n");
  assert(head !== undefined && body.split("\r\n").every((line) => line.length <= 78));
  assertEquals(atob(body.replaceAll("\r\n", "")), long);
  for (const one of [kept, mail]) assertEquals(await verdicts(one, world.clock.now()), BOTH);
  // What others have signed inside stays as it is.
  const signed = [
    ...["From: alice@example.test", "MIME-Version: 1.0"],
    'Content-Type: multipart/signed; boundary="b"; micalg=x; protocol="application/x"',
    ...[
      "",
      "--b",
      "",
      "x".repeat(2000),
      "--b",
      "Content-Type: application/x",
      "",
      "sig",
      "--b--",
      "",
    ],
  ].join("\r\n");
  const left = await world.send(signed);
  assert(left.includes(`\r\n${"x".repeat(2000)}\r\n`));
  assertEquals(await verdicts(left, world.clock.now()), BOTH);
});

Deno.test("dkimSigning() folds signed fields with lines that are too long, where they have white space", async () => {
  await using world = await start();
  const list = Array.from({ length: 200 }, (_, index) => `Bob  Ü <b${index}@example.net>`).join(
    ", ",
  );
  const kept = ["X-Note: " + "a b ".repeat(500), "List-Id: " + "x".repeat(1500), "Cc: a@b.example"];
  const text = `To: c@d.example\r\nTo: ${list}\r\n${kept.join("\r\n")}\r\n${MAIL}`;
  const mail = await world.send(text);
  for (const field of kept) assert(mail.includes(`\r\n${field}\r\n`), field);
  const [, folded = ""] = /^To: (Bob [^]*?)\r\n(?![ \t])/m.exec(mail) ?? [];
  assertEquals(folded.replaceAll("\r\n", ""), list);
  assert(folded.split("\r\n").length > 50 && mail.includes("\r\nTo: c@d.example\r\n"));
  assertEquals(await verdicts(mail, world.clock.now()), BOTH);
});

Deno.test("dkimSigning() makes lines of binary mail before it signs", async () => {
  await using world = await start();
  const peer = await world.station.greeted();
  const body = "nul \0 octet\r\n";
  const text = `MIME-Version: 1.0\r\n${MAIL.replace("Hello.\r\n", body)}`;
  await peer.say("MAIL FROM:<a@client.example> BODY=BINARYMIME", 250);
  await peer.say("RCPT TO:<you@elsewhere.example>", 250);
  await peer.send(`BDAT ${encode(text).length} LAST\r\n${text}`);
  await peer.expect(250);
  const mail = await world.only();
  assertMatch(mail, /^Content-Transfer-Encoding: base64\r$/m);
  assert(mail.includes(btoa(body)), mail);
  assertEquals(await verdicts(mail, world.clock.now()), BOTH);
});

Deno.test("dkimSigning() signs the notices of a station that has a key for its own name", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const store = new MemoryStore({ clock: runtime.clock });
  const keys = await SigningKeys.open(KEYS);
  await using station = await MemoryStation.start({
    runtime,
    policies: [dkimSigning({ keys }, runtime)],
    queue: { store },
    // Nobody answers there: it is given up in the end, and Bob told.
    routes: [{ domains: ["*"], via: { kind: "smarthost", host: "192.0.2.99", tls: "none" } }],
  });
  const sent = station.mta.submit(
    { sender: "bob@example.test", recipients: ["x@elsewhere.example"] },
    MAIL.replace("alice@", "bob@"),
  );
  await runtime.clock.runUntil(sent);
  await runtime.clock.runUntil(
    (async () => {
      while ((await station.mailbox("bob")).length === 0) await runtime.clock.sleep(3_600_000);
    })(),
  );
  const notices = await station.mailbox("bob");
  const notice = notices.find((mail) => mail.includes("multipart/report"))!;
  const asSent = notice.replace(/^(?:(?:Return-Path|Delivered-To):.*\r\n)+/, "");
  assertEquals(await verdicts(asSent, runtime.clock.now()), ["pass host mx.example.test"]);
});
