/**
 * A tarpit: who was refused for good (5xx) several times in a session waits for each further refusal, longer each
 * time. Programs that try thousands of names or messages lose their pace; a server that is told of one dead address
 * notices nothing.
 *
 * It concerns strangers, and never the refusal of a connection: to get rid of those is to be cheap. What is refused for
 * now (4xx) is not counted, since a server that is greylisted for all of its recipients has done nothing wrong. Only
 * so many sessions are slowed at once, so that nobody can make us hold thousands open; how many there are at all is
 * the listener's to bound.
 *
 * @module
 */

import type { Network } from "../../net_address.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { Policy } from "../policy.ts";
import { growingDelay, SlowAnswers } from "./slow_answers.ts";
import { SessionMemory } from "../session_memory.ts";
import { DEFAULT_EXEMPT, isStranger } from "./stranger.ts";

/** How slow. What is not said is as in {@link DEFAULT_TARPIT}. */
export interface TarpitOptions {
  /** Never slowed; default: this machine. */
  readonly exempt?: readonly Network[];
  /** Refusals in a session that are answered at once. */
  readonly after?: number;
  /** Milliseconds that the next one waits; each further one twice as long. */
  readonly first?: number;
  /** Milliseconds that one waits at most; clients wait five minutes (RFC 5321 §4.5.3.2). */
  readonly longest?: number;
  /** Sessions that are slowed at once; the others are answered without delay. */
  readonly sessions?: number;
}

/** What holds where nothing is said. */
export const DEFAULT_TARPIT: Required<Omit<TarpitOptions, "exempt">> = {
  after: 3,
  first: 1000,
  longest: 20_000,
  sessions: 100,
};

/**
 * Makes the policy.
 *
 * @example
 * ```ts
 * import { tarpit } from "./tarpit.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const clock = { now: () => 0, sleep: () => Promise.resolve() };
 * assertEquals(tarpit({ after: 5 }, { clock }).name, "tarpit");
 * ```
 */
export function tarpit(options: TarpitOptions, { clock }: { readonly clock: Clock }): Policy {
  const { exempt, after, first, longest, sessions } = {
    ...DEFAULT_TARPIT,
    exempt: DEFAULT_EXEMPT,
    ...options,
  };
  const answers = new SlowAnswers(clock, sessions);
  const refusals = new SessionMemory<number>();
  return {
    name: "tarpit",
    timeout: longest + 10_000,
    refused(session, { stage, reply: { code } }) {
      if (stage === "connect" || code < 500 || !isStranger(session, exempt)) return;
      const count = (refusals.get(session) ?? 0) + 1;
      refusals.set(session, count);
      return answers.hold(session.id, growingDelay(count - after, first, longest));
    },
    close(session) {
      refusals.drop(session);
      answers.release(session.id);
    },
  };
}
