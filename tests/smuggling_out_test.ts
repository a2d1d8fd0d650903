/**
 * SMTP smuggling, outbound: whatever a message holds and by whatever road it came, what we say to the next
 * station has one end only, even for one that takes CR or LF alone for the end of a line, or drops NUL
 * from within a line that begins with a dot.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { concat } from "../src/bytes.ts";
import { mapDirectory } from "../src/directory/map_directory.ts";
import type { QueueMatcher } from "../src/queue/operator/queue_filter.ts";
import { memoryRuntime } from "../src/runtime/memory.ts";
import { ChunkEncoder } from "../src/smtp/chunk_encoder.ts";
import { cursorOver } from "../src/smtp/cursor.ts";
import { DataEncoder } from "../src/smtp/data_encoder.ts";
import { ScriptedPeer } from "./delivery/scripted_peer.ts";
import { latin1, octets } from "./support/feed.ts";
import { MemoryStation } from "./support/memory_station.ts";
import {
  dataEnds,
  FALSE_ENDS,
  hasBareNewline,
  mended,
  SMUGGLED,
  smugglingBody,
  stuffed,
  unstuffed,
  variants,
} from "./support/smuggling.ts";

/** What goes over the wire by DATA, or `null` where the encoder refuses. */
function encoded(text: string, newlines: "refuse" | "normalize", size: number): string | null {
  const encoder = new DataEncoder({ newlines });
  let wire = "";
  for (let at = 0; at < text.length; at += size) {
    const cursor = cursorOver(octets(text.slice(at, at + size)));
    for (let result; (result = encoder.next(cursor)) !== null;) {
      if (result.type === "bare-newline") return null;
      wire += latin1(result.bytes);
    }
  }
  const last = encoder.finish();
  return last.type === "bytes" ? wire + latin1(last.bytes) : null;
}

/** What each kind of careless server takes for the end of a message. */
const CARELESS: readonly RegExp[] = [
  /[\r\n]\.[\r\n]/, // any newline before and after
  /\n\.\r*\n/, // CR before LF does not count, however many
  /\n\.[ \t\v\f]*\r?\n/, // white space behind the dot does not count
  /\n\.\0[^]?/, // a line ends at NUL, as strings of C do
  /\n\.\r?\0*\n/, // NUL does not count behind the dot
  /[\r\n\x85\u2028]\.[\r\n\x85\u2028]/, // what Unicode calls a newline
];

Deno.test("smuggling: what DATA sends has one end, for careless servers too, whatever the message holds", () => {
  let index = 0;
  for (const text of variants(5)) {
    for (const prefix of ["", "Subject: x\r\n\r\n" + "p".repeat(1 + index % 37)]) {
      const message = prefix + text + SMUGGLED;
      const what = JSON.stringify(prefix + text);
      const size = index++ % 5 === 0 ? 1 : Infinity;
      const wire = encoded(message, "normalize", size);
      assert(wire !== null && !hasBareNewline(wire), what);
      const end = dataEnds(wire);
      assertEquals(end, wire.length - 3, what);
      assertEquals(unstuffed(wire.slice(0, end)), `${mended(message)}\r\n`, what);
      for (const careless of CARELESS) {
        assertEquals(`\n${wire.slice(0, -3)}`.search(careless), -1, `${what} for ${careless}`);
      }
      const refused = encoded(message, "refuse", size);
      assertEquals(refused, hasBareNewline(message) ? null : wire, what);
    }
  }
});

Deno.test("smuggling: what BDAT sends is as many octets as it says, whatever the message holds", () => {
  for (const text of variants(5)) {
    const message = text + SMUGGLED;
    for (const newlines of ["normalize", "keep"] as const) {
      const encoder = new ChunkEncoder({ newlines, chunk: 40 });
      const pieces = [encoder.write(octets(text)), encoder.write(octets(SMUGGLED))];
      const given = [...pieces, encoder.finish()].filter((piece) => piece instanceof Uint8Array);
      let wire = latin1(concat(given));
      let content = "";
      for (let last = false; !last;) {
        const [head = "", size, end] = /^BDAT (\d+)( LAST)?\r\n/.exec(wire) ?? [];
        assert(head !== "", JSON.stringify(wire));
        content += wire.slice(head.length, head.length + Number(size));
        wire = wire.slice(head.length + Number(size));
        last = end !== undefined;
      }
      assertEquals([wire, content], ["", newlines === "keep" ? message : mended(message)]);
    }
  }
});

const RECIPIENT = "bob@elsewhere.test";
const TEXT = `Subject: outer\r\n\r\n${smugglingBody(RECIPIENT)}`;

/** The ways in for what must not get out as two. */
const ROADS: Readonly<Record<string, (station: MemoryStation) => Promise<void>>> = {
  "submit()": async ({ mta, runtime }) => {
    const envelope = { sender: "alice@example.test", recipients: [RECIPIENT] };
    await runtime.clock.runUntil(mta.submit(envelope, octets(TEXT)));
  },
  "DATA, made right on the way in": async (station) => {
    const peer = await station.greeted();
    await peer.say("MAIL FROM:<alice@example.test>", 250);
    await peer.say(`RCPT TO:<${RECIPIENT}>`, 250);
    await peer.say("DATA", 354);
    await peer.send(octets(`${stuffed(TEXT)}.\r\n`));
    await peer.expect(250);
  },
  "BDAT, made right on the way in": (station) => bdat(station, ""),
  "BDAT with BINARYMIME": (station) => bdat(station, " BODY=BINARYMIME"),
};

async function bdat(station: MemoryStation, parameter: string): Promise<void> {
  const peer = await station.greeted();
  await peer.say(`MAIL FROM:<alice@example.test>${parameter}`, 250);
  await peer.say(`RCPT TO:<${RECIPIENT}>`, 250);
  await peer.send(octets(`BDAT ${TEXT.length} LAST\r\n${TEXT}`));
  await peer.expect(250);
}

/** What the next station offers. */
const NEXT: Readonly<Record<string, readonly string[]>> = {
  "by DATA": ["PIPELINING", "8BITMIME"],
  "by DATA in 7 bits": [],
  "by BDAT": ["PIPELINING", "8BITMIME", "CHUNKING"],
  "by BDAT, BINARYMIME": ["PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME"],
};

for (const [road, take] of Object.entries(ROADS)) {
  for (const [way, extensions] of Object.entries(NEXT)) {
    Deno.test(`smuggling: in by ${road}, out ${way}: one message, one transaction`, async () => {
      const runtime = memoryRuntime({ address: "192.0.2.25" });
      const machine = memoryRuntime({ address: "192.0.2.99", beside: runtime });
      const next = await ScriptedPeer.start(machine, { extensions });
      await using station = await MemoryStation.start({
        runtime,
        directory: mapDirectory({ accounts: { "alice@example.test": {} } }),
        relayFrom: ["198.51.100.0/24"],
        listener: { newlines: "normalize" },
        queue: { directory: "/queue" },
        routes: [{ domains: ["*"], via: { kind: "smarthost", host: "192.0.2.99", port: 25 } }],
      });
      await take(station);
      await runtime.clock.advance(10_000);
      assertEquals(next.messages.length, 1, next.lines.join("\n"));
      assertEquals(next.said("MAIL").length, 1);
      const [{ text, rcpt }] = next.messages as [typeof next.messages[0]];
      assertEquals(rcpt, [`<${RECIPIENT}>`]);
      assert(text.includes("Subject: outer\r\n"));
      if (!way.endsWith("BINARYMIME") || road !== "BDAT with BINARYMIME") {
        assert(!hasBareNewline(text));
      }
      assertEquals(await station.mailbox("alice"), [], "no notice");
    });
  }
}

Deno.test("smuggling: a message that was deferred, held and released goes out as one", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const machine = memoryRuntime({ address: "192.0.2.99", beside: runtime });
  let busy = true;
  const next = await ScriptedPeer.start(machine, {
    on: (line) => busy && line.startsWith("RCPT") ? "450 4.2.1 later" : undefined,
  });
  const setup = {
    runtime,
    directory: mapDirectory({ accounts: { "alice@example.test": {} } }),
    queue: { directory: "/queue" },
    routes: [{ domains: ["*"], via: { kind: "smarthost", host: "192.0.2.99", port: 25 } }],
  } as const;
  {
    await using station = await MemoryStation.start(setup);
    await ROADS["submit()"]!(station);
    await runtime.clock.advance(10_000);
    assertEquals([next.messages.length, station.of("delivery.deferred").length], [0, 1]);
    const { signal } = new AbortController();
    const matcher = { matches: () => true } as unknown as QueueMatcher;
    const hold = { action: "hold", reason: "to be looked at" } as const;
    const held = await Array.fromAsync(station.mta.queue!.change({ matcher }, hold, signal));
    assertEquals(held.map(({ result }) => result), ["changed"]);
  }
  busy = false;
  // Read again from its files, after a restart.
  await using station = await MemoryStation.start(setup);
  const { signal } = new AbortController();
  const matcher = { matches: () => true } as unknown as QueueMatcher;
  const change = station.mta.queue!.change({ matcher }, { action: "release" }, signal);
  await runtime.clock.runUntil(Array.fromAsync(change));
  await runtime.clock.advance(10_000);
  assertEquals(next.messages.length, 1);
  const { text } = next.messages[0]!;
  assert(text.includes("Subject: outer\r\n") && text.endsWith("last line\r\n"));
  assert(!hasBareNewline(text));
});

Deno.test("the texts of this test hold what they should", () => {
  assert(FALSE_ENDS.every((end) => dataEnds(`a${end}b`) < 0));
});
