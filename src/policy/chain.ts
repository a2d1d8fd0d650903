/**
 * Asks the policies of a stage in their order and makes one decision of their verdicts: the first that
 * rejects, defers or discards ends it. A policy that throws or takes too long counts as its
 * `onFailure` (default 451 4.3.0), with an event; no mail is lost by a broken policy.
 *
 * @module
 */

import type { Clock } from "../runtime/runtime.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { isPending, type Soon } from "../soon.ts";
import type { Change, Policy, PolicyAnswer, Verdict } from "./policy.ts";
import { checkVerdict } from "./verdict.ts";

/** The stages of a session, as hooks are called. */
export type Stage =
  | "connect"
  | "hello"
  | "credentials"
  | "auth"
  | "sender"
  | "recipient"
  | "body"
  | "message";

/** What policies are told, and not asked. */
export type Notice = "refused" | "fault" | "close";

/** What a stage came to. */
export type Decision =
  | { readonly action: "accept"; readonly changes: readonly Change[] }
  | { readonly action: "refuse"; readonly reply: Reply; readonly policy: string }
  | { readonly action: "discard"; readonly reason: string; readonly policy: string };

/** Whoever is told when a policy fails. */
export interface PolicyWatcher {
  /** The session is over, and the policies know: none of them is asked any more. */
  readonly over?: boolean;
  policyFailed(policy: string, stage: Stage | Notice, error: unknown): void;
}

/** Milliseconds a hook may take where its policy does not say. */
export const DEFAULT_TIMEOUT = 30_000;

/** Nobody hears it. */
const OVER: Verdict = { action: "defer", reply: reply(421, "4.3.0", "the session is over") };
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
  /** Those that have a hook: of a dozen policies most have nothing to say at most stages. */
  readonly #having = new Map<Stage | Notice, readonly Policy[]>();

  constructor(policies: readonly Policy[], clock: Clock) {
    this.policies = policies;
    this.#clock = clock;
  }

  /** Those that have a hook, in the order they are asked. What hooks a policy has is looked up once. */
  having(hook: Stage | Notice): readonly Policy[] {
    let found = this.#having.get(hook);
    if (found === undefined) {
      found = this.policies.filter((policy) => policy[hook] !== undefined);
      this.#having.set(hook, found);
    }
    return found;
  }

  /**
   * Asks each policy that has such a hook by calling `hook` with it, and with what those before have asked for. Where
   * all answer at once, so does this.
   */
  decide(
    stage: Stage,
    hook: (policy: Policy, changes: readonly Change[]) => PolicyAnswer,
    watcher: PolicyWatcher,
  ): Soon<Decision> {
    const policies = this.having(stage);
    if (policies.length === 0) return NOTHING;
    const changes: Change[] = [];
    const asking = (policy: Policy) => hook(policy, changes);
    // Who is asked of a session that is closed would keep what belongs to it for ever.
    const ask = (policy: Policy) =>
      watcher.over === true ? OVER : this.#ask(stage, policy, asking, watcher);
    for (let index = 0; index < policies.length; index++) {
      const policy = policies[index]!;
      const verdict = ask(policy);
      if (verdict === undefined) continue;
      if (verdict instanceof Promise) {
        return this.#goOn(policies, verdict, index, changes, ask);
      }
      const end = weigh(policy, verdict, changes);
      if (end !== null) return end;
    }
    return accepted(changes);
  }

  /** The rest of the chain, from one that has not answered yet. */
  async #goOn(
    policies: readonly Policy[],
    pending: Promise<Verdict | undefined>,
    start: number,
    changes: Change[],
    ask: (policy: Policy) => Soon<Verdict | undefined>,
  ): Promise<Decision> {
    let answer: Soon<Verdict | undefined> = pending;
    for (let index = start;;) {
      const verdict = await answer;
      const end = verdict === undefined ? null : weigh(policies[index]!, verdict, changes);
      if (end !== null) return end;
      if (++index === policies.length) return accepted(changes);
      answer = ask(policies[index]!);
    }
  }

  /**
   * Tells every policy something by calling `hook` with it; resolves when all have taken note, or had their time. No
   * promise where none of them makes one.
   */
  tell(
    notice: Notice,
    hook: (policy: Policy) => void | Promise<void>,
    watcher: PolicyWatcher,
  ): Soon<void> {
    let pending: Promise<void>[] | undefined;
    for (const policy of this.having(notice)) {
      const failed = (error: unknown) => watcher.policyFailed(policy.name, notice, error);
      try {
        const told = hook(policy);
        if (isPending(told)) (pending ??= []).push(this.inTime(policy, told).catch(failed));
      } catch (error) {
        failed(error);
      }
    }
    return pending && Promise.all(pending).then(() => {});
  }

  #ask(
    stage: Stage,
    policy: Policy,
    hook: (policy: Policy) => PolicyAnswer,
    watcher: PolicyWatcher,
  ): Soon<Verdict | undefined> {
    try {
      const answer = hook(policy);
      // Most policies answer at once; only the others need a timer.
      if (!isPending(answer)) return checkVerdict(answer);
      return this.inTime(policy, answer).then(checkVerdict).catch((error) => {
        watcher.policyFailed(policy.name, stage, error);
        return onFailureOf(policy);
      });
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

/** What a verdict comes to: `null` where the next policy is to be asked. */
function weigh(policy: Policy, verdict: Verdict, changes: Change[]): Decision | null {
  switch (verdict.action) {
    case "accept":
      return null;
    case "annotate":
      changes.push(...verdict.changes);
      return null;
    case "discard":
      return { action: "discard", reason: verdict.reason, policy: policy.name };
    default:
      return { action: "refuse", reply: verdict.reply, policy: policy.name };
  }
}

function accepted(changes: readonly Change[]): Decision {
  return changes.length === 0 ? NOTHING : { action: "accept", changes };
}
