import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { createSocket } from "node:dgram";
import fc from "fast-check";
import { concat } from "../../src/bytes.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { DENO_QUERIES, denoResolver } from "../../src/runtime/deno_resolver.ts";
import { nodeResolver } from "../../src/runtime/node_resolver.ts";
import { queryNameServer } from "../../src/runtime/node_dns_query.ts";
import { decodeDnsMessage, encodeDnsMessage } from "../../src/runtime/dns_message.ts";
import type { ResolverOptions } from "../../src/runtime/dns_resolver.ts";
import type { NameServer } from "../../src/runtime/resolv_conf.ts";
import { dnssecContract, resolverContract } from "../contracts/resolver_contract.ts";
import { DnsServer } from "../support/dns_server.ts";

/** Long enough for a busy machine, where an answer comes; where one of two servers is dead; where none comes. */
const PATIENT = 30_000;
const MIDDLING = 1000;
const SHORT = 200;

for (const address of ["127.0.0.1", "::1"]) {
  resolverContract(`deno by ${address}`, async (answers) => {
    const server = await DnsServer.start(undefined, address);
    const timeout = answers ? PATIENT : SHORT;
    // What Deno itself says is asked first only where nobody is trusted to validate.
    const resolver = denoResolver({ servers: [server.server], timeout, dnssec: "off" });
    return { resolver, zones: server.zones, end: () => server[Symbol.asyncDispose]() };
  });
}

for (const contract of [resolverContract, dnssecContract]) {
  contract("deno, validating", async (answers) => {
    const server = await DnsServer.start();
    const timeout = answers ? PATIENT : SHORT;
    const resolver = denoResolver({ servers: [server.server], timeout });
    return { resolver, zones: server.zones, end: () => server[Symbol.asyncDispose]() };
  });
}

/** A server, and a resolver with a clock that is moved by hand. */
async function start() {
  const server = await DnsServer.start();
  const clock = { time: 1_000_000, now: () => clock.time };
  const servers = [server.server];
  const resolver = denoResolver({ servers, timeout: PATIENT, clock, dnssec: "off" });
  return { server, clock, resolver, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** A server that takes questions and never answers. */
async function startSilent(): Promise<
  { server: NameServer; asked: () => number; end: () => Promise<void> }
> {
  const socket = createSocket("udp4");
  let asked = 0;
  socket.on("message", () => asked++);
  await new Promise<void>((bound) => socket.bind(0, "127.0.0.1", () => bound()));
  return {
    server: { address: "127.0.0.1", port: socket.address().port },
    asked: () => asked,
    end: () => new Promise((closed) => void socket.close(() => closed())),
  };
}

Deno.test("what is found is remembered for a minute", async () => {
  await using world = await start();
  const { server, clock, resolver } = world;
  server.zones.set("example.test", { a: ["192.0.2.1"] });
  await resolver.a("example.test");
  await resolver.a("EXAMPLE.test.");
  assertEquals(server.asked, ["udp A example.test"]);
  clock.time += 59_999;
  await resolver.a("example.test");
  assertEquals(server.asked.length, 1);
  server.zones.set("example.test", { a: ["192.0.2.2"] });
  clock.time += 1;
  assertEquals(await resolver.a("example.test"), { status: "found", records: ["192.0.2.2"] });
});

Deno.test("a no is remembered as long as the zone says, five minutes at most", async () => {
  await using world = await start();
  const { server, clock, resolver } = world;
  for (const [ttl, kept] of [[20, 20], [86_400, 300]] as const) {
    server.zones.ttl = ttl;
    const name = `gone${ttl}.test`;
    assertEquals((await resolver.mx(name)).status, "none");
    server.zones.set(name, { mx: ["10 mx.test"] });
    clock.time += kept * 1000 - 1;
    assertEquals((await resolver.mx(name)).status, "none");
    clock.time += 1;
    assertEquals((await resolver.mx(name)).status, "found");
  }
});

Deno.test("a failure is remembered for five seconds", async () => {
  await using world = await start();
  const { server, clock, resolver } = world;
  server.zones.set("ill.test", { mx: ["10 mx.test"] });
  server.zones.failures.set("ill.test", "servfail");
  assertEquals((await resolver.mx("ill.test")).status, "failed");
  server.zones.failures.clear();
  clock.time += 4999;
  assertEquals((await resolver.mx("ill.test")).status, "failed");
  clock.time += 1;
  assertEquals((await resolver.mx("ill.test")).status, "found");
});

Deno.test("equal questions at one time share one", async () => {
  await using world = await start();
  const { server, resolver } = world;
  server.zones.set("example.test", { a: ["192.0.2.1"] });
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => resolver.a("example.test")),
  );
  assertEquals(answers.every((answer) => answer.status === "found"), true);
  assertEquals(server.asked, ["udp A example.test"]);
});

Deno.test("who gives up does not end the question of the others", async () => {
  await using world = await start();
  const { server, resolver } = world;
  server.zones.set("example.test", { a: ["192.0.2.1"] });
  const giveUp = new AbortController();
  const first = resolver.a("example.test", giveUp.signal);
  const second = resolver.a("example.test");
  giveUp.abort();
  assertEquals(await first, { status: "failed", reason: "aborted" });
  assertEquals((await second).status, "found");
});

Deno.test("a question that all gave up is asked anew, and nothing of it is remembered", async () => {
  await using world = await start();
  const { server, resolver } = world;
  server.zones.failures.set("slow.test", "timeout");
  const giveUp = new AbortController();
  const asking = resolver.a("slow.test", giveUp.signal);
  giveUp.abort();
  assertEquals((await asking).status, "failed");
  server.zones.failures.clear();
  assertEquals(await resolver.a("slow.test"), { status: "none", reason: "nxdomain" });
});

Deno.test("the reason of a failure names the server and what it said", async () => {
  await using world = await start();
  const { server, resolver } = world;
  server.zones.failures.set("ill.test", "servfail");
  assertEquals(await resolver.mx("ill.test"), {
    status: "failed",
    reason: `127.0.0.1:${server.server.port}: SERVFAIL`,
  });
});

Deno.test("another server is asked where one is dead, refuses or is ill", async () => {
  await using good = await DnsServer.start();
  good.zones.set("example.test", { mx: ["10 mx.test"] });
  for (const failure of ["servfail", "refused", "timeout"] as const) {
    await using bad = await DnsServer.start();
    bad.zones.failures.set("example.test", failure);
    bad.zones.failures.set("gone.test", failure);
    const timeout = failure === "timeout" ? MIDDLING : PATIENT;
    const resolver = denoResolver({ servers: [bad.server, good.server], timeout });
    assertEquals((await resolver.mx("example.test")).status, "found");
    assertEquals(await resolver.mx("gone.test"), { status: "none", reason: "nxdomain" });
  }
});

Deno.test("a server that does not answer comes last for half a minute", async () => {
  const silent = await startSilent();
  await using good = await DnsServer.start();
  const clock = { time: 0, now: () => clock.time };
  const servers = [silent.server, good.server];
  const resolver = denoResolver({ servers, timeout: MIDDLING, clock });
  const none = { status: "none", reason: "nxdomain" } as const;
  assertEquals(await resolver.a("one.test"), none);
  const first = silent.asked();
  assert(first > 0);
  clock.time += 29_999;
  assertEquals(await resolver.a("two.test"), none);
  assertEquals(silent.asked(), first);
  clock.time += 1;
  assertEquals(await resolver.a("three.test"), none);
  assert(silent.asked() > first);
  await silent.end();
});

Deno.test("where all servers are dead all are asked, and the answer says so", async () => {
  const [one, two] = [await startSilent(), await startSilent()];
  const resolver = denoResolver({ servers: [one.server, two.server], timeout: SHORT });
  const answer = await resolver.mx("example.test");
  assert(answer.status === "failed");
  assertMatch(answer.reason, new RegExp(`:${one.server.port}: .*; .*:${two.server.port}: `));
  await one.end();
  await two.end();
});

Deno.test("an answer counts only from the server, with the id and the question", async () => {
  await using world = await start();
  const { server } = world;
  server.zones.set("example.test", { mx: ["10 right.test"] });
  const elsewhere = createSocket("udp4");
  await new Promise<void>((bound) => elsewhere.bind(0, "127.0.0.1", () => bound()));
  server.tamper = (query, answer) => {
    const forged = decodeDnsMessage(answer)!;
    const lies = [
      { ...forged, id: forged.id ^ 1, rcode: 3, answers: [] },
      { ...forged, question: { name: "other.test", type: "MX" }, rcode: 3, answers: [] },
      { ...forged, question: null, rcode: 3, answers: [] },
      { ...forged, response: false, rcode: 3, answers: [] },
    ].map((lie) => encodeDnsMessage(lie));
    return [new Uint8Array(0), query, answer.subarray(0, 20), ...lies, answer];
  };
  const signal = new AbortController().signal;
  const message = await queryNameServer(DENO_QUERIES, server.server, "example.test", "MX", signal);
  assertEquals(message.rcode, 0);
  assertEquals(message.answers[0]?.data, { type: "MX", preference: 10, exchange: "right.test" });

  // What comes from another port is nobody's answer.
  server.tamper = (_query, answer, from) => {
    const lie = encodeDnsMessage({ ...decodeDnsMessage(answer)!, rcode: 3, answers: [] });
    elsewhere.send(lie, from.port, from.address);
    server.tamper = null;
    return []; // It is asked again after a second, and answers then.
  };
  assertEquals(
    (await queryNameServer(DENO_QUERIES, server.server, "example.test", "MX", signal)).rcode,
    0,
  );
  await new Promise<void>((closed) => elsewhere.close(() => closed()));
});

Deno.test("whatever comes back, the answer is a value", async () => {
  const server = await DnsServer.start();
  // Deno is not asked for such a name (and would tell the terminal about each bad datagram).
  server.zones.set("fuzz!.test", { mx: ["10 a.test"], txt: ["text"], a: ["192.0.2.1"] });
  const clock = { time: 0, now: () => clock.time };
  // A garbled answer is passed over, so most of these end in a time-out.
  const resolver = denoResolver({ servers: [server.server], timeout: 20, clock });
  const change = fc.record({ at: fc.nat(100), to: fc.integer({ min: 0, max: 255 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 4 }), async (changes) => {
      clock.time += 1_000_000;
      server.tamper = (_query, answer) => {
        const octets = Uint8Array.from(answer);
        for (const { at, to } of changes) octets[at % octets.length] = to;
        return [octets];
      };
      const answers = await Promise.all([
        resolver.mx("fuzz!.test"),
        resolver.txt("fuzz!.test"),
        resolver.a("gone!.test"),
      ]);
      for (const { status } of answers) assertMatch(status, /^(found|none|failed)$/);
    }),
    { numRuns: 50 },
  );
  await server[Symbol.asyncDispose]();
});

Deno.test("an answer by TCP may come in pieces, and may break off", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const datagrams = createSocket("udp4");
  const server = { address: "127.0.0.1", port: listener.addr.port };
  await new Promise<void>((bound) => datagrams.bind(server.port, "127.0.0.1", () => bound()));
  datagrams.on("message", (query, from) => {
    const message = { ...decodeDnsMessage(query)!, response: true, truncated: true };
    datagrams.send(encodeDnsMessage(message), from.port, from.address);
  });
  const serve = async (cut: number) => {
    using connection = await listener.accept();
    const buffer = new Uint8Array(514);
    const length = await connection.read(buffer) ?? 0;
    const query = decodeDnsMessage(buffer.subarray(2, length))!;
    const octets = encodeDnsMessage({ ...query, response: true, rcode: 3 });
    const framed = concat([Uint8Array.of(0, octets.length), octets]);
    for (const octet of framed.subarray(0, cut)) await connection.write(Uint8Array.of(octet));
  };
  const ask = () =>
    queryNameServer(DENO_QUERIES, server, "example.test", "MX", new AbortController().signal);
  const [, whole] = await Promise.all([serve(Infinity), ask()]);
  assertEquals(whole.rcode, 3);
  for (const cut of [0, 1, 2, 20]) {
    const [, broken] = await Promise.all([
      serve(cut),
      ask().then(() => "?", (error) => error.code),
    ]);
    assertEquals(broken, "ECONNRESET");
  }
  listener.close();
  await new Promise<void>((closed) => datagrams.close(() => closed()));
});

Deno.test("many questions at once leave nothing behind", async () => {
  await using world = await start();
  const { resolver } = world;
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => resolver.mx(`n${i}.test`)),
  );
  assertEquals(answers.filter(({ status }) => status === "none").length, 1000);
});

Deno.test("without permission for resolv.conf a no is a failure that says why", async () => {
  const module = new URL("../../src/runtime/deno.ts", import.meta.url).href;
  const program = `import { denoRuntime } from "${module}";
    console.log(JSON.stringify(await denoRuntime().resolver.mx("example.test")));`;
  const file = await Deno.makeTempFile({ prefix: "yizhan-", suffix: ".ts" });
  await Deno.writeTextFile(file, program);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--no-lock", "--no-prompt", "--no-check", file],
    stderr: "null",
  }).output();
  await Deno.remove(file);
  const answer = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(answer.status, "failed");
  assertMatch(answer.reason, /resolv\.conf may not be read \(--allow-read=/);
});

Deno.test("denoRuntime() refuses a name server that is none", () => {
  assertThrows(
    () => denoRuntime({ nameServers: ["dns.example.org"] }),
    TypeError,
    "dns.example.org",
  );
});

Deno.test("denoRuntime() asks the name servers it is given", async () => {
  await using server = await DnsServer.start();
  server.zones.set("example.test", { a: ["192.0.2.1"] });
  const { resolver } = denoRuntime({ nameServers: [`127.0.0.1:${server.server.port}`] });
  assertEquals(await resolver.a("example.test"), { status: "found", records: ["192.0.2.1"] });
});

Deno.test("AD is believed of name servers on this machine, or where the operator says so", async () => {
  await using server = await DnsServer.start();
  server.zones.signed.add("test");
  server.zones.set("example.test", { a: ["192.0.2.1"] });
  const ask = async (options: Partial<ResolverOptions>) => {
    const resolver = denoResolver({ servers: [server.server], timeout: PATIENT, ...options });
    return await resolver.a("example.test");
  };
  const found = { status: "found", records: ["192.0.2.1"] } as const;
  assertEquals(await ask({}), { ...found, authenticated: true });
  assertEquals(await ask({ dnssec: "on" }), { ...found, authenticated: true });
  assertEquals(await ask({ dnssec: "off" }), found);
  // One that is far away, beside it: nobody knows which of them will have been asked.
  const far = { address: "192.0.2.53", port: 53 };
  assertEquals(await ask({ servers: [server.server, far] }), found);
});

Deno.test("an answer with AD counts whole or not at all", async () => {
  await using server = await DnsServer.start();
  const { zones } = server;
  zones.signed.add("signed.test");
  zones.set("alias.signed.test", { cname: "host.plain.test" });
  zones.set("host.plain.test", { a: ["192.0.2.1"] });
  const resolver = denoResolver({ servers: [server.server], timeout: PATIENT });
  assertEquals(await resolver.a("alias.signed.test"), {
    ...{ status: "found", records: ["192.0.2.1"], canonical: "host.plain.test" },
  });
  assertEquals(await resolver.cname("alias.signed.test"), {
    ...{ status: "found", records: ["host.plain.test"], authenticated: true },
  });
});

Deno.test("DNSSEC vouches for the end of a CNAME only where it does for the CNAME", async () => {
  for (const vouched of [true, false]) {
    await using server = await DnsServer.start();
    server.tamper = (_, answer) => {
      const message = decodeDnsMessage(answer)!;
      const { name } = message.question!;
      const isAlias = name === "alias.test";
      const data = isAlias
        ? { type: "CNAME", name: "host.test" } as const
        : { type: "A", address: "192.0.2.1" } as const;
      const answers = [{ name, ttl: 60, data }];
      const authenticated = !isAlias || vouched;
      return [encodeDnsMessage({ ...message, rcode: 0, answers, authority: [], authenticated })];
    };
    const resolver = denoResolver({ servers: [server.server], timeout: PATIENT });
    const answer = await resolver.a("alias.test");
    assertEquals([answer.status, answer.status === "found" && answer.authenticated], [
      "found",
      vouched ? true : undefined,
    ]);
    // Who is not trusted may say what he likes.
    const plain = nodeResolver({ servers: [server.server], timeout: PATIENT, dnssec: "off" });
    assertEquals(await plain.a("host.test"), { status: "found", records: ["192.0.2.1"] });
  }
});

Deno.test("a CNAME whose end is asked for is remembered no longer than it says itself", async () => {
  await using server = await DnsServer.start();
  server.tamper = (_, answer) => {
    const message = decodeDnsMessage(answer)!;
    const { name } = message.question!;
    const data = name === "alias.test"
      ? { type: "CNAME", name: "host.test" } as const
      : { type: "A", address: "192.0.2.1" } as const;
    const ttl = data.type === "CNAME" ? 5 : 86_400;
    const answers = [{ name, ttl, data }];
    return [encodeDnsMessage({ ...message, rcode: 0, answers, authority: [] })];
  };
  const clock = { time: 0, now: () => clock.time };
  const resolver = denoResolver({ servers: [server.server], timeout: PATIENT, clock });
  for (const [time, asked] of [[0, 2], [4_999, 2], [5_000, 4]] as const) {
    clock.time = time;
    assertEquals((await resolver.a("alias.test")).status, "found");
    assertEquals(server.asked.length, asked);
  }
});

Deno.test("a question for what DNSSEC says has AD and EDNS (RFC 6840 §5.7)", async () => {
  await using server = await DnsServer.start();
  const queries: Uint8Array[] = [];
  server.tamper = (query, answer) => {
    queries.push(query);
    return [answer];
  };
  const ask = (dnssec: "on" | "off") =>
    denoResolver({ servers: [server.server], timeout: PATIENT, dnssec }).tlsa("_25._tcp.mx.test");
  await ask("on");
  await ask("off");
  const [wishing, plain] = queries.map((query) => ({
    ad: (query[3]! & 0x20) !== 0,
    additional: query[11],
    // RFC 6891 §6.1.2: the root, OPT, the size of a datagram, then version 0 and no flags, no options.
    opt: query.slice(-11).toHex(),
  }));
  assertEquals(wishing, { ad: true, additional: 1, opt: "00002904d0000000000000" });
  assertEquals([plain?.ad, plain?.additional], [false, 0]);
});

Deno.test("a name server that knows no EDNS is asked without it (RFC 6891 §7)", async () => {
  for (const rcode of [1, 4]) {
    await using server = await DnsServer.start();
    server.zones.set("example.test", { a: ["192.0.2.1"] });
    server.tamper = (query, answer) => {
      if (query[11] === 0) return [answer];
      // As old servers do: the header alone, and why not.
      const refusal = query.slice(0, 12);
      refusal.set([0x81, 0x80 | rcode, 0, 0, 0, 0, 0, 0, 0, 0], 2);
      return [refusal];
    };
    const resolver = denoResolver({ servers: [server.server], timeout: PATIENT });
    assertEquals(await resolver.a("example.test"), { status: "found", records: ["192.0.2.1"] });
    assertEquals(server.asked.length, 2);
  }
});
