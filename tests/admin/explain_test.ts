import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type Address, formatAddress, parseAddress } from "../../src/address.ts";
import { explain } from "../../src/admin/explain.ts";
import { explainConnect } from "../../src/admin/explain_connect.ts";
import type { ExplainQuestion, ExplainStep, ExplainStepName } from "../../src/admin/explanation.ts";
import { encode } from "../../src/bytes.ts";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import type { ListenerOptions, MtaOptions } from "../../src/mta_options.ts";
import { MemoryStore } from "../../src/queue/memory_store.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import { mxCertificate, testAuthority } from "../support/certificates.ts";
import { MemoryStation, type SmtpPeer } from "../support/memory_station.ts";

const DIRECTORY = mapDirectory({
  accounts: {
    "alice@example.test": { password: "wonderland", sendAs: ["sales@example.test"] },
    "bob@example.test": { quota: { messages: 0 } },
  },
  aliases: {
    "team@example.test": ["alice@example.test", "carol@far.test"],
    "circle@example.test": "round@example.test",
    "round@example.test": "circle@example.test",
  },
  catchAll: { "all.test": "alice@example.test" },
  scram: memoryRuntime(),
});

const MX: ListenerOptions = {
  role: "mx",
  address: { transport: "tcp", hostname: "0.0.0.0", port: 25 },
};
const SUBMISSION: ListenerOptions = {
  role: "submission",
  address: { transport: "tcp", hostname: "0.0.0.0", port: 587 },
};

function stationOptions(
  runtime: MemoryRuntime,
  options: Partial<Omit<MtaOptions, "runtime">> = {},
): MtaOptions {
  return {
    runtime,
    hostname: "mx.example.test",
    directory: DIRECTORY,
    delivery: { maildirRoot: "/mail" },
    certificates: [mxCertificate],
    listeners: [MX, SUBMISSION],
    queue: {
      store: new MemoryStore({ clock: runtime.clock }),
      srsSecret: "sixteen octets at least",
    },
    ...options,
  };
}

function address(text: string): Address {
  return text.includes("@") ? parseAddress(text, { smtputf8: true })! : { local: text, domain: "" };
}

/** The steps of an explanation. */
async function ask(
  recipient: string,
  question: Partial<Omit<ExplainQuestion, "recipient">> = {},
  options: Partial<Omit<MtaOptions, "runtime">> = {},
  runtime = memoryRuntime({ address: "192.0.2.25" }),
): Promise<readonly ExplainStep[]> {
  const asked = { sender: address("someone@client.test"), ...question };
  const { explanation } = await explain(stationOptions(runtime, options), {
    ...asked,
    recipient: address(recipient),
  });
  return explanation.steps;
}

/** One step of a name, which must be the only one. */
function only(steps: readonly ExplainStep[], step: ExplainStepName): ExplainStep {
  const found = steps.filter((one) => one.step === step);
  assertEquals(found.length, 1, `${step} in ${JSON.stringify(steps)}`);
  return found[0]!;
}

function verdicts(steps: readonly ExplainStep[], step: ExplainStepName): string[] {
  return steps.filter((one) => one.step === step).map(({ verdict }) => verdict);
}

Deno.test("explain() tells what each listener answers to a stranger and to a user", async () => {
  const stranger = await ask("bob@far.test");
  assertEquals(verdicts(stranger, "reply"), [
    "550 5.7.1 relaying denied: that address is not here",
    "530 5.7.0 authentication required",
  ]);
  const user = await ask("bob@far.test", { login: "alice@example.test", sender: null });
  assertEquals(verdicts(user, "reply")[1], "250 2.1.5 recipient OK");
  const forged = await ask("bob@far.test", { login: "alice@example.test" });
  const reply = forged.filter(({ step }) => step === "reply")[1]!;
  assertMatch(reply.verdict, /^550 5\.7\.1 .* is not an address of alice@example\.test$/);
  assertEquals(
    reply.because,
    "the policy sender-identity says so: alice@example.test sends as its own address, and as what sendAs in the " +
      "users file allows (yizhan user list)",
  );
});

Deno.test("explain() takes a sender that is a user for one who has logged in", async () => {
  const steps = await ask("bob@far.test", { sender: address("alice@example.test") });
  assertEquals(verdicts(steps, "reply")[1], "250 2.1.5 recipient OK");
});

Deno.test("explain() says why a client may relay, or why not", async () => {
  const because = async (options: Partial<MtaOptions>, recipient = "bob@far.test") =>
    (await ask(recipient, { client: "198.51.100.7" }, { listeners: [MX], ...options }))
      .find(({ step }) => step === "reply")!.because;
  assertMatch(
    await because({}),
    /198\.51\.100\.7 has not logged in and is in none of relay\.from$/,
  );
  assertMatch(await because({ relayFrom: ["198.51.100.0/24"] }), /is in relay\.from$/);
  const routes = [{ domains: ["far.test"], accept: true, via: { kind: "mx" } }] as const;
  assertMatch(await because({ routes }), /a route accepts mail for it from anybody$/);
  assertMatch(await because({ routes }, '"a%b"@far.test'), /but not with @, % or !/);
});

Deno.test("explain() follows aliases, tags and catch-alls with the rule for each", async () => {
  const rules = async (recipient: string) =>
    (await ask(recipient)).filter(({ step }) => step === "address")
      .map(({ about, because }) => `${about}: ${because}`);
  assertEquals(await rules("alice+news@example.test"), [
    "alice+news@example.test: the users file has it without the tag (mail.subaddressDelimiter)",
  ]);
  assertEquals(await rules("any@all.test"), [
    "any@all.test: nobody has it, and its domain has a catch-all",
    "alice@example.test: the users file has just this address",
  ]);
  assertEquals((await rules("postmaster@example.test")).length, 1);
  assertMatch((await rules("postmaster@example.test"))[0]!, /never refused/);
});

Deno.test("explain() tells of aliases that go in a circle", async () => {
  const steps = await ask("circle@example.test");
  assertEquals(verdicts(steps, "reply")[0], "550 5.1.1 no such user here");
  assertEquals(verdicts(steps, "address").at(-1), "the aliases lead only to each other");
});

Deno.test("explain() tells where a mailbox lies and whether there is room in it", async () => {
  const alice = only(await ask("alice@example.test"), "mailbox");
  assertEquals(alice.verdict, "/mail/example.test/alice/new");
  const bob = await ask("bob@example.test");
  assertEquals(only(bob, "mailbox").outcome, "bad");
  assertMatch(verdicts(bob, "reply")[0]!, /^552 5\.2\.2 /);
});

Deno.test("explain() tells hosts in order, and those that are passed over with the reason", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { resolver } = runtime;
  resolver.set("far.test", {
    mx: [
      "10 a.far.test",
      "20 b.far.test",
      "20 none.far.test",
      "30 mx.example.test",
      "40 late.far.test",
    ],
  });
  resolver.set("a.far.test", { a: ["127.0.0.1", "198.51.100.1"] });
  resolver.set("b.far.test", { a: ["198.51.100.2"] });
  const steps = await ask("carol@far.test", {}, { relayFrom: ["203.0.113.0/24"] }, runtime);
  const hosts = only(steps, "hosts");
  assertEquals(hosts.verdict, "first a.far.test [198.51.100.1]:25");
  assertEquals(hosts.details?.filter((line) => !line.startsWith("passed over")), [
    "10 a.far.test [198.51.100.1] port 25",
    "20 b.far.test [198.51.100.2] port 25",
  ]);
  const passed = hosts.details!.filter((line) => line.startsWith("passed over")).join("\n");
  assertMatch(passed, /a\.far\.test \[127\.0\.0\.1\]: loopback address/);
  assertMatch(passed, /none\.far\.test: there is no such name/);
  assertMatch(passed, /mx\.example\.test: its name is ours/);
  assertMatch(passed, /late\.far\.test: it is not preferred to this server/);
});

Deno.test("explain() tells what DNS makes of a domain: no domain, null MX, a name server that is ill", async () => {
  const runtime = memoryRuntime();
  runtime.resolver.set("null.test", { mx: ["0 ."] });
  runtime.resolver.set("ill.test", { mx: ["10 mx.ill.test"] });
  runtime.resolver.failures.set("mx ill.test", "servfail");
  const hosts = async (domain: string) => {
    const steps = await ask(`x@${domain}`, {}, { relayFrom: ["203.0.113.0/24"] }, runtime);
    return { ...only(steps, "hosts"), retries: verdicts(steps, "retry").length };
  };
  const none = await hosts("nowhere.test");
  assertEquals([none.outcome, none.verdict.slice(0, 9), none.retries], ["bad", "550 5.1.2", 0]);
  assertEquals((await hosts("null.test")).verdict.slice(0, 10), "556 5.1.10");
  const ill = await hosts("ill.test");
  assertEquals([ill.outcome, ill.verdict.slice(0, 9), ill.retries], ["later", "451 4.4.3", 1]);
});

Deno.test("explain() tells the ways of routes: smarthost, hold, pipe, LMTP, and who named them", async () => {
  const credentials = { user: "us", password: "secret" };
  const routes: MtaOptions["routes"] = [
    { domains: ["*"], via: { kind: "smarthost", host: "192.0.2.99", credentials } },
    { domains: ["held.test"], via: { kind: "hold", then: { kind: "mx" } } },
    {
      domains: [".pipe.test"],
      via: { kind: "pipe", program: "take", arguments: ["{user}", "-t", "{tag}"] },
    },
    {
      domains: ["lmtp.test"],
      via: { kind: "lmtp", address: { transport: "unix", path: "/lmtp" } },
    },
  ];
  const to = (recipient: string) => ask(recipient, {}, { routes });
  const others = await to("x@far.test");
  assertEquals(only(others, "route").because, "relay.routes[0] is for all others (*)");
  assertEquals(only(others, "hosts").verdict, "first [192.0.2.99]:587");
  assertMatch(only(others, "tls").verdict, /^TLS with a certificate that is valid/);
  assertEquals(only(others, "login").verdict, "logs in as us");
  assert(!JSON.stringify(others).includes("secret"));

  const held = await to("x@held.test");
  assertMatch(only(held, "queue").verdict, /ETRN held\.test/);
  const pipe = await to("x+news@a.pipe.test");
  assertEquals(only(pipe, "program").verdict, '"take" "x" "-t" "news"');
  assertEquals(only(pipe, "route").because, "relay.routes[2] is for .pipe.test");
  const refused = await to("-rf@a.pipe.test");
  assertMatch(only(refused, "program").verdict, /^550 5\.1\.3/);
  assertEquals(only(await to("x@lmtp.test"), "route").verdict, "lmtp:unix:/lmtp");
});

Deno.test("explain() tells that REQUIRETLS makes a lax way strict", async () => {
  const routes: MtaOptions["routes"] = [
    { domains: ["*"], via: { kind: "smarthost", host: "192.0.2.99", tls: "none" } },
  ];
  assertEquals(only(await ask("x@far.test", {}, { routes }), "tls").verdict, "in clear");
  const strict = await ask("x@far.test", { requireTls: true }, { routes });
  assertMatch(only(strict, "tls").verdict, /valid for the name.*must offer REQUIRETLS$/);
});

Deno.test("explain() gives forwarded mail the sender that SRS makes", async () => {
  const steps = await ask("team@example.test");
  assertMatch(
    only(steps, "sender").verdict,
    /^SRS0=\S{8}=\S\S=client\.test=someone@example\.test$/,
  );
});

Deno.test("explain() tells when mail waits: the schedule of the domain", async () => {
  const retry = {
    domains: { "far.test": { first: 60_000, longest: 60_000, lifetime: 3_600_000 } },
  };
  const runtime = memoryRuntime();
  runtime.resolver.set("far.test", { a: ["198.51.100.1"] });
  const queue = { store: new MemoryStore({ clock: runtime.clock }), retry };
  const step = only(await ask("x@far.test", {}, { queue }, runtime), "retry");
  assertMatch(step.verdict, /again after 1m and so on, for 1h /);
  assertEquals(step.because, "queue.retryDomains names the domain");
});

Deno.test("explain() ends where nothing is sent on", async () => {
  const { queue: _, ...options } = stationOptions(memoryRuntime(), {
    relayFrom: ["203.0.113.0/24"],
  });
  const { explanation: { steps } } = await explain(options, {
    recipient: address("x@far.test"),
    sender: null,
  });
  assertEquals(verdicts(steps, "reply")[0], "554 5.3.3 this station does not send mail on");
  assertEquals(only(steps, "route").verdict, "it goes nowhere");
});

Deno.test("explain() changes nothing on the disk", async () => {
  const runtime = memoryRuntime();
  const directory = mapDirectory({
    accounts: { "alice@example.test": { quota: { bytes: 1000 } } },
  });
  await runtime.files.makeDirectory("/mail", 0o700);
  await runtime.files.makeDirectory("/mail/example.test", 0o700);
  await runtime.files.makeDirectory("/mail/example.test/alice", 0o700);
  const before = await list(runtime, "/");
  const steps = await ask("alice@example.test", {}, { directory }, runtime);
  assertEquals(only(steps, "mailbox").outcome, "good");
  assertEquals(await list(runtime, "/"), before);
});

async function list(runtime: MemoryRuntime, folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, kind } of runtime.files.list(folder)) {
    const path = `${folder === "/" ? "" : folder}/${name}`;
    paths.push(path, ...kind === "directory" ? await list(runtime, path) : []);
  }
  return paths.sort();
}

Deno.test("explain() throws for options that no station could start with", async () => {
  await assertRejects(() => ask("a@example.test", {}, { relayFrom: ["0.0.0.0/0"] }), TypeError);
});

Deno.test("explain() tells of a listener that could not start, and goes on", async () => {
  const steps = await ask("alice@example.test", {}, { certificates: [] });
  assertEquals(verdicts(steps, "reply"), [
    "250 2.1.5 recipient OK",
    "listener submission: role submission needs a certificate",
  ]);
});

Deno.test("explainConnect() asks the next server, says whether its certificate is valid, sends nothing", async () => {
  await using station = await MemoryStation.start({ directory: DIRECTORY });
  const { clock } = station.runtime;
  const beside = memoryRuntime({ address: "198.51.100.7", beside: station.runtime });
  const connect = async (via: object) => {
    const options = stationOptions(beside, {
      routes: [{ domains: ["*"], via: via as { kind: "mx" } }],
    });
    const explained = await explain({ ...options, hostname: "other.test" }, {
      recipient: address("x@far.test"),
      sender: null,
    });
    const [targets = []] = explained.ways;
    const signal = new AbortController().signal;
    return await clock.runUntil(explainConnect(explained.station, targets, signal));
  };
  const host = { kind: "smarthost", host: "192.0.2.25" };
  const [lax] = await connect(host);
  assertEquals(lax?.verdict, "ready for mail");
  assertMatch(lax!.because, /but the certificate is not valid: /);
  assert(lax!.details!.includes("S: 220 mx.example.test ESMTP"));
  assert(lax!.details!.some((line) => line === "C: QUIT"));
  assert(!lax!.details!.some((line) => /^C: (MAIL|RCPT|DATA)/.test(line)));

  station.runtime.resolver.set("mx.example.test", { a: ["192.0.2.25"] });
  const named = { kind: "smarthost", host: "mx.example.test", authorities: [testAuthority] };
  const [valid] = await connect(named);
  assertMatch(valid!.because, /^TLSv1\.\d, and the certificate is valid for mx\.example\.test$/);

  const [gone] = await connect({ kind: "smarthost", host: "192.0.2.26" });
  assertEquals(gone?.outcome, "later");
  assertMatch(gone!.verdict, /^451 4\.4\.1 cannot connect/);
  assertEquals(station.of("message.accepted").length, 0);
});

/** Who comes, and with what. */
interface Client {
  readonly role: string;
  readonly client: string;
  readonly login: string | null;
  readonly sender: string;
  readonly recipient: string;
  readonly requireTls: boolean;
}

/** What a station answers to the last command of a client that does all it is offered. */
async function converse(
  station: MemoryStation,
  { role, client, login, sender, recipient, requireTls }: Client,
): Promise<string> {
  const peer = await station.connect(client);
  const hello = `${role === "lmtp" ? "LHLO" : "EHLO"} client.invalid`;
  let reply = await peer.reply() ?? "closed";
  const say = async (line: string) => {
    if (!/^[23]/.test(reply)) return false;
    await peer.send(`${line}\r\n`);
    reply = await peer.reply() ?? "closed";
    return /^[23]/.test(reply);
  };
  await say(hello);
  if (/^250.STARTTLS/m.test(reply)) await secure(peer, hello, (text) => reply = text);
  if (login !== null && /^250.AUTH /m.test(reply)) {
    const password = login === "alice@example.test" ? "wonderland" : "guess";
    await say(`AUTH PLAIN ${encode(`\0${login}\0${password}`).toBase64()}`);
  }
  const [from, to] = [formatAddress(address(sender)), formatAddress(address(recipient))];
  // deno-lint-ignore no-control-regex
  const utf8 = /[^\x00-\x7f]/.test(from + to) ? " SMTPUTF8" : "";
  await say(`MAIL FROM:<${sender === "" ? "" : from}>${utf8}${requireTls ? " REQUIRETLS" : ""}`);
  await say(`RCPT TO:<${to}>`);
  peer.close();
  return reply.slice(reply.lastIndexOf("\n") + 1);
}

async function secure(peer: SmtpPeer, hello: string, heard: (reply: string) => void) {
  await peer.startTls();
  await peer.send(`${hello}\r\n`);
  heard(await peer.reply() ?? "closed");
}

const RECIPIENTS = [
  "alice@example.test",
  "ALICE+tag@Example.Test",
  "bob@example.test",
  "nobody@example.test",
  "team@example.test",
  "circle@example.test",
  "x@all.test",
  "x@far.test",
  "x%y@far.test",
  "x@elsewhere.test",
  "postmaster",
  "postmaster@mx.example.test",
  "postmaster@[192.0.2.25]",
  "jürgen@example.test",
  "SRS0=aaaaaaaa=AA=far.test=x@example.test",
];

const drawn = fc.record({
  role: fc.constantFrom("mx" as const, "submission" as const, "lmtp" as const),
  client: fc.constantFrom("198.51.100.7", "203.0.113.9"),
  login: fc.constantFrom(null, "alice@example.test", "bob@example.test", "mallory@example.test"),
  sender: fc.constantFrom(
    "",
    "alice@example.test",
    "sales@example.test",
    "x@far.test",
    "ü@far.test",
  ),
  recipient: fc.constantFrom(...RECIPIENTS),
  requireTls: fc.boolean(),
  queue: fc.boolean(),
  accept: fc.boolean(),
  near: fc.boolean(),
  delimiter: fc.constantFrom("+", null),
  utf8: fc.boolean(),
  offersRequireTls: fc.boolean(),
  certificate: fc.boolean(),
  postmaster: fc.boolean(),
});

Deno.test("explain() says what a real station answers, whatever it is told and asked", async () => {
  await fc.assert(
    fc.asyncProperty(drawn, async (one) => {
      const runtime = memoryRuntime({ address: "192.0.2.25" });
      const listener: ListenerOptions = {
        role: one.role,
        address: { transport: "tcp", hostname: "0.0.0.0", port: 25 },
        extensions: { smtputf8: one.utf8, requireTls: one.offersRequireTls },
      };
      const options = {
        hostname: "mx.example.test",
        addresses: ["192.0.2.25"],
        directory: DIRECTORY,
        delivery: { maildirRoot: "/mail" },
        certificates: one.certificate || one.role === "submission" ? [mxCertificate] : [],
        relayFrom: one.near ? ["198.51.100.0/24"] : [],
        subaddressDelimiter: one.delimiter,
        ...(one.postmaster && { postmaster: "alice@example.test" }),
        ...(one.queue && {
          queue: { store: new MemoryStore({ clock: runtime.clock }) },
          routes: [{ domains: ["far.test"], accept: one.accept, via: { kind: "mx" as const } }],
        }),
      };
      const { address: _, ...rest } = listener;
      await using station = await MemoryStation.start({ ...options, listener: rest, runtime });
      const { explanation } = await explain({ ...options, runtime, listeners: [listener] }, {
        recipient: address(one.recipient),
        sender: one.sender === "" ? null : address(one.sender),
        client: one.client,
        requireTls: one.requireTls,
        ...(one.login !== null && { login: one.login }),
      });
      // Nobody has logged in where nobody was named; a sender that is a user stands for one.
      const login = one.login ?? explanation.login;
      const said = await converse(station, { ...one, login });
      assertEquals(explanation.steps.find(({ step }) => step === "reply")?.verdict, said);
    }),
    { numRuns: 120 },
  );
});
