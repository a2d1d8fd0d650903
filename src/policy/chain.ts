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
        return { action: "refuse", reply: refusal(verdict), policy: policy.name };
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
      const verdict = answer instanceof Promise ? await this.inTime(policy, answer) : answer;
      return verdict ?? undefined;
    } catch (error) {
      watcher.policyFailed(policy.name, stage, error);
      return policy.onFailure ?? UNAVAILABLE;
    }
  }

  /** What the promise gives, or an error when the policy takes longer than it may. */
  async inTime<T>(policy: Policy, answer: Promise<T>): Promise<T> {
    const timeout = policy.timeout ?? DEFAULT_TIMEOUT;
    const stop = new AbortController();
    const late = this.#clock.sleep(timeout, stop.signal).then(() => {
      throw new Error(`no answer within ${timeout} ms`);
    });
    late.catch(() => {}); // aborted, or too late to matter
    try {
      return await Promise.race([answer, late]);
    } finally {
      stop.abort();
    }
  }
}

/** A verdict's reply, made to mean what its action says whatever code the policy wrote. */
function refusal(verdict: Extract<Verdict, { action: "reject" | "defer" }>): Reply {
  const { code } = verdict.reply;
  if (verdict.action === "reject" && (code < 500 || code > 599)) {
    return { ...verdict.reply, code: 550, enhanced: "5.7.1" };
  }
  if (verdict.action === "defer" && (code < 400 || code > 499)) {
    return { ...verdict.reply, code: 451, enhanced: "4.7.1" };
  }
  return verdict.reply;
}
