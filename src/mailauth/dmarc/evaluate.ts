/**
 * DMARC (RFC 9989): whether a message is authenticated for the domain its author claims, and what the owner of that
 * domain asks for where it is not.
 *
 * What SPF and DKIM found is given; here are the policy (its discovery, RFC 9989 §4.10.1), the alignment (§4.10.2) and
 * the result. What is done about it is for the receiver's policy to say. Nothing rejects: DNS that does not answer is
 * `temperror` as soon as the answer counts, a record that says nothing intelligible is `permerror`.
 *
 * @module
 */

import type { Resolver } from "../../runtime/resolver.ts";
import { askDns } from "../ask_dns.ts";
import type { AuthResult } from "../result.ts";
import type { PublishedPolicy } from "./observation.ts";
import type { DmarcAlignment, DmarcRequest } from "./record.ts";
import { type FoundRecord, PolicyRecords, type TreeWalk, walkTree } from "./tree.ts";

/** What is known of a message. */
export interface DmarcQuery {
  /** The author's domain (From), as A-labels in lower case. */
  readonly from: string;
  /** What SPF found of the domain of MAIL, or of HELO where there is no sender; `null`: it was not asked. */
  readonly spf: { readonly domain: string; readonly result: AuthResult } | null;
  /** What was found of each signature that was looked at. */
  readonly dkim: readonly { readonly domain: string; readonly result: AuthResult }[];
}

/** What it is evaluated with. */
export interface DmarcServices {
  /** Answers for DNS. */
  readonly resolver: Pick<Resolver, "txt" | "a" | "aaaa" | "mx">;
  /** Gives up when aborted: what is unknown then is `temperror`. */
  readonly signal?: AbortSignal;
  /** Answers that evaluations of one message share; absent: its own. */
  readonly records?: PolicyRecords;
}

/** What it came to. */
export interface DmarcResult {
  /** `none`: there is no policy. */
  readonly result: Extract<AuthResult, "none" | "pass" | "fail" | "temperror" | "permerror">;
  /** The author's domain. */
  readonly domain: string;
  /** The policy that counts; `null`: none is known. */
  readonly policy: PublishedPolicy | null;
  /** What its owner asks for mail of this domain that fails; where the result is temperror, tests (t=y) are counted in. */
  readonly requested: DmarcRequest;
  /** What its owner asks for this message: `none` where it did not fail, and one level less than `requested` in tests (t=y). */
  readonly disposition: DmarcRequest;
  /** The organizational domain of the author's, where it had to be known. */
  readonly organization: string | null;
  /** Whether SPF passed for an aligned domain. */
  readonly spfAligned: boolean;
  /** Whether a valid signature is of an aligned domain. */
  readonly dkimAligned: boolean;
  /** Why it is none, temperror or permerror, in words. */
  readonly reason?: string;
}

/**
 * Evaluates DMARC for one author's domain. Never rejects.
 *
 * @example
 * ```ts
 * import { evaluateDmarc } from "./evaluate.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { resolver } = memoryRuntime();
 * resolver.set("_dmarc.example.com", { txt: ["v=DMARC1; p=reject"] });
 * const spf = { domain: "mail.example.com", result: "pass" as const };
 * const evaluate = (from: string) => evaluateDmarc({ from, spf, dkim: [] }, { resolver });
 * assertEquals((await evaluate("example.com")).result, "pass");
 * assertEquals((await evaluate("example.org")).result, "none");
 * ```
 */
export async function evaluateDmarc(
  query: DmarcQuery,
  services: DmarcServices,
): Promise<DmarcResult> {
  const records = services.records ?? new PolicyRecords(services.resolver, services.signal);
  const found = await findPolicy(query.from, records);
  const base = { ...NOTHING, domain: query.from };
  if (found.status === "failed") return { ...base, result: "temperror", reason: found.reason };
  if (found.status === "none") return { ...base, reason: "there is no DMARC record" };
  const { policy } = found;
  if (!policy.record.usable) {
    const reason = `the record at _dmarc.${policy.domain} is malformed`;
    return { ...base, policy, result: "permerror", reason };
  }
  const requested = await requestFor(query.from, policy, services);
  const ruler = new Ruler(query.from, records);
  const [spf, dkim] = await Promise.all([
    alignment(query.spf === null ? [] : [query.spf], policy.record.aspf, ruler),
    alignment(query.dkim, policy.record.adkim, ruler),
  ]);
  const known = {
    ...{ domain: query.from, policy, organization: ruler.organization },
    spfAligned: spf.aligned,
    dkimAligned: dkim.aligned,
  };
  if (spf.aligned || dkim.aligned) {
    // A policy that could not be told (np) does not matter: it passes.
    const wanted = typeof requested === "string" ? requested : policy.record.p;
    return { ...known, result: "pass", requested: wanted, disposition: "none" };
  }
  const unknown = spf.unknown ?? dkim.unknown ??
    (typeof requested === "string" ? undefined : requested.unknown);
  const asked = typeof requested !== "string"
    ? null
    : policy.record.t
    ? ONE_LESS[requested]
    : requested;
  if (unknown !== undefined || typeof requested !== "string") {
    const reason = unknown ?? "";
    return {
      ...known,
      result: "temperror",
      requested: asked ?? "none",
      disposition: "none",
      reason,
    };
  }
  const disposition = asked ?? "none";
  return { ...known, result: "fail", requested, disposition };
}

const NOTHING = {
  result: "none",
  policy: null,
  requested: "none",
  disposition: "none",
  organization: null,
  spfAligned: false,
  dkimAligned: false,
} as const;

/** What `t=y` makes of a request (RFC 9989 §4.7). */
const ONE_LESS: Record<DmarcRequest, DmarcRequest> = {
  reject: "quarantine",
  quarantine: "none",
  none: "none",
};

/** RFC 9989 §4.10.1: the record of the domain itself, else of its organizational domain, else of the public suffix. */
async function findPolicy(
  domain: string,
  records: PolicyRecords,
): Promise<
  | { readonly status: "found"; readonly policy: PublishedPolicy }
  | { readonly status: "none" }
  | { readonly status: "failed"; readonly reason: string }
> {
  const own = await records.at(domain);
  if (own.status === "failed") return own;
  if (own.record !== null) {
    return { status: "found", policy: published({ domain, record: own.record }) };
  }
  const walk = await walkTree(records, domain);
  if (walk.status === "failed") return walk;
  const found = walk.records.find((each) => each.domain === walk.organization) ??
    walk.records.find(({ record }) => record.psd === "y");
  return found === undefined ? { status: "none" } : { status: "found", policy: published(found) };
}

function published({ domain, record }: FoundRecord): PublishedPolicy {
  return { domain, record, discovery: "treewalk" };
}

/** Which of p, sp and np is meant (RFC 9989 §4.10.1); `unknown`, where DNS does not say whether the domain exists. */
async function requestFor(
  domain: string,
  { domain: at, record: { p, sp = p, np } }: PublishedPolicy,
  services: DmarcServices,
): Promise<DmarcRequest | { readonly unknown: string }> {
  if (at === domain) return p;
  if (np === undefined || np === sp) return sp;
  const exists = await domainExists(domain, services);
  if (exists === null) return { unknown: `DNS does not say whether ${domain} exists` };
  return exists ? sp : np;
}

/**
 * Whether there is such a name (RFC 9989 §3.2.13, RFC 8020): one that has other records, or names below it, exists. Some
 * servers say that a name does not exist where it has no record of one type, so all three that mail knows must say so.
 */
async function domainExists(
  domain: string,
  { resolver, signal }: DmarcServices,
): Promise<boolean | null> {
  for (const ask of ["a", "mx", "aaaa"] as const) {
    const answer = await askDns<unknown>(() => resolver[ask](domain, signal));
    if (answer.status === "failed") return null;
    if (answer.status === "found" || answer.reason === "nodata") return true;
  }
  return false;
}

/** Which domains are one owner's with the author's. */
class Ruler {
  readonly #from: string;
  readonly #records: PolicyRecords;
  #walk: Promise<TreeWalk> | null = null;
  /** Of the author's domain; `null`: it did not have to be known. */
  organization: string | null = null;

  constructor(from: string, records: PolicyRecords) {
    this.#from = from;
    this.#records = records;
  }

  /** `null` where DNS does not say. */
  async isAligned(domain: string, alignment: DmarcAlignment): Promise<boolean | null> {
    if (domain === this.#from) return true;
    if (alignment === "s" || !mayShareOwner(domain, this.#from)) return false;
    const own = await (this.#walk ??= walkTree(this.#records, this.#from));
    if (own.status === "failed") return null;
    this.organization = own.organization;
    // An organizational domain is the domain itself or one above it: what is not below the author's needs no walk.
    if (domain !== own.organization && !domain.endsWith(`.${own.organization}`)) return false;
    const walk = await walkTree(this.#records, domain);
    return walk.status === "failed" ? null : walk.organization === own.organization;
  }
}

/** Two names under no common one but the root are nobody's in common: no question is asked for a stranger's signature. */
function mayShareOwner(one: string, other: string): boolean {
  const last = (domain: string) => domain.slice(domain.lastIndexOf(".") + 1);
  return last(one) === last(other);
}

/** Whether any that passed is aligned; else why that could not be told of one that might be, where it is so. */
async function alignment(
  checked: readonly { readonly domain: string; readonly result: AuthResult }[],
  mode: DmarcAlignment,
  ruler: Ruler,
): Promise<{ readonly aligned: boolean; readonly unknown?: string }> {
  const seen = new Set<string>();
  let unknown: string | undefined;
  for (const { domain, result } of checked) {
    if (result !== "pass" && result !== "temperror") continue;
    const key = `${result} ${domain}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const aligned = await ruler.isAligned(domain, mode);
    if (aligned === true && result === "pass") return { aligned: true };
    if (aligned === null) unknown ??= `DNS does not say who ${domain} belongs to`;
    else if (aligned) unknown ??= `DNS gave no answer to a check of ${domain}`;
  }
  return { aligned: false, ...(unknown !== undefined && { unknown }) };
}
