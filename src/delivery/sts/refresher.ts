/**
 * Fetches the policies that are kept again before they end, also of domains that get mail now and then only (RFC 8461
 * §3.3): else whoever keeps us from the web at the right moment would find us without one. Domains that got no mail for
 * a month are left to their end. One thread does it for all.
 *
 * What fails: nothing is thrown; what cannot be fetched is tried at the next look, and a disk that fails is told of.
 *
 * @module
 */

import type { Clock } from "../../runtime/runtime.ts";
import type { StsFetchOptions } from "./fetch_policy.ts";
import { endOfPolicy, refreshOfPolicy, type StsPolicies } from "./policies.ts";
import type { StsPolicyStore } from "./policy_store.ts";

/** What it works with. */
export interface RefresherOptions {
  readonly clock: Clock;
  readonly store: StsPolicyStore;
  readonly policies: StsPolicies;
  /** What a domain's policy is fetched with; `null`: mail to it does not go by MTA-STS. */
  readonly optionsOf: (domain: string) => StsFetchOptions | null;
  /** Ends it. */
  readonly signal: AbortSignal;
  readonly onTrouble?: (error: unknown) => void;
}

/** Milliseconds until the first look, and between two. */
const FIRST = 600_000;
const PAUSE = 6 * 3_600_000;
/** Milliseconds for which an unused policy is still fetched. */
const UNUSED = 30 * 86_400_000;

/** Keeps policies fresh until the signal comes. Never rejects. */
export async function refreshPolicies(options: RefresherOptions): Promise<void> {
  const { clock, signal, onTrouble } = options;
  for (let pause = FIRST; !signal.aborted; pause = PAUSE) {
    await clock.sleep(pause, signal).catch(() => {});
    if (signal.aborted) return;
    await lookThrough(options).catch((error) => onTrouble?.(error));
  }
}

async function lookThrough(
  { clock, store, policies, optionsOf, signal }: RefresherOptions,
): Promise<void> {
  for await (const [domain, kept] of store.list()) {
    if (signal.aborted) return;
    const now = clock.now();
    if (endOfPolicy(kept) <= now) {
      await store.remove(domain);
    } else if (refreshOfPolicy(kept) <= now && now - kept.used < UNUSED) {
      const fetchOptions = optionsOf(domain);
      if (fetchOptions !== null) await policies.refresh(domain, kept, fetchOptions);
    }
  }
}
