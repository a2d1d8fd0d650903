/**
 * Asks the policies of a stage in their order and makes one decision of their verdicts: the first that
 * rejects, defers or discards ends it. A policy that throws or takes too long counts as its
 * `onFailure` (default 451 4.3.0), with an event; no mail is lost by a broken policy.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { Change, Policy, PolicyAnswer, Verdict } from "./policy.ts";
import { checkVerdict } from "./verdict.ts";

/** The stages of a session, as hooks are called. */
export type Stage = "connect" | "hello" | "auth" | "sender" | "recipient" | "body" | "message";

/** What a stage came to. */
export type Decision =
  | { readonly action: "accept"; readonly changes: readonly Change[] }
  | { readonly action: "refuse"; readonly reply: Reply; readonly policy: string }
  | { readonly action: "discard"; readonly reason: string; readonly policy: string };

/** Whoever is told when a policy fails. */
export interface PolicyWatcher {
  policyFailed(policy: string, stage: Stage | "close", error: unknown): void;
}

/** Milliseconds a hook may take where its policy does not say. */
export const DEFAULT_TIMEOUT = 30_000;

const NOTHING: Decision = { action: "accept", changes: [] };
const UNAVAILABLE: Verdict = {
  action: "defer",
  reply: reply(451, "4.3.0", "a check is not available now: try again later"),
};

/** The policies of a station. */
export class PolicyChain {
  /** In the order they are asked. */
  readonly policies: readonly Policy[];
  readonly #clock: Clock;

  constructor(policies: readonly Policy[], clock: Clock) {
    this.policies = policies;
    this.#clock = clock;
  }

  /** Asks each policy by calling `hook` with it; one that has no such hook gives `undefined`. */
  async decide(
    stage: Stage,
    hook: (policy: Policy) => PolicyAnswer,
    watcher: PolicyWatcher,
  ): Promise<Decision> {
    let changes: Change[] | null = null;
    for (const policy of this.policies) {
      const verdict = await this.#ask(stage, policy, hook, watcher);
      if (verdict === undefined || verdict.action === "accept") continue;
      if (verdict.action === "annotate") {
        (changes ??= []).push(...verdict.changes);
      } else if (verdict.action === "discard") {
        return { action: "discard", reason: verdict.reason, policy: policy.name };
      } else {
        return { action: "refuse", reply: verdict.reply, policy: policy.name };
      }
    }
    return changes === null ? NOTHING : { action: "accept", changes };
  }

  async #ask(
    stage: Stage,
    policy: Policy,
    hook: (policy: Policy) => PolicyAnswer,
    watcher: PolicyWatcher,
  ): Promise<Verdict | undefined> {
    try {
      const answer = hook(policy);
      // Most policies answer at once; only the others need a timer.
      return checkVerdict(isPending(answer) ? await this.inTime(policy, answer) : answer);
    } catch (error) {
      watcher.policyFailed(policy.name, stage, error);
      return onFailureOf(policy);
    }
  }

  /** What the promise gives, or an error when the policy takes longer than it may. */
  async inTime<T>(policy: Policy, answer: PromiseLike<T>): Promise<T> {
    const timeout = policy.timeout ?? DEFAULT_TIMEOUT;
    const stop = new AbortController();
    const late = this.#clock.sleep(timeout, stop.signal).then(() => {
      throw new Error(`no answer within ${timeout} ms`);
    });
    late.catch(() => {}); // aborted, or too late to matter
    try {
      return await Promise.race([answer, late]);
    } finally {
      stop.abort(null); // a reason of ours: the default one is an exception with a stack
    }
  }
}

function onFailureOf({ onFailure }: Policy): Verdict {
  try {
    return checkVerdict(onFailure) ?? UNAVAILABLE;
  } catch {
    return UNAVAILABLE;
  }
}

/** Whether somebody answers later, be it with a promise of another making. */
export function isPending<T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> {
  return typeof (answer as PromiseLike<T> | undefined | null)?.then === "function";
}
