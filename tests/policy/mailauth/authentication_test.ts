import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { encode } from "../../../src/bytes.ts";
import type { MtaFact } from "../../../src/events.ts";
import type { DmarcObservation } from "../../../src/mailauth/dmarc/observation.ts";
import {
  authentication,
  type AuthenticationOptions,
  type AuthenticationServices,
} from "../../../src/policy/mailauth/authentication.ts";
import { parseFields } from "../../../src/message/header.ts";
import { parseNetwork } from "../../../src/net_address.ts";
import { DEFAULT_EXEMPT } from "../../../src/policy/abuse/stranger.ts";
import type { SessionView } from "../../../src/policy/policy.ts";
import type { Envelope } from "../../../src/queue/entry.ts";
import { AuthenticationRuleBook } from "../../../src/policy/mailauth/authentication_rules.ts";
import { decide } from "../../../src/policy/mailauth/authentication_verdict.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation, type StationSetup } from "../../support/memory_station.ts";
import { KEY_RECORD, sealed, signed } from "./signed_mail.ts";

const MAIL =
  "From: Ann <ann@author.example>\r\nTo: alice@example.test\r\nSubject: hi\r\n\r\nHello.\r\n";
const CLIENT = "198.51.100.7";
const SENDER = "ann@author.example";
/** RFC 6376 §3.4.4: what the relaxed form of no body comes to. */
const EMPTY_BODY = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/** A station that checks mail, in a world where author.example has a policy, a key and an SPF record. */
class Checked implements AsyncDisposable {
  readonly facts: MtaFact[] = [];
  readonly observations: DmarcObservation[] = [];
  station!: MemoryStation;

  constructor(readonly runtime: MemoryRuntime) {}

  static async start(
    policy: string | null,
    options: Partial<AuthenticationOptions> = {},
    setup: Partial<StationSetup> = {},
  ): Promise<Checked> {
    const runtime = memoryRuntime({ address: "192.0.2.25" });
    const { resolver, clock } = runtime;
    resolver.set("author.example", {
      mx: ["10 mx.author.example"],
      txt: ["v=spf1 ip4:203.0.113.0/24 -all"],
    });
    resolver.set("s._domainkey.author.example", { txt: [KEY_RECORD] });
    if (policy !== null) resolver.set("_dmarc.author.example", { txt: [policy] });
    const checked = new Checked(runtime);
    checked.station = await MemoryStation.start({
      runtime,
      policies: [
        authentication({ authservId: "mx.example.test", ...options }, {
          resolver,
          clock,
          emit: (fact) => checked.facts.push(fact),
          observe: (observation) => checked.observations.push(observation),
        }),
      ],
      ...setup,
    });
    return checked;
  }

  /** Sends a mail; gives the last reply. */
  async send(text = MAIL, code = 250, enhanced?: string, from = CLIENT, sender = SENDER) {
    const peer = await this.station.greeted(from);
    const reply = await peer.mail({ text, sender }, code, enhanced);
    await peer.say("QUIT", 221);
    return reply;
  }

  /** The Authentication-Results fields of the only mail, unfolded. */
  async results(): Promise<string[]> {
    const mails = [...await this.station.mailbox("alice"), ...await this.junk()];
    assertEquals(mails.length, 1);
    const head = mails[0]!.split("\r\n\r\n")[0]!.replace(/\r\n[ \t]+/g, " ");
    return head.split("\r\n").filter((line) => line.startsWith("Authentication-Results:"));
  }

  junk(): Promise<string[]> {
    return this.station.mailbox("alice/.Junk");
  }

  async [Symbol.asyncDispose]() {
    await this.station[Symbol.asyncDispose]();
  }
}

Deno.test("mail that SPF passes is taken, and told of", async () => {
  await using checked = await Checked.start("v=DMARC1; p=reject");
  await checked.send(MAIL, 250, undefined, "203.0.113.9");
  assertEquals(await checked.results(), [
    "Authentication-Results: mx.example.test; " +
    "spf=pass (ip4:203.0.113.0/24) smtp.mailfrom=ann@author.example; dkim=none; " +
    "dmarc=pass (p=reject) header.from=author.example",
  ]);
  assertEquals(checked.facts.map((fact) => ({ ...fact, session: "", message: "" })), [{
    type: "message.authenticated",
    session: "",
    message: "",
    client: "203.0.113.9",
    from: ["author.example"],
    spf: "pass",
    spfDomain: "author.example",
    dkim: "none",
    signatures: [],
    arc: "none",
    dmarc: "pass",
    policy: "reject",
    disposition: "accept",
  }]);
});

Deno.test("the field stands on top, above Received", async () => {
  await using checked = await Checked.start(null);
  await checked.send();
  const [mail] = await checked.station.mailbox("alice");
  const names = mail!.split("\r\n\r\n")[0]!.match(/^[\w-]+(?=:)/gm)!;
  assertEquals(names.slice(0, 4), [
    "Return-Path",
    "Delivered-To",
    "Authentication-Results",
    "Received",
  ]);
});

Deno.test("mail that is signed is taken though it was forwarded", async () => {
  await using checked = await Checked.start("v=DMARC1; p=reject");
  const text = await signed(MAIL, "author.example", checked.runtime.clock.now());
  await checked.send(text, 250, undefined, CLIENT, "forwarder@elsewhere.example");
  const [field] = await checked.results();
  assertMatch(
    field!,
    /; spf=none .*; dkim=pass header\.d=author\.example header\.s=s .*; dmarc=pass /,
  );
  const [seen] = checked.observations;
  assertEquals(seen?.dkim.map(({ domain, selector, result }) => [domain, selector, result]), [
    ["author.example", "s", "pass"],
  ]);
  assertEquals([seen?.dkimAligned, seen?.spfAligned, seen?.disposition], [true, false, "none"]);
});

Deno.test("p=reject: forged mail is refused, with words that help", async () => {
  await using checked = await Checked.start("v=DMARC1; p=reject");
  const reply = await checked.send(MAIL, 550);
  assertStringIncludes(reply, "550-5.7.26 DMARC: ");
  assertStringIncludes(reply, "author.example");
  assertStringIncludes(reply, "SPF: fail for author.example; DKIM: no signature");
  assertEquals(await checked.station.mailbox("alice"), []);
  const [seen] = checked.observations;
  assertEquals([seen?.result, seen?.disposition, seen?.overrides], ["fail", "reject", []]);
  const { sourceIp, headerFrom, envelopeFrom, envelopeTo } = seen!;
  assertEquals({ sourceIp, headerFrom, envelopeFrom, envelopeTo }, {
    sourceIp: CLIENT,
    headerFrom: "author.example",
    envelopeFrom: "author.example",
    envelopeTo: ["example.test"],
  });
});

Deno.test("a signature of somebody else does not help, and the code says it is a matter of policy", async () => {
  await using checked = await Checked.start("v=DMARC1; p=reject");
  checked.runtime.resolver.set("s._domainkey.elsewhere.example", { txt: [KEY_RECORD] });
  const text = await signed(MAIL, "elsewhere.example", checked.runtime.clock.now());
  const reply = await checked.send(text, 550);
  assertStringIncludes(reply, "550-5.7.1 DMARC");
  assertStringIncludes(reply, "DKIM: signed by elsewhere.example");
});

Deno.test("p=quarantine: it lies in Junk, and Junk is a folder of Maildir++", async () => {
  await using checked = await Checked.start("v=DMARC1; p=quarantine");
  await checked.send();
  assertEquals(await checked.station.mailbox("alice"), []);
  assertEquals((await checked.junk()).length, 1);
  assertMatch(
    (await checked.results())[0]!,
    /dmarc=fail \(p=quarantine\) header\.from=author\.example policy\.dmarc=quarantine$/,
  );
  const tree = await checked.station.tree("/mail/example.test/alice");
  assert(tree.includes("/mail/example.test/alice/.Junk/maildirfolder"), tree.join("\n"));
  assertEquals(
    checked.station.of("delivery.done")[0]?.destination,
    "maildir:example.test/alice/.Junk",
  );
  assertEquals(checked.observations[0]?.disposition, "quarantine");
});

Deno.test("t=y: one level less, and it is said in the report", async () => {
  await using checked = await Checked.start("v=DMARC1; p=reject; t=y");
  await checked.send();
  assertEquals((await checked.junk()).length, 1);
  assertEquals(checked.observations[0]?.overrides, [{ type: "policy_test_mode", comment: "" }]);
});

Deno.test("p=none: it is taken", async () => {
  await using checked = await Checked.start("v=DMARC1; p=none");
  await checked.send();
  assertMatch((await checked.results())[0]!, /spf=fail .* dmarc=fail \(p=none\)/);
  assertEquals((await checked.station.mailbox("alice")).length, 1);
});

Deno.test("the configuration has its way, and the report tells", async () => {
  const rules = { dmarcReject: "junk" } as const;
  await using checked = await Checked.start("v=DMARC1; p=reject", { rules });
  await checked.send();
  assertEquals((await checked.junk()).length, 1);
  const [seen] = checked.observations;
  assertEquals([seen?.requested, seen?.disposition], ["reject", "quarantine"]);
  assertEquals(seen?.overrides, [{ type: "local_policy", comment: "" }]);
});

Deno.test("the postmaster gets what others are refused, in Junk", async () => {
  await using checked = await Checked.start("v=DMARC1; p=reject");
  const peer = await checked.station.greeted();
  await peer.mail({ text: MAIL, sender: SENDER, to: ["postmaster@example.test"] });
  await peer.mail({
    text: MAIL,
    sender: SENDER,
    to: ["postmaster@example.test", "bob@example.test"],
  }, 550);
  peer.close();
  const [done] = checked.station.of("delivery.done");
  assertMatch(done!.destination, /\/\.Junk$/);
  assertEquals(checked.observations.map(({ disposition }) => disposition), [
    "quarantine",
    "reject",
  ]);
});

Deno.test("a domain may have rules of its own", async () => {
  const domains = new Map([["author.example", { dmarcReject: "accept" } as const]]);
  await using checked = await Checked.start("v=DMARC1; p=reject", { domains });
  await checked.send();
  assertEquals((await checked.station.mailbox("alice")).length, 1);
});

Deno.test("a trusted forwarder's word is taken, and nobody else's", async () => {
  const text = (now: number) =>
    sealed(MAIL, "list.example", "mx.list.example; dmarc=pass header.from=author.example", now);
  for (const trusted of [true, false]) {
    const sealers = new Set(trusted ? ["list.example"] : ["other.example"]);
    await using checked = await Checked.start("v=DMARC1; p=reject", { sealers });
    checked.runtime.resolver.set("s._domainkey.list.example", { txt: [KEY_RECORD] });
    await checked.send(await text(checked.runtime.clock.now()), trusted ? 250 : 550);
    const [seen] = checked.observations;
    assertEquals(
      seen?.overrides,
      trusted ? [{ type: "trusted_forwarder", comment: "arc=pass, sealed by list.example" }] : [],
    );
    if (trusted) assertMatch((await checked.results())[0]!, /arc=pass \(i=1 list\.example\)/);
  }
});

Deno.test("SPF is recorded where nothing is said, and refuses at RCPT where it shall, but not the postmaster", async () => {
  const rules = { spfFail: "reject" } as const;
  await using checked = await Checked.start(null, { rules });
  const peer = await checked.station.greeted();
  await peer.say(`MAIL FROM:<${SENDER}>`, 250);
  const reply = await peer.say("RCPT TO:<alice@example.test>", 550);
  assertStringIncludes(
    reply,
    `550-5.7.23 SPF: author.example says that ${CLIENT} may not send its mail`,
  );
  await peer.say("RCPT TO:<postmaster>", 250);
  peer.close();
  await using other = await Checked.start(null);
  await other.send();
  assertMatch((await other.results())[0]!, /spf=fail/);
});

Deno.test("SPF: the explanation of a domain is said to be its own", async () => {
  await using checked = await Checked.start(null, { rules: { spfFail: "reject" } });
  const { resolver } = checked.runtime;
  resolver.set("author.example", { txt: ["v=spf1 -all exp=why.author.example"] });
  resolver.set("why.author.example", { txt: ["%{i} is not ours"] });
  const peer = await checked.station.greeted();
  await peer.say(`MAIL FROM:<${SENDER}>`, 250);
  const reply = await peer.say("RCPT TO:<alice@example.test>", 550);
  assertStringIncludes(reply, `author.example explains: ${CLIENT} is not ours`);
  peer.close();
});

Deno.test("SPF as a reason for Junk gives way to DMARC that passes", async () => {
  const rules = { spfFail: "junk" } as const;
  await using checked = await Checked.start("v=DMARC1; p=none", { rules });
  await checked.send();
  assertEquals((await checked.junk()).length, 1);
  await using passing = await Checked.start("v=DMARC1; p=none", { rules });
  await passing.send(await signed(MAIL, "author.example", passing.runtime.clock.now()));
  assertEquals((await passing.junk()).length, 0);
});

Deno.test("mail without a sender is checked by the name in HELO", async () => {
  await using checked = await Checked.start(null);
  checked.runtime.resolver.set("client.example", { txt: ["v=spf1 ip4:198.51.100.7 -all"] });
  await checked.send(MAIL, 250, undefined, CLIENT, "");
  assertMatch(
    (await checked.results())[0]!,
    /spf=pass \(ip4:198\.51\.100\.7\) smtp\.helo=client\.example/,
  );
});

Deno.test("DNS that fails refuses nothing for good, and puts off where that is wanted", async () => {
  await using checked = await Checked.start("v=DMARC1; p=reject");
  checked.runtime.resolver.failures.set("txt _dmarc.author.example", "servfail");
  await checked.send();
  assertMatch((await checked.results())[0]!, /dmarc=temperror reason=/);
  const whenUnknown = { rules: { whenUnknown: "defer" } } as const;
  await using deferring = await Checked.start("v=DMARC1; p=reject", whenUnknown);
  deferring.runtime.resolver.failures.set("txt _dmarc.author.example", "servfail");
  assertStringIncludes(await deferring.send(MAIL, 451), "4.7.1 DMARC");
  assertEquals(deferring.observations, []);
});

Deno.test("a name of the owner's whose DNS is silent gets nobody round p=reject: it is put off", async () => {
  const forged = (lame: string) =>
    `DKIM-Signature: v=1; a=rsa-sha256; d=${lame}; s=s; h=from; bh=x; b=y\r\n`;
  for (
    const [policy, code] of [["p=reject", 451], ["p=quarantine", 451], ["p=none", 250]] as const
  ) {
    await using checked = await Checked.start(`v=DMARC1; ${policy}`);
    const { resolver } = checked.runtime;
    resolver.failures.set("txt lame.author.example", "servfail");
    await checked.send(MAIL, code, undefined, CLIENT, "x@lame.author.example");
    await checked.send(
      forged("lame.author.example") + MAIL,
      code,
      undefined,
      CLIENT,
      "x@lame.author.example",
    );
  }
  // What the operator would take if it failed is taken.
  await using lenient = await Checked.start("v=DMARC1; p=reject", {
    rules: { dmarcReject: "accept" },
  });
  lenient.runtime.resolver.failures.set("txt lame.author.example", "servfail");
  await lenient.send(MAIL, 250, undefined, CLIENT, "x@lame.author.example");
});

Deno.test("what is put off is no observation, whatever else is known of it: it comes again", async () => {
  const rules = { whenUnknown: "defer" } as const;
  await using checked = await Checked.start("v=DMARC1; p=none", { rules });
  const { failures } = checked.runtime.resolver;
  failures.set("txt _dmarc.other.example", "servfail");
  const text = MAIL.replace("<ann@author.example>", "<ann@author.example>, x@other.example");
  await checked.send(text, 451);
  assertEquals(checked.observations, []);
  failures.clear();
  await checked.send(text);
  assertEquals(checked.observations.map(({ headerFrom }) => headerFrom), ["author.example"]);
});

Deno.test("one valid signature makes it signed", async () => {
  await using checked = await Checked.start("v=DMARC1; p=reject");
  const text = await signed(MAIL, "author.example", checked.runtime.clock.now());
  const signature = text.slice(0, text.indexOf("From:"));
  await checked.send(signature.replace("d=author.example", "d=other.example") + text);
  const [fact] = checked.facts;
  assert(fact?.type === "message.authenticated");
  assertEquals(fact.dkim, "pass");
  assertEquals(fact.signatures, ["other.example/s: permerror", "author.example/s: pass"]);
});

/** A station whose checks ask this resolver. */
function startAsking(runtime: MemoryRuntime, resolver: AuthenticationServices["resolver"]) {
  const services = { resolver, clock: runtime.clock, emit: () => {} };
  return MemoryStation.start({
    runtime,
    policies: [authentication({ authservId: "mx.example.test" }, services)],
  });
}

Deno.test("DNS that never answers is waited for so long and no longer", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const silent = (_name: string, signal?: AbortSignal) =>
    new Promise<{ status: "failed"; reason: string }>((resolve) =>
      signal?.addEventListener("abort", () => resolve({ status: "failed", reason: "aborted" }))
    );
  const resolver = { a: silent, aaaa: silent, mx: silent, txt: silent, ptr: silent };
  const { clock } = runtime;
  await using station = await startAsking(runtime, resolver);
  const peer = await station.greeted();
  const began = clock.now();
  await peer.mail({ text: await signed(MAIL, "author.example", began), sender: SENDER });
  assert(clock.now() - began <= 45_000, `${clock.now() - began}`);
  const [mail] = await station.mailbox("alice");
  assertMatch(mail!, /spf=temperror[^]*dkim=temperror[^]*dmarc=temperror/);
  peer.close();
});

Deno.test("who draws out the other checks does not get round DMARC", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { resolver: world, clock } = runtime;
  world.set("_dmarc.author.example", { txt: ["v=DMARC1; p=reject"] });
  // A forger's name servers keep silent.
  const slow = (name: string, signal?: AbortSignal) =>
    name.endsWith("forger.example")
      ? new Promise<{ status: "failed"; reason: string }>((resolve) => {
        const giveUp = () => resolve({ status: "failed", reason: "aborted" });
        if (signal?.aborted) giveUp();
        signal?.addEventListener("abort", giveUp);
      })
      : world.txt(name, signal);
  const none = () => Promise.resolve({ status: "none", reason: "nodata" } as const);
  const resolver = { a: none, aaaa: none, mx: none, ptr: none, txt: slow };
  await using station = await MemoryStation.start({
    runtime,
    policies: [
      authentication({ authservId: "mx.example.test" }, { resolver, clock, emit: () => {} }),
    ],
  });
  const sets = Array.from({ length: 40 }, (_, i) => {
    const tags = `i=${i + 1}; a=rsa-sha256; d=d${i}.forger.example; s=s; b=YQ==`;
    return `ARC-Seal: ${tags}; cv=${i === 0 ? "none" : "pass"}\r\n` +
      `ARC-Message-Signature: ${tags}; h=from; bh=${EMPTY_BODY}\r\n` +
      `ARC-Authentication-Results: i=${i + 1}; x.example; none\r\n`;
  });
  for (const author of ["ann@author.example", "ann@anything.author.example"]) {
    const peer = await station.greeted();
    const text = `${sets.reverse().join("")}From: ${author}\r\n\r\n`;
    const reply = await peer.mail({ text, sender: "x@forger.example" }, 550);
    assertStringIncludes(reply, "DMARC: this is not authenticated as mail of");
    peer.close();
  }
});

Deno.test("messages that make us wait for their servers leave places for other questions", () => {
  const { clock } = memoryRuntime();
  const asked: string[] = [];
  const silent = (name: string) => {
    asked.push(name);
    return new Promise<never>(() => {});
  };
  const resolver = { a: silent, aaaa: silent, mx: silent, txt: silent, ptr: silent };
  const policy = authentication({ authservId: "mx.example.test" }, {
    ...{ resolver, clock },
    emit: () => {},
  });
  const recipient = { local: "alice", domain: "example.test" };
  for (let i = 0; i < 100; i++) {
    const session: SessionView = {
      ...{ id: `${i}`, role: "mx", client: CLIENT, hello: "h.example", tls: null },
      ...{ identity: null, trusted: false },
    };
    const sender = { local: "x", domain: `s${i}.forger.example` };
    const envelope = { sender, recipients: [], body: "7BIT", smtputf8: false, requireTls: false };
    policy.recipient!(session, recipient, envelope as Envelope);
    const signatures = Array.from(
      { length: 8 },
      (_, n) =>
        `DKIM-Signature: v=1; a=rsa-sha256; d=d${n}-${i}.forger.example; s=s; h=from; ` +
        `bh=${EMPTY_BODY}; b=YQ==\r\n`,
    );
    const head = `${signatures.join("")}From: ann@a${i}.example\r\n`;
    policy.body!(session, parseFields(encode(head)), envelope as Envelope);
  }
  const ofAuthors = asked.filter((name) => name.startsWith("_dmarc."));
  assertEquals([ofAuthors.length, asked.length - ofAuthors.length], [64, 128]);
});

Deno.test("a resolver that throws is one that does not answer", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const broken = () => Promise.reject(new Error("broken"));
  const resolver = { a: broken, aaaa: broken, mx: broken, txt: broken, ptr: broken };
  const { clock } = runtime;
  await using station = await startAsking(runtime, resolver);
  const peer = await station.greeted();
  await peer.say(`MAIL FROM:<${SENDER}>`, 250);
  await peer.say("RCPT TO:<alice@example.test>", 250);
  await peer.say("RSET", 250);
  await peer.mail({ text: await signed(MAIL, "author.example", clock.now()), sender: SENDER });
  const [mail] = await station.mailbox("alice");
  assertMatch(mail!, /spf=temperror[^]*dkim=temperror[^]*dmarc=temperror/);
  peer.close();
});

Deno.test("several From fields are refused, or what is wanted", async () => {
  const text = `From: ann@author.example\r\n${MAIL}`;
  await using checked = await Checked.start("v=DMARC1; p=none");
  assertStringIncludes(await checked.send(text, 550), "there is more than one From field");
  await using junk = await Checked.start("v=DMARC1; p=none", { malformedFrom: "junk" });
  await junk.send(text);
  assertEquals((await junk.junk()).length, 1);
  assertMatch(
    (await junk.results())[0]!,
    /dmarc=permerror reason="there is more than one From field"/,
  );
});

Deno.test("of several authors the worst counts, and what is malformed hides nobody", async () => {
  for (
    const from of ["x@evil.example, ann@author.example", "ann@author.example <x@evil.example>"]
  ) {
    await using checked = await Checked.start("v=DMARC1; p=reject");
    await checked.send(MAIL.replace(/^From: .*/, `From: ${from}`), 550);
    assertEquals(checked.observations.map(({ headerFrom }) => headerFrom), ["author.example"]);
  }
});

Deno.test("mail that names nobody is taken", async () => {
  await using checked = await Checked.start("v=DMARC1; p=reject");
  await checked.send(MAIL.replace(/^From: .*\r\n/, ""));
  assertMatch((await checked.results())[0]!, /dmarc=none reason="there is no From field"/);
});

Deno.test("fields of our name are taken out, others stay", async () => {
  const forged = "Authentication-Results: MX.example.test; dmarc=pass header.from=bank.example\r\n";
  const others = "Authentication-Results: mx.elsewhere.example; spf=pass\r\n";
  await using checked = await Checked.start(null);
  await checked.send(`${forged}${others}${forged}${forged}${MAIL}`);
  const fields = await checked.results();
  assertEquals(fields.length, 2);
  assertMatch(fields[0]!, /^Authentication-Results: mx\.example\.test; spf=fail/);
  assertEquals(fields[1], others.trim());
});

Deno.test("they are taken out where nothing is checked, and out of users' mail", async () => {
  const text = `Authentication-Results: mx.example.test; dmarc=pass\r\n${MAIL}`;
  await using off = await Checked.start("v=DMARC1; p=reject", { enabled: false });
  await off.send(text);
  assertEquals([await off.results(), off.facts], [[], []]);
  // Of users' too who log in from a server that may write them.
  const borders = [parseNetwork("198.51.100.0/24")!];
  await using user = await Checked.start("v=DMARC1; p=reject", { borders }, {
    listener: { role: "submission" },
  });
  const peer = await user.station.connect(CLIENT);
  await peer.expect(220);
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
  await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wonderland")}`, 235);
  const own = text.replace("ann@author.example", "alice@example.test");
  await peer.mail({ text: own, sender: "alice@example.test" });
  peer.close();
  assertEquals([await user.results(), user.facts], [[], []]);
});

Deno.test("they are taken out of mail that is not checked, but for that of servers that write them for us", async (t) => {
  const text = `authentication-results : mx.example.test; dmarc=pass\r\n${MAIL}`;
  const network = [parseNetwork("198.51.100.0/24")!];
  const relayFrom = ["198.51.100.0/24"];
  const lmtp = { listener: { role: "lmtp" } } as const;
  const cases: readonly (readonly [
    string,
    Partial<AuthenticationOptions>,
    Partial<StationSetup>,
    number,
  ])[] = [
    ["a client that may relay", {}, { relayFrom }, 0],
    ["an exempt client", { exempt: network }, {}, 0],
    ["a named one of those", { borders: network }, { relayFrom }, 1],
    ["another that is named", { borders: [parseNetwork("192.0.2.0/24")!] }, { relayFrom }, 0],
    ["the server in front", {}, lmtp, 1],
  ];
  for (const [who, options, setup, left] of cases) {
    await t.step(who, async () => {
      await using checked = await Checked.start("v=DMARC1; p=reject", options, setup);
      const peer = await checked.station.connect(CLIENT);
      await peer.expect(220);
      await peer.say(setup === lmtp ? "LHLO client.example" : "EHLO client.example", 250);
      await peer.mail({ text, sender: SENDER });
      await peer.say("QUIT", 221);
      const [mail] = await checked.station.mailbox("alice");
      const fields = mail!.match(/^authentication-results :/gm) ?? [];
      assertEquals([fields.length, checked.facts.length], [left, 0]);
    });
  }
});

Deno.test("they are taken out of what programs of this machine hand in", async () => {
  await using checked = await Checked.start("v=DMARC1; p=reject", { borders: DEFAULT_EXEMPT });
  const text = `Authentication-Results: mx.example.test; dmarc=pass\r\n${MAIL}`;
  const { station, runtime } = checked;
  await runtime.clock.runUntil(
    station.mta.submit({ sender: SENDER, recipients: ["alice@example.test"] }, encode(text)),
  );
  assertEquals(await checked.results(), []);
});

Deno.test("no question is asked for mail that nobody here would get", async () => {
  await using checked = await Checked.start("v=DMARC1; p=reject");
  const peer = await checked.station.greeted();
  for (let i = 0; i < 5; i++) {
    await peer.say(`MAIL FROM:<${SENDER}>`, 250);
    await peer.say("RCPT TO:<nobody@example.test>", 550);
    await peer.say("RSET", 250);
  }
  assertEquals(checked.runtime.resolver.questions.size, 0);
  peer.close();
});

Deno.test("each message of a session is checked by itself", async () => {
  await using checked = await Checked.start("v=DMARC1; p=none");
  checked.runtime.resolver.set("other.example", { txt: ["v=spf1 ip4:198.51.100.7 -all"] });
  const peer = await checked.station.greeted();
  await peer.mail({ text: MAIL, sender: SENDER });
  await peer.mail({ text: MAIL, sender: "x@other.example" });
  await peer.say(`MAIL FROM:<${SENDER}>`, 250);
  await peer.say("RCPT TO:<alice@example.test>", 250);
  await peer.say("RSET", 250);
  await peer.mail({ text: MAIL, sender: "x@other.example" });
  await peer.say("QUIT", 221);
  assertEquals(
    checked.facts.map((fact) => fact.type === "message.authenticated" && fact.spf),
    ["fail", "pass", "pass"],
  );
});

Deno.test("a bomb of signatures, fields and authors is taken or refused in its turn, and asks little of DNS", async () => {
  await using checked = await Checked.start("v=DMARC1; p=none");
  const { resolver, clock } = checked.runtime;
  const text = await signed(MAIL, "author.example", clock.now());
  const signature = text.slice(0, text.indexOf("From:"));
  const other = (i: number) => signature.replace("d=author.example", `d=d${i}.example`);
  await checked.send(Array.from({ length: 300 }, (_, i) => other(i)).join("") + text);
  const fact = checked.facts[0]!;
  assert(fact.type === "message.authenticated");
  assertEquals(fact.signatures.length, 8);
  assert(resolver.questions.size < 30, `${resolver.questions.size}`);
  const forged = "Authentication-Results: mx.example.test; dmarc=pass\r\n";
  await using second = await Checked.start("v=DMARC1; p=none");
  await second.send(forged.repeat(1000) + MAIL);
  assertEquals((await second.results()).length, 1);
  await using third = await Checked.start("v=DMARC1; p=none");
  const many = Array.from({ length: 5000 }, (_, i) => `a@d${i}.example`).join(",\r\n ");
  await third.send(MAIL.replace(/^From: .*/, `From: ${many}`), 550);
  assertEquals(third.runtime.resolver.questions.size, 1);
});

Deno.test("questions end with the session, and with the message that they were about", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { clock } = runtime;
  let key = Promise.withResolvers<AbortSignal>();
  const ask = (name: string, signal?: AbortSignal) => {
    if (!name.startsWith("s.")) {
      return Promise.resolve({ status: "none", reason: "nodata" } as const);
    }
    key.resolve(signal!);
    return new Promise<{ status: "failed"; reason: string }>((resolve) =>
      signal!.addEventListener("abort", () => resolve({ status: "failed", reason: "aborted" }))
    );
  };
  const resolver = { a: ask, aaaa: ask, mx: ask, txt: ask, ptr: ask };
  await using station = await MemoryStation.start({
    runtime,
    policies: [
      authentication({ authservId: "mx.example.test" }, { resolver, clock, emit: () => {} }),
    ],
  });
  const text = await signed(MAIL, "author.example", clock.now());
  const began = clock.now();
  const peer = await station.greeted();
  // Nobody waits for a key that cannot have signed this body.
  await peer.mail({ text: text.replace("Hello", "Bye"), sender: SENDER });
  assertEquals((await key.promise).aborted, true);
  key = Promise.withResolvers();
  await peer.begin();
  await peer.send(text.slice(0, -4));
  const signal = await clock.runUntil(key.promise);
  assertEquals(signal.aborted, false);
  peer.close();
  await clock.runUntil(new Promise((done) => signal.addEventListener("abort", done)));
  // Not because time was up.
  assert(clock.now() - began < 5000, `${clock.now() - began}`);
});

Deno.test("what is refused for good goes before what is put off, and that before Junk", () => {
  const spf = { domain: "c.test", scope: "mfrom", identity: "a@c.test", result: "fail" } as const;
  const arc = { result: "none", sets: [] } as const;
  const authors = { status: "named", domains: ["a.test", "b.test"] } as const;
  const known = { spf, dkim: [], arc, authors, vouched: new Map() };
  const book = new AuthenticationRuleBook({ spfFail: "junk", whenUnknown: "defer" });
  const failed = { result: "fail", requested: "reject", disposition: "reject" } as const;
  const unknown = { result: "temperror", requested: "none", disposition: "none" } as const;
  const common = { policy: null, organization: null, spfAligned: false, dkimAligned: false };
  const actionOf = (...results: readonly (typeof failed | typeof unknown)[]) => {
    const dmarc = results.map((each, i) => ({ ...common, ...each, domain: authors.domains[i]! }));
    return decide({ ...known, dmarc }, { book, malformedFrom: "reject" }).action;
  };
  assertEquals(actionOf(), "junk");
  assertEquals(actionOf(unknown), "defer");
  assertEquals([actionOf(failed, unknown), actionOf(unknown, failed)], ["reject", "reject"]);
});
