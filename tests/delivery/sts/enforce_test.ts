import { assert, assertEquals, assertMatch } from "@std/assert";
import { StsPolicies } from "../../../src/delivery/sts/policies.ts";
import { stsGuards } from "../../../src/delivery/sts/sts_guards.ts";
import type { TlsGuards, TlsResult } from "../../../src/delivery/tls_guard.ts";
import { guardsInOrder } from "../../../src/delivery/tls_guard.ts";
import type { MxRoute } from "../../../src/routing/route.ts";
import { mxCertificate, otherCertificate, testAuthority } from "../../support/certificates.ts";
import { mxRoute, RelayWorld, smarthostRoute } from "../relay_world.ts";
import type { PeerBehaviour, ScriptedPeer } from "../scripted_peer.ts";
import type { JobSetup } from "../support.ts";
import { ok, WebHost } from "./web_host.ts";

const TAKEN = ["0 relayed 250 2.0.0 taken"];

/** `other.test` with a policy and two mail hosts, `mx` and `away` elsewhere. */
class GuardedWorld implements AsyncDisposable {
  readonly results: TlsResult[] = [];
  readonly world: RelayWorld;
  web!: WebHost;

  private constructor(others: readonly TlsGuards[]) {
    let sts: TlsGuards | null = null;
    this.world = new RelayWorld({
      guards: guardsInOrder([...others, {
        guard: (question, before) => (sts ??= this.#guards()).guard(question, before),
        note: (result) => this.results.push(result),
      }]),
    });
  }

  static async make(
    lines: string,
    mx: readonly string[] = ["10 mx.other.test"],
    others: readonly TlsGuards[] = [],
  ): Promise<GuardedWorld> {
    const made = new GuardedWorld(others);
    const { own } = made.world;
    own.resolver.set("other.test", { mx: [...mx] });
    own.resolver.set("mx.other.test", { a: ["192.0.2.25"] });
    own.resolver.set("away.example.org", { a: ["192.0.2.26"] });
    own.resolver.set("_mta-sts.other.test", { txt: ["v=STSv1; id=1;"] });
    own.resolver.set("mta-sts.other.test", { a: ["192.0.2.80"] });
    const text = `version: STSv1\n${lines}\nmax_age: 86400\n`;
    made.web = await WebHost.start(own, "192.0.2.80", () => ok(text));
    return made;
  }

  #guards(): TlsGuards {
    const { network, resolver, clock } = this.world.own;
    return stsGuards(new StsPolicies({ network, resolver, clock }));
  }

  peer(certificate = otherCertificate, behaviour: PeerBehaviour = {}): Promise<ScriptedPeer> {
    const tls = this.world.own.network.tlsServer({ certificates: [certificate] });
    return this.world.peer({ tls, ...behaviour });
  }

  relay(more: Partial<MxRoute> = {}, setup: JobSetup = {}): Promise<string[]> {
    const route = mxRoute({ domain: "other.test", authorities: [testAuthority], ...more });
    return this.world.relay(setup, route);
  }

  /** Guard, host and fault of each result. */
  get noted(): string[] {
    return this.results.map(({ guard, host, fault }) =>
      `${guard.kind} ${host} ${fault?.type ?? "well"}`
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}

const ENFORCE = "mode: enforce\nmx: mx.other.test";

Deno.test("stsGuards(), enforced: mail goes to a host of the policy whose certificate is valid", async () => {
  await using world = await GuardedWorld.make(ENFORCE);
  const peer = await world.peer();
  assertEquals(await world.relay(), TAKEN);
  assertEquals(peer.messages[0]!.tls, true);
  const [result] = world.results;
  assertEquals(world.noted, ["sts mx.other.test well"]);
  assertEquals([result!.domain, result!.address, result!.source], [
    "other.test",
    "192.0.2.25",
    "192.0.2.1",
  ]);
});

Deno.test("stsGuards(), enforced: nothing goes to a host with a wrong certificate, nor in clear", async () => {
  await using world = await GuardedWorld.make(ENFORCE);
  const peer = await world.peer(mxCertificate);
  assertMatch(
    (await world.relay())[0]!,
    /^0 deferred 451 4\.7\.5 .*MTA-STS requires .* not for mx/,
  );
  assertEquals([peer.said("MAIL").length, peer.connections], [0, 1]);
  assertEquals(world.results.length, 1);
  assertEquals([world.results[0]!.guard.kind, world.results[0]!.host], ["sts", "mx.other.test"]);
  assert(world.results[0]!.fault !== null);
});

Deno.test("stsGuards(), enforced: a certificate of an unknown authority is none", async () => {
  await using world = await GuardedWorld.make(ENFORCE);
  await world.peer();
  assertEquals(await world.relay(), TAKEN); // the policy is there
  const peer = world.results.length;
  assertMatch((await world.relay({ authorities: [] }))[0]!, /^0 deferred 451 4\.7\.5 .*authority/);
  assertEquals(world.results.length, peer + 1);
});

Deno.test("stsGuards(), enforced: nothing goes to a host without TLS", async () => {
  await using world = await GuardedWorld.make(ENFORCE);
  const peer = await world.world.peer({ extensions: ["PIPELINING"] });
  assertMatch((await world.relay())[0]!, /^0 deferred 451 4\.7\.4 .*MTA-STS requires TLS/);
  assertEquals(peer.said("MAIL").length, 0);
  assertEquals(world.noted, ["sts mx.other.test starttls-not-supported"]);
});

Deno.test("stsGuards(), enforced: a host that the policy does not name is not connected to", async () => {
  await using world = await GuardedWorld.make("mode: enforce\nmx: *.mail.other.test");
  const peer = await world.peer();
  assertMatch(
    (await world.relay())[0]!,
    /^0 deferred 451 4\.7\.5 mx\.other\.test is not among the mx of the MTA-STS policy of other\.test/,
  );
  assertEquals([peer.connections, world.noted], [0, ["shut mx.other.test validation-failure"]]);
});

Deno.test("stsGuards(), enforced: another host of the policy takes the mail", async () => {
  await using world = await GuardedWorld.make(ENFORCE, ["10 away.example.org", "20 mx.other.test"]);
  const peer = await world.peer();
  assertEquals(await world.relay(), TAKEN);
  assertEquals(peer.messages.length, 1);
  assertEquals(world.noted, [
    "shut away.example.org validation-failure",
    "sts mx.other.test well",
  ]);
});

Deno.test("stsGuards(), testing: what would have failed is told, and the mail goes", async () => {
  await using world = await GuardedWorld.make("mode: testing\nmx: mx.other.test");
  const peer = await world.peer(mxCertificate);
  assertEquals(await world.relay(), TAKEN);
  assertEquals([peer.messages[0]!.tls, peer.connections], [true, 1]);
  assertEquals(world.noted, ["sts mx.other.test certificate-host-mismatch"]);
});

Deno.test("stsGuards(), testing: a host that the policy does not name takes the mail all the same", async () => {
  await using world = await GuardedWorld.make("mode: testing\nmx: a.other.test");
  await world.peer();
  assertEquals(await world.relay(), TAKEN);
  assertEquals(world.noted, ["sts mx.other.test validation-failure"]);
});

Deno.test("stsGuards(), testing: mail goes in clear where there is no TLS, which is told", async () => {
  await using world = await GuardedWorld.make("mode: testing\nmx: mx.other.test");
  const peer = await world.world.peer({ extensions: ["PIPELINING"] });
  assertEquals(await world.relay(), TAKEN);
  assertEquals(peer.messages[0]!.tls, false);
  assertEquals(world.noted, ["sts mx.other.test starttls-not-supported"]);
});

Deno.test("stsGuards(): a policy of mode none, or a policy that cannot be had, leaves mail as it was", async () => {
  await using none = await GuardedWorld.make("mode: none");
  await none.world.peer({ extensions: ["PIPELINING"] });
  assertEquals(await none.relay(), TAKEN);
  assertEquals(none.noted, ["none mx.other.test starttls-not-supported"]);
  await using broken = await GuardedWorld.make("nonsense");
  await broken.peer(mxCertificate);
  assertEquals(await broken.relay(), TAKEN);
  assertEquals(broken.noted, ["none mx.other.test well"]);
});

Deno.test("stsGuards() ask for nothing where the route says so, nor where nobody would obey it", async () => {
  for (const more of [{ mtaSts: false }, { tls: "none" }, { domain: "[192.0.2.25]" }] as const) {
    await using world = await GuardedWorld.make(ENFORCE);
    await world.peer(mxCertificate);
    assertEquals(await world.relay(more), TAKEN);
    const { questions } = world.world.own.resolver;
    assertEquals([...questions.keys()].filter((name) => name.startsWith("txt ")), []);
    assertEquals(world.web.requests.length, 0);
  }
  // A smarthost is the operator's choice.
  await using world = await GuardedWorld.make(ENFORCE);
  const { network, resolver, clock } = world.world.own;
  const hosts = [{ name: "away.example.org", preference: 0, addresses: ["192.0.2.26"] }];
  const question = { route: smarthostRoute(), domain: "other.test", named: true, hosts };
  const before = [{ kind: "none", why: "" }] as const;
  const guards = stsGuards(new StsPolicies({ network, resolver, clock }));
  assertEquals(await guards.guard(question, before), before);
});

Deno.test("stsGuards() ask for nothing where DANE guards all hosts", async () => {
  const key = "fd5d2c764bf82d58b83b099609c8e8a9c38d1deb09aac99f2cf412bb3881078c";
  const records = [{ usage: 3, selector: 1, matching: 1, data: Uint8Array.fromHex(key) }];
  const dane: TlsGuards = {
    guard: ({ hosts }) =>
      hosts.map(({ name }) => ({ kind: "dane", base: name, records, names: [name] })),
  };
  await using world = await GuardedWorld.make("mode: enforce\nmx: a.other.test", undefined, [dane]);
  await world.peer(mxCertificate);
  world.world.own.resolver.signed.add("other.test");
  assertEquals(await world.relay(), TAKEN);
  assertEquals([world.noted, world.web.requests.length], [["dane mx.other.test well"], 0]);
});

Deno.test("stsGuards() make no route laxer: verified stays verified where the policy is none", async () => {
  await using world = await GuardedWorld.make("mode: none");
  await world.peer(mxCertificate);
  assertMatch((await world.relay({ tls: "verified" }))[0]!, /^0 deferred 451 4\.7\.5/);
});

Deno.test("stsGuards() leave hosts to DANE that it guards, and look after the others", async () => {
  await using world = await GuardedWorld.make(ENFORCE, ["10 mx.other.test", "20 away.example.org"]);
  const { network, resolver, clock } = world.world.own;
  const guards = stsGuards(new StsPolicies({ network, resolver, clock }));
  const host = (name: string) => ({ name, preference: 10, addresses: ["192.0.2.25"] });
  const dane = { kind: "dane", base: "mx.other.test", names: [], records: [] } as const;
  const found = await clock.runUntil(Promise.resolve(guards.guard({
    route: mxRoute({ domain: "other.test", authorities: [testAuthority] }),
    ...{ domain: "other.test", named: true },
    hosts: [host("mx.other.test"), host("away.example.org"), host("mx.other.test")],
  }, [dane, { kind: "none", why: "" }, { kind: "none", why: "" }])));
  assertEquals(found.map(({ kind }) => kind), ["dane", "shut", "sts"]);
});

Deno.test("remoteTransport(): REQUIRETLS takes hosts of a policy that is enforced, and not of one that is tested", async () => {
  const entry = { requireTls: true };
  const extensions = ["PIPELINING", "REQUIRETLS"];
  for (
    const [mode, expected] of [["enforce", /^0 relayed/], [
      "testing",
      /^0 failed 550 5\.7\.30/,
    ]] as const
  ) {
    await using world = await GuardedWorld.make(`mode: ${mode}\nmx: mx.other.test`);
    await world.peer(otherCertificate, { extensions });
    assertMatch((await world.relay({}, { entry }))[0]!, expected);
  }
});

Deno.test("isTlsReport(): a report of TLS goes though TLS is broken, and is not reported itself (RFC 8460 §5.3)", async () => {
  await using world = await GuardedWorld.make(ENFORCE);
  const peer = await world.world.peer({ extensions: ["PIPELINING"] });
  const entry = { id: "tlsrpt-2026-01-01-0.1", origin: { kind: "submit" } } as const;
  const head = "Subject: Report Domain: other.test\r\nTLS-Required: No\r\n";
  assertEquals(await world.relay({}, { head, entry }), TAKEN);
  assertEquals([peer.messages[0]!.tls, world.noted], [false, []]);
  // Nobody outside names an entry so.
  const claimed = { id: entry.id, origin: { kind: "session" } } as const;
  assertMatch((await world.relay({}, { entry: claimed }))[0]!, /deferred/);
  assertEquals(world.noted, ["sts mx.other.test starttls-not-supported"]);
});
