import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type StsFinding,
  StsPolicies,
  type StsServices,
} from "../../../src/delivery/sts/policies.ts";
import { type KeptPolicy, StsPolicyStore } from "../../../src/delivery/sts/policy_store.ts";
import type { TlsFault } from "../../../src/delivery/tls_guard.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import { mxCertificate, testAuthority } from "../../support/certificates.ts";
import { ok, type WebAnswer, WebHost } from "./web_host.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
const authorities = [testAuthority];

function policyText(mode = "enforce", maxAge = 604_800, mx = "mx.other.test"): string {
  return `version: STSv1\nmode: ${mode}\nmx: ${mx}\nmax_age: ${maxAge}\n`;
}

/** A domain `other.test` with a policy, and us. */
class StsWorld {
  readonly faults: TlsFault[] = [];
  readonly troubles: unknown[] = [];
  web!: WebHost;

  private constructor(readonly own: MemoryRuntime) {}

  static async make(answer: WebAnswer = () => ok(policyText())): Promise<StsWorld> {
    const world = new StsWorld(memoryRuntime());
    world.announce("1");
    world.own.resolver.set("mta-sts.other.test", { a: ["192.0.2.80"] });
    world.web = await WebHost.start(world.own, "192.0.2.80", answer);
    return world;
  }

  announce(id: string | null): void {
    const txt = id === null ? [] : [`v=STSv1; id=${id};`];
    this.own.resolver.set("_mta-sts.other.test", { txt });
  }

  /** A reader of the folder: a start, or a thread. */
  policies(more: Partial<StsServices> = {}): StsPolicies {
    const { network, resolver, clock, files, random } = this.own;
    return new StsPolicies({
      ...{ network, resolver, clock },
      store: new StsPolicyStore(files, random, "/data/mta-sts"),
      onFault: (_, fault) => this.faults.push(fault),
      onTrouble: (error) => this.troubles.push(error),
      ...more,
    });
  }

  find(policies: StsPolicies, signal?: AbortSignal): Promise<StsFinding> {
    const options = { authorities, ...(signal && { signal }) };
    return this.own.clock.runUntil(policies.find("other.test", options));
  }

  async mode(policies: StsPolicies): Promise<string | null> {
    return (await this.find(policies)).kept?.policy.mode ?? null;
  }

  async pass(milliseconds: number): Promise<void> {
    await this.own.clock.runUntil(this.own.clock.sleep(milliseconds));
  }
}

Deno.test("StsPolicies.find() fetches what a record announces, once, from where RFC 8461 says", async () => {
  const world = await StsWorld.make();
  const policies = world.policies();
  for (let time = 0; time < 3; time++) assertEquals(await world.mode(policies), "enforce");
  assertEquals(world.web.requests.length, 1);
  const lines = world.web.requests[0]!.head.split("\r\n");
  assertEquals(lines[0], "GET /.well-known/mta-sts.txt HTTP/1.1");
  assert(lines.includes("Host: mta-sts.other.test"));
  assertEquals(world.faults, []);
});

Deno.test("StsPolicies.find() fetches nothing where there is no record, or one that is wrong", async () => {
  const world = await StsWorld.make();
  world.announce(null);
  const policies = world.policies();
  assertEquals((await world.find(policies)).fault, null);
  world.own.resolver.set("_mta-sts.other.test", { txt: ["v=STSv1; id=1", "v=STSv1; id=2"] });
  const { kept, fault } = await world.find(policies);
  assertEquals([kept, fault?.type], [null, "sts-policy-invalid"]);
  world.own.resolver.failures.set("_mta-sts.other.test", "servfail");
  assertEquals((await world.find(policies)).kept, null);
  assertEquals(world.web.requests.length, 0);
});

Deno.test("StsPolicies.find() has one fetch at a time for a domain, however many wait", async () => {
  const world = await StsWorld.make();
  const policies = world.policies();
  const found = await world.own.clock.runUntil(
    Promise.all(Array.from({ length: 20 }, () => policies.find("other.test", { authorities }))),
  );
  assertEquals(found.map(({ kept }) => kept?.policy.mode), Array(20).fill("enforce"));
  assertEquals(world.web.requests.length, 1);
});

Deno.test("StsPolicies.find() goes by a policy for as long as it said, though DNS and the web are gone, and over a restart", async () => {
  const world = await StsWorld.make();
  assertEquals(await world.mode(world.policies()), "enforce");
  world.own.resolver.failures.set("_mta-sts.other.test", "servfail");
  world.own.resolver.failures.set("mta-sts.other.test", "servfail");
  const policies = world.policies();
  assertEquals(await world.mode(policies), "enforce");
  await world.pass(6.9 * DAY);
  assertEquals(await world.mode(policies), "enforce");
  assertEquals(await world.mode(world.policies()), "enforce");
  await world.pass(0.2 * DAY);
  assertEquals(await world.mode(policies), null);
  assertEquals(await world.mode(world.policies()), null);
});

Deno.test("StsPolicies.find() keeps the old policy where the new one cannot be had, and says why", async () => {
  const world = await StsWorld.make();
  const policies = world.policies();
  assertEquals(await world.mode(policies), "enforce");
  await world.pass(MINUTE);
  world.announce("2");
  world.web.answer = () => "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n";
  const { kept, fault } = await world.find(policies);
  assertEquals([kept?.id, kept?.policy.mode, fault?.type], [
    "1",
    "enforce",
    "sts-policy-fetch-error",
  ]);
});

Deno.test("StsPolicies.find() fetches anew when the id has changed, and that is seen by other threads without a fetch", async () => {
  const world = await StsWorld.make();
  const [one, other] = [world.policies(), world.policies()];
  assertEquals([await world.mode(one), await world.mode(other)], ["enforce", "enforce"]);
  assertEquals(world.web.requests.length, 1);
  await world.pass(MINUTE);
  world.announce("2");
  world.web.answer = () => ok(policyText("none"));
  assertEquals([await world.mode(one), await world.mode(other)], ["none", "none"]);
  assertEquals(world.web.requests.length, 2);
});

Deno.test("StsPolicies.find() fetches once a minute at most, whatever id and max_age say", async () => {
  const world = await StsWorld.make();
  for (const maxAge of [604_800, 0]) {
    world.web.answer = () => ok(policyText("enforce", maxAge));
    const policies = world.policies({ store: undefined });
    const before = world.web.requests.length;
    for (let second = 0; second < 61; second++) {
      world.announce(`${maxAge}x${second}`);
      assertEquals(await world.mode(policies), "enforce");
      await world.pass(1000);
    }
    assertEquals(world.web.requests.length, before + 2);
  }
});

Deno.test("StsPolicies.find() looks again once a day, without keeping mail waiting", async () => {
  const world = await StsWorld.make();
  const policies = world.policies();
  assertEquals(await world.mode(policies), "enforce");
  await world.pass(0.9 * DAY);
  await world.find(policies);
  assertEquals(world.web.requests.length, 1);
  await world.pass(0.2 * DAY);
  world.web.answer = () => ok(policyText("testing"));
  assertEquals(await world.mode(policies), "enforce");
  await world.pass(1000);
  assertEquals(world.web.requests.length, 2);
  assertEquals(await world.mode(policies), "testing");
});

Deno.test("StsPolicies.find() remembers a failed fetch for five minutes", async () => {
  const world = await StsWorld.make(() => null);
  const policies = world.policies();
  for (let time = 0; time < 3; time++) {
    assertEquals((await world.find(policies)).fault?.type, "sts-policy-fetch-error");
  }
  assertEquals([world.web.requests.length, world.faults.length], [1, 1]);
  await world.pass(301_000);
  world.web.answer = () => ok(policyText());
  assertEquals(await world.mode(policies), "enforce");
});

Deno.test("StsPolicies.find() gives up a web server that says nothing after a minute", async () => {
  const world = await StsWorld.make(() => new Promise<null>(() => {}));
  const before = world.own.clock.now();
  const { fault } = await world.find(world.policies());
  assertMatch(fault!.text, /longer than 60 s/);
  assertEquals(world.own.clock.now() - before, 60_000);
});

Deno.test("StsPolicies.find() ends when its mail is given up, and the fetch goes on for others", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const world = await StsWorld.make(() => promise);
  const policies = world.policies();
  const stop = new AbortController();
  const found = policies.find("other.test", { authorities, signal: stop.signal });
  await world.own.clock.settle();
  stop.abort();
  assertMatch((await found).fault!.text, /broken off/);
  resolve(ok(policyText()));
  assertEquals(await world.mode(policies), "enforce");
  assertEquals([world.web.requests.length, world.faults], [1, []]);
});

Deno.test("StsPolicies.find() takes nothing that is not exactly a policy", async () => {
  const head = (text: string) => `HTTP/1.1 ${text}\r\nContent-Length: 0\r\n\r\n`;
  const cases: [string, TlsFault["type"], RegExp][] = [
    [head("301 Moved\r\nLocation: https://other.test/"), "sts-policy-fetch-error", /answers 301/],
    [head("404 Not Found"), "sts-policy-fetch-error", /answers 404/],
    ["HTTP/1.1 200 OK\r\n\r\nversion: STSv1", "sts-policy-fetch-error", /how long/],
    [ok(policyText(), "text/html"), "sts-policy-invalid", /gives text\/html/],
    [ok(policyText(), ""), "sts-policy-invalid", /no media type/],
    [ok(policyText("nonsense")), "sts-policy-invalid", /its mode is nonsense/],
    [ok("x".repeat(65_537)), "sts-policy-fetch-error", /larger than 65536/],
  ];
  for (const [response, type, words] of cases) {
    const world = await StsWorld.make(() => response);
    const { kept, fault } = await world.find(world.policies());
    assertEquals([kept, fault?.type], [null, type], response.slice(0, 60));
    assertMatch(fault!.text, words);
  }
});

Deno.test("StsPolicies.find() asks DNS that gives no answer once a minute", async () => {
  const world = await StsWorld.make();
  const { resolver } = world.own;
  resolver.failures.set("_mta-sts.other.test", "timeout");
  const policies = world.policies();
  for (let time = 0; time < 3; time++) assertEquals(await world.mode(policies), null);
  assertEquals(resolver.questions.get("txt _mta-sts.other.test"), 1);
  resolver.failures.clear();
  await world.pass(61_000);
  assertEquals(await world.mode(policies), "enforce");
});

Deno.test("StsPolicies.find() believes no web server without a certificate for its name", async () => {
  const world = await StsWorld.make();
  world.own.resolver.set("mta-sts.other.test", { a: ["192.0.2.81"] });
  const web = await WebHost.start(world.own, "192.0.2.81", () => ok(policyText()), mxCertificate);
  const { kept, fault } = await world.find(world.policies());
  assertEquals([kept, fault?.type, web.requests.length], [null, "sts-webpki-invalid", 0]);
  const { clock } = world.own;
  const stranger = await clock.runUntil(world.policies().find("other.test"));
  assertEquals([stranger.kept, stranger.fault?.type], [null, "sts-webpki-invalid"]);
});

Deno.test("StsPolicies.find() finds a web server by IPv4, however many addresses it has that cannot be reached", async () => {
  const world = await StsWorld.make();
  world.own.resolver.set("mta-sts.other.test", {
    a: ["192.0.2.80", "192.0.2.81", "192.0.2.82", "192.0.2.83"],
    aaaa: ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"],
  });
  assertEquals(await world.mode(world.policies()), "enforce");
});

Deno.test("StsPolicies.find() is led nowhere that mail is not led to", async () => {
  const world = await StsWorld.make();
  world.own.resolver.set("mta-sts.other.test", { a: ["127.0.0.1", "169.254.1.1"] });
  const { fault } = await world.find(world.policies());
  assertMatch(fault!.text, /only addresses that are not connected to/);
});

Deno.test("StsPolicies.find() goes on in memory where the disk fails", async () => {
  const world = await StsWorld.make();
  world.own.files.disk.capacity = 0;
  const policies = world.policies();
  assertEquals([await world.mode(policies), await world.mode(policies)], ["enforce", "enforce"]);
  assertEquals([world.web.requests.length, world.troubles.length > 0], [1, true]);
});

Deno.test("StsPolicies.find() goes by no policy of tomorrow, nor by an older one of the disk than it has fetched", async () => {
  const world = await StsWorld.make();
  const { clock } = world.own;
  const kept = (fetched: number, mode: "enforce" | "testing") => ({
    ...{ id: "9", fetched, used: fetched },
    policy: { mode, mx: ["mx.other.test"], maxAge: 604_800 },
  });
  // The store of a disk that takes nothing any more.
  let found: KeptPolicy = kept(clock.now() + DAY, "testing");
  const store = { read: () => Promise.resolve(found), write: () => Promise.resolve() };
  const policies = world.policies({ store: store as unknown as StsPolicyStore });
  world.own.resolver.failures.set("_mta-sts.other.test", "servfail");
  assertEquals(await world.mode(policies), null);
  world.own.resolver.failures.clear();
  await world.pass(MINUTE + 1);
  assertEquals(await world.mode(policies), "enforce");
  found = kept(clock.now() - DAY, "testing");
  await world.pass(MINUTE + 1);
  world.announce("2");
  world.web.answer = () => null;
  assertEquals(await world.mode(policies), "enforce");
});

Deno.test("StsPolicyStore reads back what it wrote, and nothing else", async () => {
  const { files, random } = memoryRuntime();
  const store = new StsPolicyStore(files, random, "/data/mta-sts");
  const policy = { mode: "enforce", mx: ["mx.example.org"], maxAge: 86_400 } as const;
  const time = 1_767_225_600_000;
  const kept = { id: "1", fetched: time, used: time + 1, policy };
  const long = `${"a".repeat(60)}.`.repeat(4) + "org";
  for (const domain of ["example.org", "../../etc/passwd", long, ".hidden"]) {
    assertEquals(await store.read(domain), null);
    await store.write(domain, kept);
    assertEquals(await store.read(domain), kept);
  }
  const names: string[] = [];
  for await (const { name } of files.list("/data/mta-sts")) names.push(name);
  assertEquals(names.length, 4);
  assert(
    names.every((name) => /^(?:example\.org|sha256-[0-9a-f]{64})\.json$/.test(name)),
    `${names}`,
  );
  const path = "/data/mta-sts/example.org.json";
  const text = new TextDecoder().decode(await files.readFile(path));
  for (
    const damaged of [
      "",
      text.slice(0, -5),
      text.replace('"version": 1', '"version": 2'),
      text.replace('"example.org"', '"example.com"'),
      text.replace("STSv1", "STSv2"),
      text.replace('"id": "1"', '"id": 1'),
      "[]",
      "null",
    ]
  ) {
    const handle = await files.open(path, { write: true, truncate: true });
    await handle.write(new TextEncoder().encode(damaged));
    handle.close();
    assertEquals(await store.read("example.org"), null, damaged);
  }
});

Deno.test("StsPolicyStore holds so many domains at most: the oldest make room", async () => {
  const own = memoryRuntime();
  const { files, random, clock } = own;
  const store = new StsPolicyStore(files, random, "/mta-sts", 200);
  const policy = { mode: "none", mx: [], maxAge: 86_400 } as const;
  for (let index = 0; index < 450; index++) {
    await store.write(`d${index}.example`, { id: null, fetched: clock.now(), used: 0, policy });
    if (index % 100 === 0) await clock.runUntil(clock.sleep(1000));
  }
  let count = 0;
  for await (const _ of files.list("/mta-sts")) count++;
  assert(count <= 300, `${count}`);
  assertEquals(await store.read("d0.example"), null);
  assert(await store.read("d449.example") !== null);
});
