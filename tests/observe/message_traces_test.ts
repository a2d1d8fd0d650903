import { assertEquals } from "@std/assert";
import type { MtaEvent } from "../../src/events.ts";
import {
  MessageTraces,
  type SpanMaker,
  type SpanOptions,
} from "../../src/observe/message_traces.ts";

interface Recorded {
  readonly path: string;
  readonly start: number;
  end?: number;
  error?: string;
  attributes: Record<string, unknown>;
}

/** Spans as a list, each with the path of names from its root. */
class Recorder implements SpanMaker<Recorded> {
  readonly spans: Recorded[] = [];

  start({ name, start, parent, attributes }: SpanOptions<Recorded>): Recorded {
    const path = parent === undefined ? name : `${parent.path}/${name}`;
    const span = { path, start, attributes: { ...attributes } };
    this.spans.push(span);
    return span;
  }

  end(span: Recorded, time: number, attributes?: Record<string, unknown>, error?: string): void {
    assertEquals(span.end, undefined, "ended twice");
    span.end = time;
    Object.assign(span.attributes, attributes);
    if (error !== undefined) span.error = error;
  }

  get times(): [string, number, number | undefined][] {
    return this.spans.map(({ path, start, end }) => [path, start, end]);
  }
}

const accepted = (message: string, time: number, queued: number): MtaEvent => ({
  ...{ time, type: "message.accepted", session: "s", message, client: "::1", identity: null },
  ...{ sender: "a@a.test", recipients: ["b@b.test"], size: 1, subject: "", tls: null },
  ...{ duration: 10, queued },
});

const deferred = (message: string, time: number, took: number): MtaEvent => ({
  ...{ time, type: "delivery.deferred", message, recipient: "b@b.test", reply: "451 later" },
  ...{ attempts: 1, next: time + 1000, took },
});

const done = (message: string, time: number): MtaEvent => ({
  ...{ time, type: "message.done", message, delivered: 1, failed: 0, duration: 1 },
});

function trace(events: readonly MtaEvent[], limit?: number): Recorder {
  const recorder = new Recorder();
  const traces = new MessageTraces(recorder, limit);
  for (const event of events) traces.record(event);
  return recorder;
}

Deno.test("MessageTraces ends a mail without a queue when it is accepted", () => {
  const copy: MtaEvent = {
    ...{ time: 95, type: "delivery.done", session: "s", message: "s.1", recipient: "b@b.test" },
    destination: "maildir:b.test/b",
  };
  assertEquals(trace([copy, accepted("s.1", 100, 0)]).times, [
    ["message", 90, 100],
    ["message/receive", 90, 100],
    ["message/deliver", 95, 95],
  ]);
});

Deno.test("MessageTraces has a span for each attempt, as long as it took, and ends with the queue", () => {
  const recorder = trace([
    accepted("s.1", 100, 1),
    deferred("s.1", 150, 40),
    deferred("s.1", 900, 5),
    done("s.1", 1000),
  ]);
  assertEquals(recorder.times, [
    ["message", 90, 1000],
    ["message/receive", 90, 100],
    ["message/deliver (deferred)", 110, 150],
    ["message/deliver (deferred)", 895, 900],
  ]);
  assertEquals(recorder.spans.map(({ error }) => error), [
    ...[undefined, undefined],
    ...["451 later", "451 later"],
  ]);
});

Deno.test("MessageTraces ends mail of LMTP with the last of its messages in the queue", () => {
  const recorder = trace([accepted("s.1", 100, 2), done("s.1.0", 200), done("s.1.1", 300)]);
  assertEquals(recorder.times[0], ["message", 90, 300]);
});

Deno.test("MessageTraces begins a trace of mail that it has not seen come", () => {
  assertEquals(trace([deferred("old", 150, 50), done("old", 400)]).times, [
    ["message", 100, 400],
    ["message/deliver (deferred)", 100, 150],
  ]);
});

Deno.test("MessageTraces lets the oldest go where there are too many", () => {
  const events = [1, 2, 3].map((index) => accepted(`s.${index}`, index * 100, 1));
  const recorder = trace(events, 2);
  const roots = recorder.spans.filter(({ path }) => path === "message");
  assertEquals(roots.map(({ end }) => end), [300, undefined, undefined]);
  assertEquals(roots[0]!.attributes["yizhan.unfinished"], true);
});

Deno.test("MessageTraces ends what an operator removes, and at the end of the process all", () => {
  const recorder = new Recorder();
  const traces = new MessageTraces(recorder);
  traces.record(accepted("s.1", 100, 1));
  traces.record(accepted("s.2", 100, 1));
  traces.record({ time: 200, type: "queue.changed", message: "s.1", action: "removed" });
  traces.stop(300);
  traces.stop(400);
  const roots = recorder.spans.filter(({ path }) => path === "message");
  assertEquals(roots.map(({ end, error }) => [end, error]), [
    [200, "removed by an operator"],
    [300, undefined],
  ]);
});
