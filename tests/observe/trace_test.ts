import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseNetwork } from "../../src/net_address.ts";
import { type Conversation, Tracer } from "../../src/observe/trace.ts";
import type { ConversationFacts, TraceFilter } from "../../src/observe/trace_filter.ts";
import { letsThrough } from "../../src/observe/trace_filter.ts";
import type { Traced, TraceListener } from "../../src/observe/trace_listener.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { reply } from "../../src/smtp/reply.ts";

const IN: ConversationFacts = {
  side: "in",
  id: "kx3f.1",
  peer: "192.0.2.7",
  address: "192.0.2.7",
  listener: "mx",
};
const OUT: ConversationFacts = {
  side: "out",
  id: "kx3f.1.2",
  peer: "mx.example.org [198.51.100.3]:25",
  address: "198.51.100.3",
  host: "MX.example.org",
};
const ALL: TraceFilter = { by: "all" };

function tracer() {
  const { clock } = memoryRuntime();
  return { clock, tracer: new Tracer(clock) };
}

/** What waits for a listener, as text. */
async function heardBy(listener: TraceListener): Promise<string[]> {
  const now = AbortSignal.abort();
  return (await listener.next(now)).map(textOf);
}

function textOf(one: Traced): string {
  return "lost" in one ? `lost ${one.lost}` : `${one.id} ${one.kind}: ${one.text}`;
}

Deno.test("Conversation.heard says whether somebody listens, from before the first word or later", () => {
  const { tracer: station } = tracer();
  const before = station.open(IN, "connection");
  assertEquals(before.heard, false);
  const listener = station.listen(ALL)!;
  const after = station.open(OUT, "connecting");
  assertEquals([before.heard, after.heard], [true, true]);
  listener[Symbol.dispose]();
  assertEquals([before.heard, after.heard], [false, false]);
});

Deno.test("Conversation tells all of it, lines of a reply one by one", async () => {
  const { tracer: station } = tracer();
  using listener = station.listen(ALL)!;
  const conversation = station.open(IN, "connection to mx");
  conversation.secured({ protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" });
  conversation.command("EHLO client.example");
  conversation.reply({ code: 250, lines: ["mx.example", "SIZE 1000"] }, true);
  conversation.message(12_345);
  conversation.reply(reply(250, "2.0.0", "OK"), true);
  conversation.reply(reply(550, "5.1.1", "no"), false);
  conversation.note("something");
  conversation.close("quit");
  conversation.close("again");
  assertEquals(await heardBy(listener), [
    "kx3f.1 opened: connection to mx",
    "kx3f.1 tls: TLS: TLSv1.3, TLS_AES_256_GCM_SHA384",
    "kx3f.1 command: EHLO client.example",
    "kx3f.1 reply: 250-mx.example",
    "kx3f.1 reply: 250 SIZE 1000",
    "kx3f.1 message: [… 12,345 octets]",
    "kx3f.1 reply: 250 2.0.0 OK",
    "kx3f.1 reply: 550 no",
    "kx3f.1 note: something",
    "kx3f.1 closed: quit",
  ]);
});

Deno.test("Conversation tells who begins to listen in the middle since when it goes on", async () => {
  const { clock, tracer: station } = tracer();
  station.open(IN, "connection");
  await clock.advance(65_000);
  using listener = station.listen(ALL)!;
  assertEquals(await heardBy(listener), ["kx3f.1 opened: connection, open for 65 s"]);
});

Deno.test("Conversation.carry() brings another message to the ears of those who wait for it", async () => {
  const { tracer: station } = tracer();
  const conversation = station.open(OUT, "connecting");
  using first = station.listen({ by: "id", id: "kx3f.1.2" })!;
  using second = station.listen({ by: "id", id: "b.1.1" })!;
  conversation.command("MAIL FROM:<a@b.example>");
  conversation.carry("b.1.1");
  conversation.command("MAIL FROM:<c@d.example>");
  assertEquals((await heardBy(first)).slice(1), ["kx3f.1.2 command: MAIL FROM:<a@b.example>"]);
  assertEquals((await heardBy(second)).slice(1), ["b.1.1 command: MAIL FROM:<c@d.example>"]);
});

Deno.test("Conversation makes whatever is told harmless on a terminal", async () => {
  await fc.assert(fc.asyncProperty(fc.string({ unit: "binary" }), async (text) => {
    const { tracer: station } = tracer();
    using listener = station.listen(ALL)!;
    const conversation = station.open({ ...OUT, peer: text }, text);
    conversation.command(text);
    conversation.reply(reply(250, undefined, text), true);
    conversation.note(text);
    for (const one of await listener.next(AbortSignal.abort())) {
      assert(!("lost" in one));
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/.test(one.text + one.peer));
    }
  }));
});

Deno.test("TraceListener loses what comes too fast, counts it, and goes on in order", async () => {
  const { tracer: station } = tracer();
  using listener = station.listen(ALL)!;
  const conversation = station.open(IN, "connection");
  const told = 100_000;
  for (let i = 0; i < told; i++) conversation.command(`NOOP ${i}`);
  const first = await heardBy(listener);
  const kept = first.length - 2; // the line "opened" and the count
  assert(kept > 100 && kept < 5000, `${kept} lines were kept`);
  assertEquals(first.at(-2), `kx3f.1 command: NOOP ${kept - 1}`);
  assertEquals(first.at(-1), `lost ${told - kept}`);
  conversation.command("QUIT");
  assertEquals(await heardBy(listener), ["kx3f.1 command: QUIT"]);
});

Deno.test("TraceListener.next() waits for a line, for the end of listening, and for its signal", async () => {
  const { tracer: station } = tracer();
  const conversation = station.open(IN, "connection");
  const listener = station.listen({ by: "peer", networks: [parseNetwork("203.0.113.0/24")!] })!;
  const stop = new AbortController();
  const nothing = listener.next(stop.signal);
  conversation.command("NOOP");
  stop.abort();
  assertEquals(await nothing, []);
  const line = listener.next(new AbortController().signal);
  station.open({ ...IN, id: "x", peer: "203.0.113.9", address: "203.0.113.9" }, "connection");
  assertEquals((await line).map(textOf), ["x opened: connection"]);
  const ended = listener.next(new AbortController().signal);
  listener[Symbol.dispose]();
  assertEquals(await ended, []);
});

Deno.test("Tracer lets only so many listen at once", () => {
  const { tracer: station } = tracer();
  const listeners: TraceListener[] = [];
  for (let one; (one = station.listen(ALL)) !== null;) listeners.push(one);
  assertEquals(listeners.length, 16);
  listeners[3]![Symbol.dispose]();
  assert(station.listen(ALL) !== null);
  assertEquals(station.listen(ALL), null);
});

Deno.test("Tracer forgets conversations that are closed", () => {
  const { tracer: station } = tracer();
  const open: Conversation[] = [station.open(IN, ""), station.open(OUT, "")];
  assertEquals(station.hears(ALL), true);
  for (const one of open) one.close("done");
  assertEquals(station.hears(ALL), false);
});

Deno.test("letsThrough() goes by peer, host, id and listener", () => {
  const unix: ConversationFacts = { ...IN, peer: "unix", address: "unix", listener: "lmtp" };
  const net = (text: string) => ({ by: "peer", networks: [parseNetwork(text)!] }) as const;
  const host = { by: "peer", networks: [], host: "mx.example.org" } as const;
  const sockets = { by: "peer", networks: [], unix: true } as const;
  const id = (text: string) => ({ by: "id", id: text }) as const;
  const table: [TraceFilter, boolean, boolean, boolean][] = [
    [ALL, true, true, true],
    [net("192.0.2.7"), true, false, false],
    [net("192.0.2.0/24"), true, false, false],
    [net("::/0"), false, false, false],
    [host, false, true, false],
    [sockets, false, false, true],
    [{ by: "listener", name: "mx" }, true, false, false],
    [{ by: "listener", name: "lmtp" }, false, false, true],
    [id("kx3f.1"), true, true, true], // the session, and what it brought
    [id("kx3f.1.2"), true, true, true], // the message, and the session that brings it
    [id("kx3f.1.3"), true, false, true], // the session may bring it yet
    [id("kx3f"), true, true, true],
    [id("kx3f.12"), false, false, false],
    [id("kx3f.1.2.1"), true, false, true], // nothing of a message's begins with the id of another
  ];
  for (const [filter, ...expected] of table) {
    const found = [IN, OUT, unix].map((facts) => letsThrough(filter, facts));
    assertEquals(found, expected, JSON.stringify(filter));
  }
});
