/**
 * The machine, as the rest of the program sees it: sockets, TLS, names, files, programs, clock and
 * randomness as one injected value. `deno.ts` makes it from Deno, `memory.ts` makes a virtual one for tests and the
 * simulator. Types only.
 *
 * What fails: every call that touches the machine may throw. Adapters throw `Error`s whose `code`
 * is the errno name (`"ENOSPC"`, `"ENOENT"`, `"EEXIST"`, `"ECONNRESET"`, …); `errorCode()` of
 * `system_error.ts` reads it. A call on something already closed throws with code `"EBADF"`; a pending read or accept
 * that `close()` wakes throws with code `"ECANCELED"`.
 *
 * @module
 */

import type { Files } from "./files.ts";
import type { Network } from "./network.ts";
import type { Programs } from "./programs.ts";
import type { Resolver } from "./resolver.ts";

/** Everything the program asks of the machine. */
export interface Runtime {
  /** Which adapter this is, for messages to people: `"deno"`, `"memory"`, `"bun"`. */
  readonly name: string;
  /** Sockets and TLS. */
  readonly network: Network;
  /** What DNS says. */
  readonly resolver: Resolver;
  /** The disk. */
  readonly files: Files;
  /** Other programs. */
  readonly programs: Programs;
  /** Time. */
  readonly clock: Clock;
  /** Randomness. */
  readonly random: Random;
}

/** Time is an input, so that tests can own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Resolves after `ms` milliseconds; rejects with the signal's reason when it is aborted first. A
   * sleep never keeps the process alive on its own.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Randomness fit for secrets in production, seeded in tests. */
export interface Random {
  /** `length` random octets. */
  bytes(length: number): Uint8Array;
  /** A number in [0, 1). */
  float(): number;
}
