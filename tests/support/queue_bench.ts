/**
 * A queue in virtual time: a store that can fail and a runner that can crash, over ways out that answer as
 * the test says.
 *
 * @module
 */

import { formatAddress } from "../../src/address.ts";
import type { Transport } from "../../src/delivery/transport.ts";
import { Runner, type RunnerOptions } from "../../src/delivery/runner.ts";
import type { MtaEvent } from "../../src/events.ts";
import type { QueueEntry } from "../../src/queue/entry.ts";
import { MemoryStore } from "../../src/queue/memory_store.ts";
import type { Notice } from "../../src/queue/notice.ts";
import type { Outcome } from "../../src/queue/outcome.ts";
import { retrySchedules } from "../../src/queue/retry.ts";
import type { NewMessage, QueueStore } from "../../src/queue/store.ts";
import type { MxRoute } from "../../src/routing/route.ts";
import { MemoryClock } from "../../src/runtime/memory_clock.ts";
import { MemoryRandom } from "../../src/runtime/memory_random.ts";
import { type Reply, reply } from "../../src/smtp/reply.ts";
import { newMessage } from "./queue_entry.ts";

/** An attempt as the other side saw it. */
export interface SeenAttempt {
  readonly time: number;
  readonly message: string;
  readonly recipients: readonly string[];
}

/** What a host says to a recipient: a reply, by whose code the outcome goes, or `null`: out of reach. */
export type Answer = Reply | null;

/** What hosts answer: by the recipient's address, at a time. */
export type Answers = (recipient: string, time: number) => Answer | Promise<Answer>;

export const OK: Reply = reply(250, "2.0.0", "ok");
export const LATER: Reply = reply(451, "4.7.1", "later");
export const NEVER: Reply = reply(550, "5.1.1", "no such user");
export const REFUSED: Reply = reply(451, "4.4.1", "connection refused");

/** The usual way: whoever DNS names. */
export function mxRoute(domain: string, connections = 20): MxRoute {
  return {
    kind: "mx",
    domain,
    port: 25,
    tls: "opportunistic",
    family: "ipv6-first",
    allowAddresses: [],
    connections,
    eightBit: "convert",
  };
}

/** A store that is one for a runner until that is crashed. */
export interface CrashableStore {
  readonly store: QueueStore;
  /** From now on no call of the runner's comes back. */
  crash(): void;
}

/**
 * The store as a runner sees it. `before` is called with the name of each method and may throw, or never
 * come back; by `after` the work is done, and its answer not given yet.
 */
export function throughWire(
  inner: QueueStore,
  { before, after }: {
    readonly before?: (method: keyof QueueStore) => unknown;
    readonly after?: (method: keyof QueueStore, answer: unknown) => unknown;
  },
): QueueStore {
  const asynchronous = ["add", "claim", "claimById", "update", "settle", "wait", "get"];
  return new Proxy(inner, {
    get(target, name) {
      const method = name as keyof QueueStore;
      const call = Reflect.get(target, name) as (...parameters: unknown[]) => unknown;
      if (!asynchronous.includes(method)) return call.bind(target);
      return async (...parameters: unknown[]) => {
        await before?.(method);
        const answer = await call.apply(target, parameters);
        await after?.(method, answer);
        return answer;
      };
    },
  });
}

/** What a test may say of its bench; the rest is usual. */
export interface BenchSetup extends Partial<RunnerOptions> {
  readonly answers?: Answers;
  readonly lease?: number;
  readonly store?: QueueStore;
  /** Puts something between runner and store. */
  readonly wire?: (inner: QueueStore) => QueueStore;
  readonly clock?: MemoryClock;
}

/** A store, a runner, and what happened. */
export class QueueBench {
  readonly clock: MemoryClock;
  readonly store: QueueStore;
  readonly runner: Runner;
  readonly events: MtaEvent[] = [];
  readonly attempts: SeenAttempt[] = [];
  /** What was told of which message, and when. */
  readonly told: { time: number; message: string; notice: Notice }[] = [];
  /** What `run` gives. */
  readonly running: Promise<void>;

  /** Everything is at time 0 unless a clock is given; the runner runs. */
  constructor(setup: BenchSetup = {}) {
    const { answers = () => OK, lease, wire = (store) => store, ...options } = setup;
    this.clock = setup.clock ?? new MemoryClock(0);
    this.store = setup.store ?? new MemoryStore({ clock: this.clock, ...(lease && { lease }) });
    this.runner = new Runner({
      clock: this.clock,
      random: new MemoryRandom(1),
      route: ({ recipients }, index) => mxRoute(recipients[index]!.address.domain),
      senderFor: ({ sender }) => sender,
      transports: { mx: this.transport(answers) },
      notices: (entry, notices) => Promise.resolve(this.notices(entry, notices)),
      scheduleFor: retrySchedules(),
      emit: (fact) => this.events.push({ time: this.clock.now(), ...fact }),
      ...options,
      store: wire(this.store),
    });
    this.running = this.runner.run();
  }

  /** A way out on which every recipient is answered on its own. */
  transport(answers: Answers): Transport {
    return {
      deliver: async ({ entry, recipients }, signal) => {
        const names = recipients.map((i) => formatAddress(entry.recipients[i]!.address));
        this.attempts.push({ time: this.clock.now(), message: entry.id, recipients: names });
        const aborted = new Promise<Reply>((resolve) =>
          signal.addEventListener("abort", () => resolve(reply(451, "4.3.2", "broken off")))
        );
        return await Promise.all(recipients.map(async (recipient, i): Promise<Outcome> => {
          const answer = await Promise.race([answers(names[i]!, this.clock.now()), aborted]);
          if (answer === null) {
            return { recipient, status: "deferred", reply: REFUSED, unreachable: true };
          }
          const { code } = answer;
          const status = code < 300 ? "relayed" : code < 500 ? "deferred" : "failed";
          return { recipient, status, reply: answer, host: "mx.test [192.0.2.1]:25" };
        }));
      },
    };
  }

  /** Notices that go to the sender, as `delivery/bounce.ts` makes them: one message, one id. */
  notices(entry: QueueEntry, notices: readonly Notice[]): NewMessage[] {
    const { sender, id } = entry;
    return notices.flatMap((notice) => {
      this.told.push({ time: this.clock.now(), message: id, notice });
      if (sender === null) return [];
      return [newMessage([formatAddress(sender)], {
        id: `${id}-${notice.kind}-${notice.recipients.join("-")}`.slice(0, 100),
        sender: null,
        received: this.clock.now(),
        origin: { kind: "notice", session: id },
      })];
    });
  }

  /** Queues a message. */
  async add(id: string, ...recipients: string[]): Promise<void> {
    await this.store.add(newMessage(recipients, { id, received: this.clock.now() }));
  }

  /** The entries in the store, by id. */
  async entries(): Promise<Map<string, QueueEntry>> {
    const entries = new Map<string, QueueEntry>();
    for await (const entry of this.store.list()) entries.set(entry.id, entry);
    return entries;
  }

  /** The events of a type. */
  eventsOf<T extends MtaEvent["type"]>(type: T): Extract<MtaEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<MtaEvent, { type: T }> =>
      event.type === type
    );
  }

  /** Stops the runner, letting time pass. */
  async stop(options?: { grace: number }): Promise<void> {
    await this.clock.runUntil(Promise.all([this.runner.stop(options), this.running]));
  }
}
