/**
 * Events as traces: one for each message, from its first command to its last recipient. Its root span
 * begins at MAIL and ends when nothing is left in the queue; below it are how it was received, each attempt
 * for each recipient, and the notices made of it, with theirs. Spans are made from events, with the times of
 * those, by whatever makes spans (`cli/telemetry.ts`).
 *
 * A message that was queued before the process began has a root from its first attempt on, and so has one that
 * was forgotten: so many are tracked at a time, and the oldest is let go for a new one. Who never delivers
 * keeps no more of us than that.
 *
 * @module
 */

import type { EventSink, MtaEvent } from "../events.ts";

/** What a span tells beside its name and times. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** What a span is made of. */
export interface SpanOptions<S> {
  readonly name: string;
  /** `server`: a client asked for it; `client`: we asked another. */
  readonly kind: "server" | "client" | "internal";
  /** Epoch milliseconds. */
  readonly start: number;
  readonly attributes: SpanAttributes;
  /** Absent: it begins a trace. */
  readonly parent?: S;
}

/** What makes spans. */
export interface SpanMaker<S> {
  /** Begins a span. */
  start(options: SpanOptions<S>): S;
  /** Ends one. @param time epoch milliseconds. @param error what went wrong. */
  end(span: S, time: number, attributes?: SpanAttributes, error?: string): void;
}

/** A message that is under way. */
interface Tracked<S> {
  readonly root: S;
  /** Messages of the queue that are to end yet. */
  open: number;
  /** Spans it has. */
  spans: number;
}

type Done = MtaEvent & { readonly type: "delivery.done" };

/** Messages at a time. */
const MAX_TRACKED = 10_000;
/** Attempts of one message that have spans. */
const MAX_SPANS = 200;

/** Makes the traces. */
export class MessageTraces<S> {
  readonly #spans: SpanMaker<S>;
  readonly #limit: number;
  /** The time of the last event. */
  #now = 0;
  /** By id, the oldest first. */
  readonly #tracked = new Map<string, Tracked<S>>();
  /** Copies of messages that are not accepted yet. */
  readonly #early = new Map<string, Done[]>();

  /** @param spans what makes them. @param limit messages at a time. */
  constructor(spans: SpanMaker<S>, limit: number = MAX_TRACKED) {
    this.#spans = spans;
    this.#limit = limit;
  }

  /** Takes an event. Never waits. */
  readonly record: EventSink = (event) => {
    this.#now = event.time;
    this.#record(event);
  };

  /** The end of the process: what waits in the queue is told as far as it is known. */
  stop(time: number): void {
    for (const { root } of this.#tracked.values()) {
      this.#spans.end(root, time, { "yizhan.unfinished": true });
    }
    this.#tracked.clear();
  }

  #record(event: MtaEvent): void {
    switch (event.type) {
      case "message.accepted":
        return this.#accepted(event);
      case "message.refused":
      case "message.discarded":
        this.#early.delete(event.message);
        return;
      case "message.queued":
        return this.#born(event);
      case "delivery.done":
        if (event.session !== undefined) return this.#hold(event);
        return this.#attempted(event, undefined);
      case "delivery.deferred":
      case "delivery.failed":
        if ("session" in event && event.session !== undefined) return;
        return this.#attempted(event, event.reply);
      case "message.done":
        return this.#done(event.message, event.time, {
          "yizhan.delivered": event.delivered,
          "yizhan.failed": event.failed,
        }, event.failed > 0 ? "not all recipients were reached" : undefined);
      case "queue.changed":
        if (event.action !== "removed") return;
        return this.#done(event.message, event.time, {}, "removed by an operator");
    }
  }

  #accepted(event: MtaEvent & { readonly type: "message.accepted" }): void {
    const { message, session, time, duration, queued } = event;
    const early = this.#early.get(message) ?? [];
    this.#early.delete(message);
    if (this.#tracked.has(message)) return; // the queue was faster to tell
    const start = time - duration;
    const root = this.#spans.start({
      ...{ name: "message", kind: "server", start },
      attributes: {
        "yizhan.message": message,
        "yizhan.session": session,
        "client.address": event.client,
        "yizhan.sender": event.sender,
        "yizhan.recipients": event.recipients.length,
        "yizhan.size": event.size,
        ...(event.identity !== null && { "yizhan.identity": event.identity }),
      },
    });
    const receive = this.#spans.start({
      ...{ name: "receive", kind: "internal", start, parent: root },
      attributes: event.tls === null ? {} : { "tls.protocol": event.tls },
    });
    this.#spans.end(receive, time);
    const tracked: Tracked<S> = { root, open: queued, spans: 0 };
    for (const copy of early) this.#span(tracked, copy, undefined);
    if (queued === 0) this.#spans.end(root, time);
    else this.#track(message, tracked);
  }

  /** A notice belongs to the trace of what it is about. */
  #born({ message, about, notice, recipients, size, time }: MtaEvent & { type: "message.queued" }) {
    const parent = about === undefined ? undefined : this.#find(about)?.tracked.root;
    const root = this.#spans.start({
      ...{
        name: `notice${notice === undefined ? "" : ` ${notice}`}`,
        kind: "internal",
        start: time,
      },
      ...(parent !== undefined && { parent }),
      attributes: {
        "yizhan.message": message,
        ...(about !== undefined && { "yizhan.about": about }),
        "yizhan.recipients": recipients.length,
        "yizhan.size": size,
      },
    });
    this.#track(message, { root, open: 1, spans: 0 });
  }

  #attempted(event: Attempted, error: string | undefined): void {
    this.#span(this.#find(event.message)?.tracked ?? this.#resume(event), event, error);
  }

  #resume({ message, time, took = 0 }: Attempted): Tracked<S> {
    const root = this.#spans.start({
      ...{ name: "message", kind: "server", start: time - took },
      attributes: { "yizhan.message": message, "yizhan.resumed": true },
    });
    const tracked = { root, open: 1, spans: 0 };
    this.#track(message, tracked);
    return tracked;
  }

  #span(tracked: Tracked<S>, event: Attempted, error: string | undefined): void {
    if (++tracked.spans > MAX_SPANS) return;
    const { time, took = 0, recipient, reply, tls } = event;
    const host = "destination" in event ? event.destination : event.host;
    const span = this.#spans.start({
      name: event.type === "delivery.done" ? "deliver" : `deliver (${event.type.slice(9)})`,
      kind: "client",
      start: time - took,
      parent: tracked.root,
      attributes: {
        "yizhan.recipient": recipient,
        ...(host !== undefined && { "server.address": host }),
        ...(reply !== undefined && { "yizhan.reply": reply }),
        ...(tls !== undefined && { "tls.protocol": tls }),
      },
    });
    this.#spans.end(span, time, {}, error);
  }

  #done(message: string, time: number, attributes: SpanAttributes, error?: string): void {
    const found = this.#find(message);
    if (found === null || --found.tracked.open > 0) return;
    this.#tracked.delete(found.key);
    this.#spans.end(found.tracked.root, time, attributes, error);
  }

  /** Over LMTP the queue's ids are those of the message with a number more. */
  #find(message: string): { readonly key: string; readonly tracked: Tracked<S> } | null {
    for (const key of [message, message.slice(0, Math.max(0, message.lastIndexOf(".")))]) {
      const tracked = this.#tracked.get(key);
      if (tracked !== undefined) return { key, tracked };
    }
    return null;
  }

  #track(message: string, tracked: Tracked<S>): void {
    this.#tracked.set(message, tracked);
    if (this.#tracked.size <= this.#limit) return;
    const [oldest, { root }] = this.#tracked.entries().next().value!;
    this.#tracked.delete(oldest);
    this.#spans.end(root, this.#now, { "yizhan.unfinished": true });
  }

  #hold(event: Done): void {
    const held = this.#early.get(event.message);
    if (held !== undefined) held.push(event);
    else if (this.#early.size < this.#limit) this.#early.set(event.message, [event]);
  }
}

/** What came of an attempt for one recipient. */
type Attempted = Extract<
  MtaEvent,
  { readonly type: "delivery.done" | "delivery.deferred" | "delivery.failed" }
>;
