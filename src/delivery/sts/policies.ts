/**
 * Which policy holds for a domain at this moment (RFC 8461 §3.3, §5.1): the one that was fetched last, for as long as it
 * said, whatever DNS and the web say meanwhile; another one once its record has another id and it can be fetched.
 *
 * A policy that holds is looked at again once a day or so, in the background. A fetch that failed is not repeated for five
 * minutes, nor one that went well for a minute; of a domain there is one fetch at a time. Threads of one process have
 * one of these each, over one folder.
 *
 * What fails: nothing is thrown. Without a policy mail goes as it would without MTA-STS, and what was wrong is told
 * (`fault`, and `onFault` once for each fetch); a disk that fails costs the memory of policies over a restart.
 *
 * @module
 */

import { DnsCache } from "../../runtime/dns_cache.ts";
import type { HttpsServices } from "../https/request.ts";
import type { TlsFault } from "../tls_guard.ts";
import { fetchStsPolicy, type StsFetchOptions } from "./fetch_policy.ts";
import type { KeptPolicy, StsPolicyStore } from "./policy_store.ts";
import { parseStsRecord } from "./record.ts";

/** What is known of a domain. */
export interface StsFinding {
  /** The policy in force, be its mode `none`; `null`: there is none. */
  readonly kept: KeptPolicy | null;
  /** What is wrong with the one that should be in force. */
  readonly fault: TlsFault | null;
  /** For people: `it has no record _mta-sts.example.org`. */
  readonly why: string;
}

/** What policies are found with. */
export interface StsServices extends HttpsServices {
  /** Where they outlive the process; absent: nowhere. */
  readonly store?: StsPolicyStore;
  /** A policy could not be had; once for each time it was tried. */
  readonly onFault?: (domain: string, fault: TlsFault) => void;
  /** The disk fails. */
  readonly onTrouble?: (error: unknown) => void;
  /** Fetches a policy; default over HTTPS. */
  readonly fetch?: typeof fetchStsPolicy;
  /** Breaks off what is being fetched. */
  readonly stopping?: AbortSignal;
}

/** Milliseconds: how long a failed fetch is remembered, that a domain has no file, and that DNS gave no answer. */
const FAILURE = 300_000;
const ABSENCE = 60_000;
const SILENCE = 60_000;
/** Milliseconds for which what was just fetched will do, whatever its record and its `max_age` say. */
const CALM = 60_000;
/** Milliseconds after which a policy is fetched again though it holds: at most, and where it holds for hours only. */
const DAY = 86_400_000;
const HOUR = 3_600_000;
/** Domains remembered in memory. */
const MEMORY = 500;

/** When a policy ends, in epoch milliseconds. */
export function endOfPolicy({ fetched, policy }: KeptPolicy): number {
  return fetched + policy.maxAge * 1000;
}

/**
 * When a policy that holds is fetched again, in epoch milliseconds: after a day, and one of a day long before its end.
 * Else who keeps us from DNS when it ends has us go without (RFC 8461 §3.3).
 */
export function refreshOfPolicy({ fetched, policy }: KeptPolicy): number {
  return fetched + Math.min(DAY, Math.max(HOUR, policy.maxAge * 500));
}

/** Policies of domains. */
export class StsPolicies {
  readonly #services: StsServices;
  readonly #known = new DnsCache<KeptPolicy>(MEMORY);
  /** Domains that have no file. */
  readonly #absent = new DnsCache<true>(MEMORY);
  readonly #failed = new DnsCache<TlsFault>(MEMORY);
  /** What was just fetched: an id that is another one each time does not have us fetch for each mail. */
  readonly #fresh = new DnsCache<KeptPolicy>(MEMORY);
  /** Domains of which DNS gave no answer. */
  readonly #silent = new DnsCache<true>(MEMORY);
  readonly #fetching = new Map<string, Promise<KeptPolicy | TlsFault>>();

  /** Knows nothing yet. */
  constructor(services: StsServices) {
    this.#services = services;
  }

  /** What holds for a domain, in A-labels; fetches what is to be fetched. Never rejects. */
  async find(domain: string, options: StsFetchOptions = {}): Promise<StsFinding> {
    const announced = await this.#announced(domain, options.signal);
    let kept = await this.#recall(domain);
    if (!("id" in announced)) {
      if (kept !== null) this.#refresh(domain, kept, null, options);
      if (kept !== null) return inForce(domain, kept);
      const fault = announced.invalid
        ? { type: "sts-policy-invalid", text: announced.why } as const
        : null;
      return { kept, fault, why: announced.why };
    }
    const { id } = announced;
    if (kept?.id === id) {
      this.#refresh(domain, kept, id, options);
      return inForce(domain, kept);
    }
    const fresh = this.#fresh.get(domain, this.#services.clock.now());
    if (fresh !== undefined) return inForce(domain, fresh);
    // Another thread may have it by now.
    kept = await this.#recall(domain, true);
    if (kept?.id === id) return inForce(domain, kept);
    const { fault, fetched } = await this.#fetch(domain, id, options);
    if (fetched !== null) return inForce(domain, fetched);
    if (kept !== null) return { ...inForce(domain, kept), fault };
    return { kept: null, fault, why: fault?.text ?? "" };
  }

  /**
   * Fetches a policy that is kept again, as nobody uses it now: what counts for mail is as it was where that fails.
   * Never rejects.
   */
  async refresh(domain: string, kept: KeptPolicy, options: StsFetchOptions): Promise<void> {
    const announced = await this.#announced(domain, options.signal);
    const id = "id" in announced ? announced.id : kept.id;
    await this.#fetch(domain, id, options, kept.used);
  }

  /** What DNS says: the id, or why there is none. */
  async #announced(domain: string, signal: AbortSignal | undefined) {
    const { resolver, clock } = this.#services;
    const name = `_mta-sts.${domain}`;
    const none = (why: string, invalid = false) => ({ why, invalid } as const);
    const silent = none(`DNS gives no answer about ${name}`);
    // Servers that drop such questions would cost each mail some seconds.
    if (this.#silent.get(domain, clock.now())) return silent;
    const answer = await resolver.txt(name, signal);
    if (answer.status === "failed") {
      if (!signal?.aborted) this.#silent.set(domain, true, clock.now() + SILENCE);
      return silent;
    }
    if (answer.status === "none") return none(`there is no record ${name}`);
    const record = parseStsRecord(answer.records);
    if (record === null) return none(`there is no record v=STSv1 at ${name}`);
    return "id" in record ? record : none(`the record ${name} is wrong: ${record.fault}`, true);
  }

  /** What was fetched before and still holds, from memory or, where asked to or needed, from the disk. */
  async #recall(domain: string, anew = false): Promise<KeptPolicy | null> {
    const { store, clock, onTrouble } = this.#services;
    const now = clock.now();
    const known = this.#known.get(domain, now) ?? null;
    if (store === undefined || !anew && (known !== null || this.#absent.get(domain, now))) {
      return known;
    }
    let kept: KeptPolicy | null = null;
    try {
      kept = await store.read(domain);
    } catch (error) {
      onTrouble?.(error);
    }
    // One from the future is of a clock that was wrong: it would hold too long.
    if (kept === null || endOfPolicy(kept) <= now || kept.fetched > now) {
      this.#absent.set(domain, true, now + ABSENCE);
      return known;
    }
    if (known !== null && known.fetched > kept.fetched) return known;
    this.#known.set(domain, kept, endOfPolicy(kept));
    return kept;
  }

  /** Once a day or so, while mail goes on by the one that holds (RFC 8461 §3.3). */
  #refresh(domain: string, kept: KeptPolicy, id: string | null, options: StsFetchOptions): void {
    if (this.#services.clock.now() < refreshOfPolicy(kept)) return;
    // Where DNS cannot be asked the old id stands: so another one is seen as another one.
    this.#fetch(domain, id ?? kept.id, options).catch(() => {});
  }

  /** @param used when the policy last counted for a mail; default now. */
  async #fetch(domain: string, id: string | null, options: StsFetchOptions, used?: number) {
    const known = this.#failed.get(domain, this.#services.clock.now());
    if (known !== undefined) return { fault: known, fetched: null };
    let fetching = this.#fetching.get(domain);
    if (fetching === undefined) {
      fetching = this.#fetchNow(domain, id, options, used).finally(() =>
        this.#fetching.delete(domain)
      );
      this.#fetching.set(domain, fetching);
    }
    const got = await orAborted(fetching, options.signal);
    return "policy" in got ? { fault: null, fetched: got } : { fault: got, fetched: null };
  }

  async #fetchNow(
    domain: string,
    id: string | null,
    { authorities, allowAddresses }: StsFetchOptions,
    used?: number,
  ): Promise<KeptPolicy | TlsFault> {
    const { clock, store, stopping, fetch = fetchStsPolicy, onFault, onTrouble } = this.#services;
    // Not by the signal of one mail: others wait for the same.
    const got = await fetch(this.#services, domain, {
      ...(authorities && { authorities }),
      ...(allowAddresses && { allowAddresses }),
      ...(stopping && { signal: stopping }),
    });
    const now = clock.now();
    if ("fault" in got) {
      // Whoever broke it off has learnt nothing about the domain.
      if (stopping?.aborted !== true) {
        this.#failed.set(domain, got.fault, now + FAILURE);
        onFault?.(domain, got.fault);
      }
      return got.fault;
    }
    const kept: KeptPolicy = { id, fetched: now, used: used ?? now, policy: got };
    this.#known.set(domain, kept, endOfPolicy(kept));
    this.#fresh.set(domain, kept, now + CALM);
    try {
      await store?.write(domain, kept);
    } catch (error) {
      onTrouble?.(error);
    }
    return kept;
  }
}

/** What is fetched, or the end of waiting for it. */
function orAborted(
  fetching: Promise<KeptPolicy | TlsFault>,
  signal: AbortSignal | undefined,
): Promise<KeptPolicy | TlsFault> {
  if (signal === undefined) return fetching;
  const { promise, resolve } = Promise.withResolvers<TlsFault>();
  const stop = () => resolve({ type: "sts-policy-fetch-error", text: "it was broken off" });
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  return Promise.race([fetching, promise]).finally(() => signal.removeEventListener("abort", stop));
}

function inForce(domain: string, kept: KeptPolicy): StsFinding {
  return { kept, fault: null, why: `the policy of ${domain} has mode ${kept.policy.mode}` };
}
