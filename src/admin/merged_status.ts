/**
 * How several stations are that work as one: the numbers of all, under the name of the first. Pure.
 *
 * @module
 */

import type { ListenerStatus, MtaStatus, QueueStatus } from "../mta_status.ts";
import { formatSocketAddress } from "../runtime/network.ts";

/** What stations have in common is said by the first; what they count is added up. */
export function mergeStatus<S extends MtaStatus>(first: S, others: readonly MtaStatus[]): S {
  const all = [first, ...others];
  return {
    ...first,
    listeners: mergeListeners(all.flatMap(({ listeners }) => listeners)),
    bodyMemory: sum(all, ({ bodyMemory }) => bodyMemory),
    queue: mergeQueues(all.flatMap(({ queue }) => queue === null ? [] : [queue])),
  };
}

/** Those at one address are one. */
function mergeListeners(listeners: readonly ListenerStatus[]): ListenerStatus[] {
  const merged = new Map<string, ListenerStatus>();
  for (const listener of listeners) {
    const key = `${formatSocketAddress(listener.address)} ${listener.name}`;
    const known = merged.get(key);
    merged.set(key, {
      ...(known ?? listener),
      connections: listener.connections + (known?.connections ?? 0),
      listening: listener.listening || known?.listening === true,
    });
  }
  return [...merged.values()];
}

function mergeQueues(queues: readonly QueueStatus[]): QueueStatus | null {
  const [first] = queues;
  if (first === undefined) return null;
  // What is out of reach for one is so for all: it is told once, with the longest wait.
  const down = queues.flatMap((queue) => queue.down).sort((a, b) => b.until - a.until);
  const seen = new Set<string>();
  return {
    paused: first.paused,
    troubled: queues.some(({ troubled }) => troubled),
    messages: sum(queues, ({ messages }) => messages),
    waiting: sum(queues, ({ waiting }) => waiting),
    running: sum(queues, ({ running }) => running),
    down: down.filter(({ destination }) => !seen.has(destination) && seen.add(destination)),
  };
}

function sum<T>(all: readonly T[], read: (one: T) => number): number {
  return all.reduce((total, one) => total + read(one), 0);
}
