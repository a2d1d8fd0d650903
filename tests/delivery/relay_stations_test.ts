/**
 * Our client against our server, on the memory network: what is sent is what arrives, octet for octet.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { encode } from "../../src/bytes.ts";
import type { Route } from "../../src/routing/route.ts";
import { MemoryStation, type StationSetup } from "../support/memory_station.ts";
import { testAuthority } from "../support/certificates.ts";
import { mxRoute, RelayWorld, smarthostRoute } from "./relay_world.ts";
import { latin1 } from "./scripted_peer.ts";
import { jobFor, type JobSetup, told } from "./support.ts";

const ALICE = { to: ["alice@example.test"] };
const TAKEN = /^0 (relayed|delivered) 250 2\.[01]\.[05] /;

/** A station at 192.0.2.25 that keeps what it takes in memory, and a world that relays to it. */
async function station(setup: StationSetup = {}, derive?: () => Promise<Uint8Array>) {
  const world = new RelayWorld({
    nonce: () => "fyko+d2lbbFgONRv9qkxdawL",
    ...(derive && { derive }),
  });
  const bodies: Uint8Array[] = [];
  const server = await MemoryStation.start({
    runtime: world.machine("192.0.2.25"),
    temporary: "/tmp",
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
).map(([lines]) => Uint8Array.from(lines.map((line) => `${line}\r\n`).join(""), (c) => c.charCodeAt(0)));

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
        assertEquals((await there.relay(job, smarthostRoute()))[0]!.replace(TAKEN, ""), "taken");
        assertEquals(hash(there.bodies.pop()!), hash(octets));
      }),
      { numRuns: 60 },
    );
  });
}
