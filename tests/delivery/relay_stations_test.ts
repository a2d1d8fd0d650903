/**
 * Our client against our server, on the memory network: what is sent is what arrives, octet for octet.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { createHash, pbkdf2Sync } from "node:crypto";
import type { Route } from "../../src/routing/route.ts";
import { encode } from "../../src/bytes.ts";
import { scramKeys } from "../../src/smtp/sasl/scram_verifier.ts";
import { DIRECTORY, MemoryStation, type StationSetup } from "../support/memory_station.ts";
import { testAuthority } from "../support/certificates.ts";
import { RelayWorld, smarthostRoute } from "./relay_world.ts";
import { latin1 } from "./scripted_peer.ts";
import { jobFor, type JobSetup, told } from "./support.ts";

const ALICE = { to: ["alice@example.test"] };
const TAKEN = /^0 (relayed|delivered) 250 2\.[01]\.[05] /;

/** A station at 192.0.2.25 that keeps what it takes in memory, and a world that relays to it. */
async function station(setup: StationSetup = {}) {
  const world: RelayWorld = new RelayWorld({
    derive: ({ password, salt, iterations }) =>
      Promise.resolve(pbkdf2Sync(password, salt, iterations, 32, "sha256")),
  });
  const bodies: Uint8Array[] = [];
  const server = await MemoryStation.start({
    runtime: world.machine("192.0.2.25"),
    temporary: "/tmp",
    directory: {
      isLocalDomain: (domain) => DIRECTORY.isLocalDomain(domain),
      lookup: (address) => DIRECTORY.lookup(address),
      maySendAs: (account, address) => DIRECTORY.maySendAs(account, address),
      verify: () => Promise.resolve(null),
      scramVerifier: (name) => {
        const salt = encode("QSXCR+Q6sek8bf92");
        const salted = pbkdf2Sync("wonderland", salt, 4096, 32, "sha256");
        const verifier = { iterations: 4096, salt, ...scramKeys(salted) };
        return Promise.resolve({ verifier, account: { name } });
      },
    },
    delivery: {
      checkRoom: () => Promise.resolve(null),
      async prepare(source) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of source.openBody()) chunks.push(chunk.slice());
        bodies.push(Uint8Array.from(chunks.flatMap((chunk) => [...chunk])));
        return { publish: () => Promise.resolve(), discard: () => Promise.resolve() };
      },
    },
    ...setup,
  });
  const relay = async (job: JobSetup, route: Route) =>
    told(await world.deliver(jobFor(route, { ...ALICE, ...job })));
  const stop = async () => {
    await world[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  };
  return { world, server, bodies, relay, [Symbol.asyncDispose]: stop };
}

/** Lines of octets, some of which begin with a dot, ended by CRLF but perhaps the last. */
const body = fc.tuple(
  fc.array(
    fc.oneof(
      fc.constantFrom(".", "..", "", ".\0", "x".repeat(997)),
      fc.uint8Array({ maxLength: 60 }).map((octets) => latin1(octets).replace(/[\r\n]/g, "")),
    ),
    { maxLength: 60 },
  ),
).map(([lines]) =>
  Uint8Array.from(lines.map((line) => `${line}\r\n`).join(""), (c) => c.charCodeAt(0))
);

function hash(octets: Uint8Array): string {
  return createHash("sha256").update(octets).digest("hex");
}

for (const chunking of [false, true]) {
  Deno.test(`remoteTransport() brings bodies over octet for octet by ${chunking ? "BDAT" : "DATA"}`, async () => {
    await using there = await station({
      listener: { extensions: { chunking, binaryMime: chunking } },
    });
    await fc.assert(
      fc.asyncProperty(body, fc.integer({ min: 1, max: 9 }), async (octets, pieces) => {
        there.world.own.network.wires.conditions = () => ({ window: 4096 });
        const job = { body: octets, pieces, entry: { body: "8BITMIME" } } as const;
        assertMatch((await there.relay(job, smarthostRoute()))[0]!, TAKEN);
        assertEquals(hash(there.bodies.pop()!), hash(octets));
      }),
      { numRuns: 60 },
    );
  });
}

Deno.test("remoteTransport() brings a large message over in both ways, with small windows", async () => {
  for (const chunking of [false, true]) {
    await using there = await station({ listener: { extensions: { chunking } } });
    there.world.own.network.wires.conditions = () => ({
      window: 5000,
      split: (n) => Math.min(n, 999),
    });
    const octets = Uint8Array.from(".\r\n..\r\nabc\r\n".repeat(40_000), (c) => c.charCodeAt(0));
    for (const pieces of [1, 7, 300]) {
      const [outcome] = await there.relay({ body: octets, pieces }, smarthostRoute());
      assertMatch(outcome!, TAKEN);
      assertEquals(hash(there.bodies.pop()!), hash(octets));
    }
  }
});

Deno.test("lmtpTransport() brings mail to our own LMTP", async () => {
  await using there = await station({ listener: { role: "lmtp" } });
  const address = { transport: "tcp", hostname: "192.0.2.25", port: 25 } as const;
  const to = ["alice@example.test", "nobody@example.test", "bob@example.test"];
  const outcomes = await there.relay({ to }, { kind: "lmtp", address, connections: 1 });
  assertEquals(outcomes.map((text) => text.slice(0, 21)).sort(), [
    "0 delivered 250 2.0.0",
    "1 failed 550 5.1.1 no",
    "2 delivered 250 2.0.0",
  ]);
  assertEquals(there.bodies.length, 2);
});

Deno.test("remoteTransport() logs in to our own submission over verified TLS by SCRAM", async () => {
  await using there = await station({ listener: { role: "submission" } });
  const login = (password: string) =>
    smarthostRoute({
      tls: "verified",
      authorities: [testAuthority],
      credentials: { user: "alice@example.test", password },
    });
  const job = { from: "alice@example.test" };
  const right = await there.relay(job, login("wonderland"));
  assertMatch(right[0]!, TAKEN);
  assertEquals(there.server.of("message.accepted")[0]!.identity, "alice@example.test");
  assertEquals(there.server.of("session.opened").length, 1);

  const wrong = await there.relay(job, login("looking-glass"));
  assertEquals(wrong[0]!.slice(0, 20), "0 deferred 535 5.7.8");
  assertEquals(there.server.of("auth.failed")[0]!.mechanism, "SCRAM-SHA-256");
});
