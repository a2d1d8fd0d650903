/**
 * What lives as long as a station, whatever its options become: time-outs, buffers, bodies on their way, sockets,
 * the queue, ids, and the way to who watches.
 *
 * @module
 */

import { describeError, type EventSink, type MtaFact } from "./events.ts";
import type { MtaOptions } from "./mta_options.ts";
import { newBodyStore } from "./mta_parts.ts";
import { StationQueue } from "./mta_queue.ts";
import { Tracer } from "./observe/trace.ts";
import type { BodyStore } from "./queue/body_store.ts";
import { Deadlines } from "./runtime/deadlines.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { ListenerSet } from "./server/listener_set.ts";
import { ReadBuffers } from "./server/read_buffers.ts";
import { isPending } from "./soon.ts";

/** Milliseconds: how exactly it is known when a moment is over. */
const MOMENT = 25;

/** The ground that generations of options stand on. */
export interface StationCore {
  readonly runtime: Runtime;
  readonly outlet: EventOutlet;
  /** {@link EventOutlet.emit}. */
  readonly emit: (fact: MtaFact) => void;
  readonly deadlines: Deadlines;
  /** For waits of which somebody hears when they take longer than a moment. */
  readonly moments: Deadlines;
  readonly tracer: Tracer;
  readonly buffers: ReadBuffers;
  readonly bodies: BodyStore;
  readonly listeners: ListenerSet;
  readonly queue: StationQueue | null;
  /** An id for a session. */
  readonly nextId: () => string;
  /** Fresh and unguessable, for SASL. */
  readonly nonce: () => string;
}

/** Makes it, and opens the queue; nothing listens and nothing is delivered yet. */
export async function openCore(options: MtaOptions): Promise<StationCore> {
  const { runtime, queue } = options;
  const { clock, network, random } = runtime;
  const bodies = newBodyStore(options);
  const outlet = new EventOutlet(clock, options.onEvent);
  const { emit } = outlet;
  const onFault = (error: unknown) =>
    emit({ type: "internal.error", where: "deadlines", error: describeError(error) });
  const deadlines = new Deadlines(clock, onFault);
  const tracer = new Tracer(clock);
  const nextId = sessionIds(runtime, options.instance);
  return {
    ...{ runtime, outlet, emit, deadlines, tracer, bodies, nextId },
    moments: new Deadlines(clock, onFault, MOMENT),
    buffers: new ReadBuffers(),
    listeners: new ListenerSet(network, nextId),
    queue: queue === undefined
      ? null
      : await StationQueue.open(queue, { runtime, deadlines, tracer, emit }),
    nonce: () => random.bytes(18).toBase64(),
  };
}

/** Where events go: to whoever watches now. */
export class EventOutlet {
  /** Who watches; may be another one at any time. */
  sink: EventSink | undefined;
  readonly #clock: Runtime["clock"];
  #told = false;

  /** @param clock tells when something happened. */
  constructor(clock: Runtime["clock"], sink: EventSink | undefined) {
    this.#clock = clock;
    this.sink = sink;
  }

  /**
   * Tells a fact. Never throws. A fact is made by its teller to be told once, so it gets its time in place: to copy
   * objects of so many shapes costs more than to make them.
   */
  readonly emit = (fact: MtaFact): void => {
    try {
      const event = fact as MtaFact & { time: number };
      event.time = this.#clock.now();
      const told: unknown = this.sink?.(event);
      if (isPending(told)) told.then(undefined, this.#failed);
    } catch (error) {
      this.#failed(error);
    }
  };

  /** Who only watches must not change what becomes of a mail, nor end the process: its author hears of it once. */
  readonly #failed = (error: unknown): void => {
    if (this.#told) return;
    this.#told = true;
    console.error("onEvent failed (further failures are not told):", error);
  };
}

/** Ids that no other process of this station has used: its start, randomness, who of several it is, a count. */
function sessionIds({ clock, random }: Runtime, instance = ""): () => string {
  const start = clock.now().toString(36) + random.bytes(3).toHex() + instance;
  let count = 0;
  return () => `${start}.${(++count).toString(36)}`;
}
