/**
 * Waits for things to happen in a station, by its events: also for those that have happened already.
 *
 * @module
 */

import type { EventSink, MtaEvent } from "../../events.ts";

/** An event of one type. */
export type EventOf<T extends MtaEvent["type"]> = Extract<MtaEvent, { readonly type: T }>;

/** Nothing of the kind has happened in time. */
export class NotHappenedError extends Error {
  /** @param what should have happened. */
  constructor(what: string) {
    super(`it did not happen: ${what}`);
    this.name = "NotHappenedError";
  }
}

/** Milliseconds that something may take in a demonstration. */
const PATIENCE = 20_000;

/** The events of one station. */
export class EventWatch {
  readonly #events: MtaEvent[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #patience: number;

  /** @param patience milliseconds to wait for anything. */
  constructor(patience = PATIENCE) {
    this.#patience = patience;
  }

  /** Takes an event. */
  readonly record: EventSink = (event) => {
    this.#events.push(event);
    for (const look of [...this.#waiting]) look();
  };

  /**
   * The first event of a type that fits.
   *
   * @param what it means, for people.
   * @throws {NotHappenedError} when it does not come in time.
   */
  async wait<T extends MtaEvent["type"]>(
    type: T,
    fits: (event: EventOf<T>) => boolean,
    what: string,
  ): Promise<EventOf<T>> {
    const { promise, resolve, reject } = Promise.withResolvers<EventOf<T>>();
    const look = () => {
      const found = this.#events.find((event): event is EventOf<T> =>
        event.type === type && fits(event as EventOf<T>)
      );
      if (found !== undefined) resolve(found);
    };
    const timer = setTimeout(() => reject(new NotHappenedError(what)), this.#patience);
    this.#waiting.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(look);
    }
  }

  /** How many events of a type there were. */
  count(type: MtaEvent["type"]): number {
    return this.#events.filter((event) => event.type === type).length;
  }
}
