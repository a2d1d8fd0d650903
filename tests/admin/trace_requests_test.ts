import { assertEquals, assertRejects } from "@std/assert";
import {
  ControlError,
  type ControlLine,
  type JsonObject,
} from "../../src/admin/control_protocol.ts";
import { traceCommands, type TraceServices } from "../../src/admin/trace_requests.ts";
import { Tracer } from "../../src/observe/trace.ts";
import type { ConversationFacts } from "../../src/observe/trace_filter.ts";
import type { QueueControl } from "../../src/queue/operator/queue_control.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import { entry } from "./support.ts";

const CLIENT: ConversationFacts = {
  side: "in",
  id: "s1",
  peer: "192.0.2.7",
  address: "192.0.2.7",
  listener: "mx",
};

/** A station with a tracer, and a queue that holds these ids. */
function station(...ids: string[]) {
  const runtime = memoryRuntime();
  const tracer = new Tracer(runtime.clock);
  const queue = {
    show: (id: string) => Promise.resolve(ids.includes(id) ? entry(id) : null),
    async *list() {
      for (const id of ids) yield await Promise.resolve(entry(id));
    },
  } as unknown as Pick<QueueControl, "show" | "list">;
  const services: TraceServices = {
    tracer,
    clock: runtime.clock,
    resolver: runtime.resolver,
    queue: () => queue,
    listeners: () => ["mx", "submission"],
  };
  return { runtime, tracer, services };
}

/** Asks, and reads the first line. */
async function follow(
  runtime: MemoryRuntime,
  services: TraceServices,
  request: JsonObject,
  signal: AbortSignal = new AbortController().signal,
) {
  const answer = traceCommands(services).trace!({ do: "trace", ...request }, signal);
  const { value } = await runtime.clock.runUntil(answer.next());
  return { answer, first: value as ControlLine };
}

Deno.test("trace follows what goes on, and ends with the limit", async () => {
  const { runtime, tracer, services } = station();
  const { answer, first } = await follow(runtime, services, { all: true, limit: 3 });
  assertEquals(first, { type: "following", text: "all conversations" });
  const conversation = tracer.open(CLIENT, "connection to mx");
  conversation.command("EHLO x");
  const opened = (await answer.next()).value as ControlLine;
  assertEquals([opened.type, opened.kind, opened.id], ["line", "opened", "s1"]);
  assertEquals(((await answer.next()).value as ControlLine).text, "EHLO x");
  const third = answer.next();
  conversation.close("quit");
  assertEquals(((await third).value as ControlLine).text, "quit");
  assertEquals(await answer.next(), { done: true, value: { shown: 3, lost: 0 } });
  assertEquals(tracer.open(CLIENT, "").heard, false);
});

Deno.test("trace ends when its time is over, and with its signal", async () => {
  const { runtime, tracer, services } = station();
  const { answer } = await follow(runtime, services, { all: true, for: 60_000 });
  const conversation = tracer.open(CLIENT, "connection");
  await answer.next();
  const next = answer.next();
  await runtime.clock.advance(60_000);
  assertEquals(await next, { done: true, value: { shown: 1, lost: 0 } });
  assertEquals(conversation.heard, false);
  const gone = new AbortController();
  const other = await follow(runtime, services, { all: true }, gone.signal);
  await other.answer.next(); // that the conversation goes on
  const nothing = other.answer.next();
  gone.abort(new Error("gone"));
  await assertRejects(() => nothing, Error, "gone");
  assertEquals(conversation.heard, false);
  assertEquals(runtime.clock.sleepers, 0);
});

Deno.test("trace tells how much was lost on somebody who does not read", async () => {
  const { runtime, tracer, services } = station();
  const { answer } = await follow(runtime, services, { all: true });
  const conversation = tracer.open(CLIENT, "connection");
  for (let i = 0; i < 20_000; i++) conversation.command("NOOP");
  let shown = 0;
  for (;;) {
    const line = (await answer.next()).value as ControlLine;
    if (line.type === "line") shown++;
    else {
      assertEquals(line, { type: "lost", lines: 20_001 - shown });
      break;
    }
  }
  await answer.return({});
  assertEquals(conversation.heard, false);
});

Deno.test("trace finds a peer by address, network, name and socket", async () => {
  const { runtime, tracer, services } = station();
  runtime.resolver.set("mx.example.org", { a: ["198.51.100.3"], aaaa: ["2001:db8::3"] });
  runtime.resolver.set("v4.example.org", { a: ["198.51.100.3"] });
  runtime.resolver.failures.set("a ill.example.org", "servfail");
  const table = [
    ["192.0.2.7", "conversations with 192.0.2.7", true],
    ["192.0.2.0/24", "conversations with 192.0.2.0/24", true],
    ["2001:db8::/32", "conversations with 2001:db8::/32", false],
    ["unix", "conversations over unix sockets", false],
    ["MX.example.org.", "conversations with mx.example.org, 198.51.100.3, 2001:db8::3", false],
    ["none.example.org", "conversations with none.example.org, which has no address", false],
  ] as const;
  for (const [peer, text, heard] of table) {
    const { answer, first } = await follow(runtime, services, { peer });
    assertEquals(first, { type: "following", text });
    assertEquals(tracer.open(CLIENT, "").heard, heard, peer);
    await answer.return({});
  }
  const ill = await follow(runtime, services, { peer: "ill.example.org" });
  assertEquals(
    String(ill.first.text).startsWith(
      "conversations with ill.example.org, whose addresses are not to be had (",
    ),
    true,
    String(ill.first.text),
  );
  await ill.answer.return({});
});

Deno.test("trace follows ids that there are, and refuses those of which nothing can come", async () => {
  const { runtime, tracer, services } = station("m1.1", "s9.4");
  tracer.open(CLIENT, "connection");
  const table = [
    ["m1.1", "attempts to deliver m1.1 from now on"],
    ["s9", "attempts to deliver what session s9 brought, from now on"],
    ["s1", "s1, which is at work"],
    ["s1.3", "s1.3, which is at work"],
  ] as const;
  for (const [id, text] of table) {
    const { answer, first } = await follow(runtime, services, { id });
    assertEquals(first, { type: "following", text });
    await answer.return({});
  }
  const error = await assertRejects(() => follow(runtime, services, { id: "m1.2" }), ControlError);
  assertEquals([error.code, error.message], [
    "not-found",
    "there is no message m1.2 in the queue, and no session m1.2 is open",
  ]);
  const { answer } = await follow(runtime, services, { listener: "submission" });
  await answer.return({});
});

Deno.test("trace refuses what makes no sense", async () => {
  const { runtime, services } = station();
  const wrong: [JsonObject, string][] = [
    [{}, "give one of peer, id, listener and all"],
    [{ peer: "192.0.2.7", all: true }, "give one of peer, id, listener and all"],
    [{ all: 1 }, "peer, id and listener must be text, and all true"],
    [{ peer: "192.0.2.300" }, "peer must be an IP address, a network"],
    [{ peer: "10.1.2.3/8" }, "peer must be an IP address, a network"],
    [{ peer: "a b" }, "peer must be an IP address, a network"],
    [{ id: "../x" }, "that is no id of a message or session"],
    [{ listener: "nosuch" }, 'no listener is called "nosuch"; there are: mx, submission'],
    [{ all: true, limit: 0 }, "limit must be a whole number from 1"],
    [{ all: true, for: 8 * 86_400_000 }, "for must be a whole number from 1 to 604800000"],
  ];
  for (const [request, message] of wrong) {
    const error = await assertRejects(
      () => follow(runtime, services, request),
      ControlError,
      message,
    );
    assertEquals(error.code, "bad-request");
  }
});

Deno.test("trace is busy when too many follow already", async () => {
  const { runtime, tracer, services } = station();
  while (tracer.listen({ by: "all" }) !== null);
  const error = await assertRejects(() => follow(runtime, services, { all: true }), ControlError);
  assertEquals(error.code, "busy");
});
