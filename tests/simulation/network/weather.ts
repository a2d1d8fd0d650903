/**
 * What kinds of trouble a seed has, and how much of each. Each kind is absent in half of the seeds, so that one
 * does not hide behind another; and some seeds are calm, in which nothing may go wrong at all.
 *
 * @module
 */

import type { MemoryRandom } from "../../../src/runtime/memory_random.ts";

/** Chances are per step of the kind, in [0, 1]. */
export interface Weather {
  /** How long there is trouble, in milliseconds. */
  readonly length: number;
  /** Mails that clients send. */
  readonly mails: number;
  /** Files: that a call fails. */
  readonly fileError: number;
  /** Files: that power is lost before a call. */
  readonly fileCrash: number;
  /** Links: that one is reset, or falls silent, after some octets; that connecting is refused, or ignored. */
  readonly reset: number;
  readonly silence: number;
  readonly refuse: number;
  readonly ignore: number;
  /** Links: the longest delay in milliseconds; whether octets come in small pieces. */
  readonly delay: number;
  readonly split: boolean;
  /** The other servers: that a command is answered badly. */
  readonly rude: number;
  /** How often the machinery is meddled with while there is trouble. */
  readonly meddling: readonly Meddling[];
}

/** One thing done to the network from outside. */
export type Meddling =
  | "crash"
  | "stop"
  | "reload"
  | "full"
  | "dns-fails"
  | "dns-empty"
  | "clock-forward"
  | "clock-back";

const MEDDLINGS: readonly Meddling[] = [
  "crash",
  "stop",
  "reload",
  "full",
  "dns-fails",
  "dns-empty",
  "clock-forward",
  "clock-back",
];

const MINUTE = 60_000;

/** Draws the weather of a seed. */
export function drawWeather(random: MemoryRandom): Weather {
  const calm = random.below(12) === 0;
  const some = (most: number) => calm || random.below(2) === 0 ? 0 : random.float() * most;
  const kinds = MEDDLINGS.filter(() => !calm && random.below(2) === 0);
  const times = kinds.length === 0 ? 0 : random.below(9);
  return {
    // From five minutes to twelve hours, the short ones as likely as the long ones.
    length: Math.round(5 * MINUTE * 144 ** random.float()),
    mails: 3 + random.below(10),
    fileError: some(0.02),
    fileCrash: some(0.005),
    reset: some(0.3),
    silence: some(0.1),
    refuse: some(0.2),
    ignore: some(0.1),
    delay: random.below(3) === 0 ? random.below(200) : 0,
    split: random.below(4) === 0,
    rude: some(0.2),
    meddling: Array.from({ length: times }, () => kinds[random.below(kinds.length)]!),
  };
}

/** Whether nothing at all goes wrong. */
export function isCalm(weather: Weather): boolean {
  const { fileError, fileCrash, reset, silence, refuse, ignore, rude, meddling } = weather;
  const chances = [fileError, fileCrash, reset, silence, refuse, ignore, rude];
  return chances.every((chance) => chance === 0) && meddling.length === 0;
}

/** One of several, each as likely as its weight says. */
export function drawWeighted<T>(
  random: MemoryRandom,
  choices: readonly (readonly [weight: number, value: T])[],
): T {
  const all = choices.reduce((sum, [weight]) => sum + weight, 0);
  let at = random.float() * all;
  for (const [weight, value] of choices) if ((at -= weight) < 0) return value;
  return choices.at(-1)![1];
}
