/**
 * A share of the questions that a resolver asks at once, for those whose names a message chooses. Servers of a forger may
 * keep silent, and a few messages with many signatures would have all questions of the station wait for them: those of
 * mail on its way out, and those that tell whether the next forgery is one.
 *
 * What fails: who gives up before his turn has come is told `failed`, as by the resolver itself.
 *
 * @module
 */

import { Gate } from "../../gate.ts";
import type { DnsAnswer, Resolver } from "../../runtime/resolver.ts";

/** What may be asked. */
export type DnsShare = Pick<Resolver, "a" | "aaaa" | "mx" | "txt" | "ptr">;

/** The same resolver, but for so many questions at once; the rest wait for their turn. */
export function shareOf(resolver: DnsShare, places: number): DnsShare {
  const gate = new Gate(places);
  const through = <T>(
    ask: () => Promise<DnsAnswer<T>>,
    signal: AbortSignal | undefined,
  ): Promise<DnsAnswer<T>> => {
    const turn = gate.run(() => signal?.aborted ? Promise.resolve(GAVE_UP) : ask());
    return signal === undefined ? turn : unlessAborted(turn, signal);
  };
  return {
    a: (name, signal) => through(() => resolver.a(name, signal), signal),
    aaaa: (name, signal) => through(() => resolver.aaaa(name, signal), signal),
    mx: (name, signal) => through(() => resolver.mx(name, signal), signal),
    txt: (name, signal) => through(() => resolver.txt(name, signal), signal),
    ptr: (address, signal) => through(() => resolver.ptr(address, signal), signal),
  };
}

const GAVE_UP = { status: "failed", reason: "no answer in time" } as const;

async function unlessAborted<T>(
  turn: Promise<DnsAnswer<T>>,
  signal: AbortSignal,
): Promise<DnsAnswer<T>> {
  const aborted = Promise.withResolvers<DnsAnswer<T>>();
  const giveUp = () => aborted.resolve(GAVE_UP);
  if (signal.aborted) giveUp();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    return await Promise.race([turn, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
