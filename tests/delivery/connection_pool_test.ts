import { assertEquals } from "@std/assert";
import { targetKey } from "../../src/delivery/connection_pool.ts";
import type { ExchangeTarget } from "../../src/delivery/smtp_exchange.ts";
import type { TlsPlan } from "../../src/delivery/tls_policy.ts";
import { testAuthority } from "../support/certificates.ts";
import { mxRoute, RelayWorld, smarthostRoute } from "./relay_world.ts";
import { CLOSE } from "./scripted_peer.ts";

const RELAYED = ["0 relayed 250 2.0.0 taken"];

Deno.test("ConnectionPool keeps a connection for the next message, without RSET", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  for (let i = 0; i < 3; i++) assertEquals(await world.relay(), RELAYED);
  assertEquals([peer.connections, peer.messages.length], [1, 3]);
  assertEquals([peer.said("RSET").length, peer.said("NOOP").length], [0, 0]);
  assertEquals(world.remote.resting, 1);
});

Deno.test("ConnectionPool ends a connection that rests too long, with QUIT", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  await world.relay();
  await world.own.clock.advance(4_000);
  assertEquals(peer.open, 1);
  await world.own.clock.advance(3_000);
  assertEquals([peer.open, peer.said("QUIT").length, world.remote.resting], [0, 1, 0]);
  assertEquals(await world.relay(), RELAYED);
  assertEquals(peer.connections, 2);
});

Deno.test("ConnectionPool drops a connection that the peer ends while it rests", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({ closeAfter: 153 });
  assertEquals(await world.relay(), RELAYED);
  await world.own.clock.advance(1_000);
  assertEquals([peer.open, world.remote.resting], [0, 0]);
});

Deno.test("ConnectionPool: a connection that dies in the moment it is taken counts for nothing", async () => {
  for (const answer of [CLOSE, "421 4.4.2 idle for too long"] as const) {
    await using world = new RelayWorld();
    let mails = 0;
    const peer = await world.peer({
      on: (line) => line.startsWith("MAIL") && ++mails === 2 ? answer : undefined,
    });
    const backup = await world.peer({}, "192.0.2.26");
    assertEquals(await world.relay(), RELAYED);
    assertEquals(await world.relay(), RELAYED);
    assertEquals([peer.connections, peer.messages.length, backup.connections], [2, 2, 0]);
  }
});

Deno.test("ConnectionPool ends a connection after 100 messages, or as many as MAILMAX says", async () => {
  for (const [extensions, most] of [[["PIPELINING"], 100], [["LIMITS MAILMAX=3"], 3]] as const) {
    await using world = new RelayWorld();
    const peer = await world.peer({ extensions });
    for (let i = 0; i < most; i++) await world.relay();
    assertEquals([peer.connections, peer.messages.length], [1, most]);
    await world.relay();
    assertEquals([peer.connections, peer.messages.length], [2, most + 1]);
  }
});

Deno.test("ConnectionPool mixes no routes: TLS, credentials and our address must be the same", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({
    tls: world.tls,
    extensions: ["AUTH PLAIN"],
    on: (line) => line.startsWith("AUTH") ? "235 2.7.0 welcome" : undefined,
  });
  const verified = { tls: "verified", authorities: [testAuthority] } as const;
  const login = (user: string) => ({ ...verified, credentials: { user, password: "x" } });
  const routes = [
    smarthostRoute(),
    smarthostRoute({ tls: "none" }),
    smarthostRoute(verified),
    smarthostRoute(login("alice")),
    smarthostRoute(login("bob")),
    smarthostRoute({ source: { ipv4: "192.0.2.1" } }),
    mxRoute(),
  ];
  for (const route of routes) assertEquals(await world.relay({}, route), RELAYED);
  assertEquals(peer.connections, routes.length);
  for (const route of routes) assertEquals(await world.relay({}, route), RELAYED);
  assertEquals(peer.connections, routes.length);
});

Deno.test("ConnectionPool goes on in clear over what was opened in clear", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({
    extensions: ["STARTTLS"],
    on: (line) => line === "STARTTLS" ? "220 go on\r\nno TLS" : undefined,
  });
  for (let i = 0; i < 3; i++) assertEquals(await world.relay(), RELAYED);
  assertEquals([peer.connections, world.troubles.length > 0], [2, true]);
});

Deno.test("ConnectionPool keeps a connection after a refused message", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({
    on: (line) => line.includes("<bob@") ? "550 5.1.1 nobody" : undefined,
  });
  assertEquals(await world.relay(), ["0 failed 550 5.1.1 nobody"]);
  assertEquals(await world.relay({ to: ["eve@example.org"] }), RELAYED);
  assertEquals(peer.connections, 1);
});

Deno.test("ConnectionPool.stop() ends all at once, also with peers that do not answer QUIT", async () => {
  const world = new RelayWorld();
  const peer = await world.peer({ on: (line) => line === "QUIT" ? "250-and" : undefined });
  await world.relay();
  const start = world.own.clock.now();
  await world[Symbol.asyncDispose]();
  assertEquals(world.own.clock.now() - start <= 3_000, true);
  assertEquals(peer.said("QUIT").length, 1);
});

Deno.test("targetKey() tells apart what two connections do not have in common", () => {
  const base: ExchangeTarget = {
    address: { transport: "tcp", hostname: "192.0.2.25", port: 25 },
    serverName: "mx.example.org",
    label: "mx.example.org [192.0.2.25]:25",
    protocol: "smtp",
    tls: { start: "starttls", mandatory: false, verify: false, requireTls: false },
  };
  const record = { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };
  const other = { ...record, data: new Uint8Array(32).fill(1) };
  const dane = {
    kind: "dane",
    base: "mx.example.org",
    names: ["mx.example.org"],
    records: [record],
  } as const;
  const policy = { mode: "enforce", mx: ["mx.example.org"], maxAge: 86_400 } as const;
  const sts = { kind: "sts", domain: "example.org", mode: "enforce", policy } as const;
  const withTls = (tls: Partial<TlsPlan>) => ({ ...base, tls: { ...base.tls, ...tls } });
  const targets: ExchangeTarget[] = [
    base,
    { ...base, serverName: "mx.example.net" },
    { ...base, source: "192.0.2.1" },
    { ...base, authorities: [testAuthority] },
    { ...base, credentials: { user: "alice", password: "x" } },
    { ...base, address: { transport: "tcp", hostname: "192.0.2.25", port: 465 } },
    withTls({ start: "never" }),
    withTls({ mandatory: true }),
    withTls({ mandatory: true, verify: true }),
    withTls({ verify: true }),
    withTls({ mandatory: true, guard: dane }),
    withTls({ mandatory: true, guard: { ...dane, records: [] } }),
    withTls({ mandatory: true, guard: { ...dane, records: [other] } }),
    withTls({ mandatory: true, guard: { ...dane, records: [record, other] } }),
    withTls({ mandatory: true, guard: { ...dane, names: ["example.org"] } }),
    withTls({ mandatory: true, guard: sts }),
    withTls({ mandatory: true, guard: { ...sts, mode: "testing" } }),
    withTls({ mandatory: true, guard: { ...sts, domain: "example.net" } }),
  ];
  const keys = targets.map((target) => targetKey("mail.example.com", target));
  assertEquals(new Set(keys).size, targets.length);
  assertEquals(targetKey("mail.example.net", base) === keys[0], false);
  // What comes anew from DNS, in another order, and what the message asks of the same host are no difference.
  const again = withTls({
    ...{ mandatory: true, requireTls: true },
    guard: { ...dane, records: [{ ...other }, { ...record }] },
  });
  assertEquals(targetKey("mail.example.com", again), keys[13]);
});
