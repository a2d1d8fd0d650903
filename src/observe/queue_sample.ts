/**
 * How the queue is, as numbers: messages by state, by age and by destination. There may be a hundred
 * thousand on the disk, so they are looked through in the background, gently, and about once a minute; who
 * scrapes gets what the last look saw, however often they ask.
 *
 * A look ends after so many messages; then the numbers are of those alone, and `yizhan_queue_sample_complete`
 * is 0. Domains that mail waits for were chosen by strangers: those with most mail are named, the others are
 * one number.
 *
 * What fails: a queue that cannot be read is told, and looked at again a minute later; the numbers grow old
 * meanwhile, which `yizhan_queue_sample_timestamp_seconds` shows.
 *
 * @module
 */

import { domainKey } from "../address.ts";
import type { QueueControl } from "../queue/operator/queue_control.ts";
import type { QueueMatcher } from "../queue/operator/queue_filter.ts";
import type { QueueSummary } from "../queue/operator/queue_view.ts";
import type { Clock } from "../runtime/runtime.ts";
import { OTHER } from "./instruments.ts";
import type { MetricFamily, MetricSample } from "./open_metrics.ts";

/** What a sampler is made of. */
export interface QueueSamplerOptions {
  /** The queue. */
  readonly queue: Pick<QueueControl, "list">;
  readonly clock: Clock;
  /** Milliseconds between two looks; more where a look takes long. Default 60,000. */
  readonly interval?: number;
  /** Messages looked at, at most. Default 100,000. */
  readonly limit?: number;
  /** Destinations that are named. Default 20. */
  readonly named?: number;
  /** Is told why the queue could not be read. */
  readonly onFault?: (error: unknown) => void;
}

/** Messages looked at without a pause, and the pause after them (milliseconds). */
const STRIDE = 500;
const PAUSE = 25;
/** A look may take this part of the time. */
const SHARE = 1 / 10;
/** Domains that are told apart while counting. */
const MAX_DOMAINS = 10_000;
/** Recipients of a message whose domains are looked at. */
const MAX_RECIPIENTS = 100;

/** Ages in milliseconds, by the name of the bucket they end. */
const AGES = [
  ["under_5m", 300_000],
  ["5m_to_1h", 3_600_000],
  ["1h_to_4h", 14_400_000],
  ["4h_to_1d", 86_400_000],
  ["over_1d", Infinity],
] as const;

const STATES = ["fresh", "deferred", "active", "kept", "held"] as const;

const ALL: QueueMatcher = { matches: () => true, matchesRecipient: () => true };

/** Looks at the queue now and then. */
export class QueueSampler {
  readonly #options: QueueSamplerOptions;
  #sample: QueueSample | null = null;

  /** @param options what to look at, and how often. Nothing happens before {@link run}. */
  constructor(options: QueueSamplerOptions) {
    this.#options = options;
  }

  /** Looks, again and again, until the signal is aborted; resolves then. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, interval = 60_000, onFault } = this.#options;
    try {
      for (;;) {
        const started = clock.now();
        try {
          this.#sample = await this.#look(signal);
        } catch (error) {
          if (signal.aborted) return;
          onFault?.(error);
        }
        const took = clock.now() - started;
        await clock.sleep(Math.max(interval, took / SHARE), signal);
      }
    } catch {
      // Only the sleep throws, and only at the end.
    }
  }

  /** What the last look saw; no numbers before the first. */
  families(): MetricFamily[] {
    return familiesOf(this.#sample, this.#options.named ?? 20);
  }

  async #look(signal: AbortSignal): Promise<QueueSample> {
    const { queue, clock, limit = 100_000 } = this.#options;
    const sample = new QueueSample(clock.now());
    for await (const message of queue.list(ALL, signal)) {
      if (sample.messages >= limit) {
        sample.complete = false;
        break;
      }
      sample.add(message);
      if (sample.messages % STRIDE === 0) await clock.sleep(PAUSE, signal);
    }
    sample.duration = clock.now() - sample.time;
    return sample;
  }
}

/** One look. */
class QueueSample {
  messages = 0;
  bytes = 0;
  oldest = 0;
  complete = true;
  duration = 0;
  readonly states = new Map<string, number>(STATES.map((state) => [state, 0]));
  readonly ages = new Map<string, number>(AGES.map(([name]) => [name, 0]));
  readonly destinations = new Map<string, number>();

  /** @param time when it began. */
  constructor(readonly time: number) {}

  add(message: QueueSummary): void {
    this.messages++;
    this.bytes += message.size;
    const age = Math.max(0, this.time - Date.parse(message.received));
    this.oldest = Math.max(this.oldest, age);
    increment(this.states, stateOf(message));
    increment(this.ages, AGES.find(([, end]) => age < end)![0]);
    const some = message.recipients.slice(0, MAX_RECIPIENTS);
    for (const domain of new Set(some.map(domainOf))) {
      const isNew = !this.destinations.has(domain) && this.destinations.size >= MAX_DOMAINS;
      increment(this.destinations, isNew ? OTHER : domain);
    }
  }
}

function familiesOf(sample: QueueSample | null, named: number): MetricFamily[] {
  const one = (read: (sample: QueueSample) => number): MetricSample[] =>
    sample === null ? [] : [{ labels: {}, value: read(sample) }];
  const gauge = (name: string, help: string, samples: readonly MetricSample[]): MetricFamily => ({
    ...{ name: `yizhan_queue_${name}`, type: "gauge", help, samples },
    ...(name.endsWith("_seconds") && { unit: "seconds" }),
    ...(name.endsWith("_bytes") && { unit: "bytes" }),
  });
  return [
    gauge(
      "messages",
      "Messages in the queue: fresh (not tried yet), deferred, active (being tried), kept for ETRN, or held.",
      labelled("state", sample?.states),
    ),
    gauge("age_messages", "Messages in the queue by age.", labelled("age", sample?.ages)),
    gauge(
      "destination_messages",
      "Messages in the queue by the domain they are for; those with most, and all others together.",
      labelled("destination", sample === null ? undefined : largest(sample.destinations, named)),
    ),
    gauge("size_bytes", "Octets of the messages in the queue.", one(({ bytes }) => bytes)),
    gauge("oldest_age_seconds", "Age of the oldest message.", one(({ oldest }) => oldest / 1000)),
    gauge(
      "sample_complete",
      "1 where the numbers about the queue are of all its messages; 0 where there were too many.",
      one(({ complete }) => complete ? 1 : 0),
    ),
    gauge(
      "sample_timestamp_seconds",
      "When the queue was looked at for these numbers.",
      one(({ time }) => time / 1000),
    ),
    gauge(
      "sample_duration_seconds",
      "How long that look took.",
      one(({ duration }) => duration / 1000),
    ),
  ];
}

function labelled(
  label: string,
  counts: ReadonlyMap<string, number> | undefined,
): MetricSample[] {
  return [...counts ?? []].map(([name, value]) => ({ labels: { [label]: name }, value }));
}

/** The largest by name, and the sum of the rest; the same for the same numbers, whatever their order was. */
function largest(counts: ReadonlyMap<string, number>, named: number): Map<string, number> {
  const ordered = [...counts].filter(([name]) => name !== OTHER)
    .sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
  const rest = ordered.slice(named).reduce((sum, [, count]) => sum + count, 0);
  const shown = new Map(ordered.slice(0, named));
  return shown.set(OTHER, rest + (counts.get(OTHER) ?? 0));
}

function stateOf({ state, kept, attempts }: QueueSummary): typeof STATES[number] {
  if (state !== "waiting") return state;
  if (kept) return "kept";
  return attempts > 0 ? "deferred" : "fresh";
}

function domainOf(recipient: string): string {
  return domainKey(recipient.slice(recipient.lastIndexOf("@") + 1));
}

function increment(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
