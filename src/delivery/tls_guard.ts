/**
 * What guards the road to one host beyond what the route says of TLS: DANE (RFC 7672), MTA-STS (RFC 8461), or
 * nothing. Values that whoever knows such guards gives and that mail out obeys; who looks them up is in a file for
 * each kind. Pure.
 *
 * A guard only ever makes a lax way strict. A host that must not be used now is shut: mail waits, or takes another.
 *
 * @module
 */

import type { MxRoute, SmarthostRoute } from "../routing/route.ts";
import type { TlsaRecord } from "../runtime/resolver.ts";
import type { Reply } from "../smtp/reply.ts";
import type { MailHost } from "./mx.ts";
import type { StsPolicy } from "./sts/policy.ts";

/** What one host must prove. */
export type HostGuard = Unguarded | DaneGuard | StsGuard | ShutGuard;

/** Nothing: it goes as the route says. */
export interface Unguarded {
  /** No guard. */
  readonly kind: "none";
  /** Why, for people: `no TLSA record at _25._tcp.mx.example.org`. */
  readonly why: string;
}

/** DANE: TLS, and one of the records fits what the host shows (RFC 7672 §2.2, §3). */
export interface DaneGuard {
  /** By TLSA records. */
  readonly kind: "dane";
  /** The TLSA base domain: sent as SNI (RFC 7672 §2.2.3 ff., §8.1). */
  readonly base: string;
  /** Those that can be used. None: TLS is a must, and the certificate is not looked at (RFC 7672 §2.2). */
  readonly records: readonly TlsaRecord[];
  /** What a certificate under a DANE-TA(2) record may be for (RFC 7672 §3.2.2). */
  readonly names: readonly string[];
  /** Though DNSSEC does not vouch for who the hosts are, MTA-STS lists this one. */
  readonly listed?: true;
}

/** MTA-STS: the host is among those of the policy, and its certificate must be valid for its name (RFC 8461 §4). */
export interface StsGuard {
  /** By the policy of the domain. */
  readonly kind: "sts";
  /** The domain whose policy it is. */
  readonly domain: string;
  /** `testing`: what fails is only reported, and the mail goes as the route says (RFC 8461 §5). */
  readonly mode: "enforce" | "testing";
  /** All of it, for reports. */
  readonly policy: StsPolicy;
  /** What is wrong before anybody is connected to, with `testing`: no `mx` of the policy fits the host. */
  readonly fault?: TlsFault;
}

/** It is not connected to now. */
export interface ShutGuard {
  /** No way. */
  readonly kind: "shut";
  /** Whose rule it is. */
  readonly by: "dane" | "sts" | "requiretls";
  /** That of `sts`. */
  readonly policy?: StsPolicy;
  /** Why, as an outcome: 4xx. */
  readonly reply: Reply;
  /** The same for reports. */
  readonly fault: TlsFault;
}

/** What went wrong with TLS, in the words of reports (RFC 8460 §4.3). */
export interface TlsFault {
  /** For programs. */
  readonly type: TlsFaultType;
  /** For people. */
  readonly text: string;
}

/** The result types of RFC 8460 §4.3. */
export type TlsFaultType =
  | "starttls-not-supported"
  | "certificate-host-mismatch"
  | "certificate-expired"
  | "certificate-not-trusted"
  | "validation-failure"
  | "tlsa-invalid"
  | "dnssec-invalid"
  | "dane-required"
  | "sts-policy-fetch-error"
  | "sts-policy-invalid"
  | "sts-webpki-invalid";

/** Hosts whose guards are wanted. */
export interface GuardQuestion {
  /** The way that mail goes. */
  readonly route: MxRoute | SmarthostRoute;
  /** The next-hop domain, or the host of the route. */
  readonly domain: string;
  /** DNSSEC vouches for who the hosts are, or the operator named them. */
  readonly named: boolean;
  /** In the order in which they are tried. */
  readonly hosts: readonly MailHost[];
  /** Nobody waits any more. */
  readonly signal?: AbortSignal;
}

/** How TLS went with one address of a host, or that it was not even tried. */
export interface TlsResult {
  /** Whose mail it was: the next-hop domain, or the host of the route. */
  readonly domain: string;
  /** The host's name. */
  readonly host: string;
  /** Absent: no address was connected to, since the host was shut. */
  readonly address?: string;
  /** The address of ours that connected. */
  readonly source?: string;
  /** What guards the host. */
  readonly guard: HostGuard;
  /** `null`: TLS was begun, and all is well that was looked at. */
  readonly fault: TlsFault | null;
}

/**
 * Who knows guards. Several make one by {@link guardsInOrder}: each sees what those before it have found, and gives
 * that back where it has nothing stricter (DANE goes before MTA-STS: RFC 8461 §2).
 */
export interface TlsGuards {
  /**
   * A guard for each host, in their order. `before`: what those asked earlier gave. At once where that is
   * known; never rejects.
   */
  guard(
    question: GuardQuestion,
    before: readonly HostGuard[],
  ): readonly HostGuard[] | Promise<readonly HostGuard[]>;
  /** Is told how TLS went, for reports. Must not throw. */
  note?(result: TlsResult): void;
}

/**
 * All of them as one, asked in this order.
 *
 * DANE is not always the last word: a host that is a domain's by the word of an unsigned MX record may prove to be
 * itself, and still be the wrong one; and records of which none can be used prove nothing. So those asked later see
 * such hosts unguarded, and may shut them, or demand more.
 */
export function guardsInOrder(all: readonly TlsGuards[]): TlsGuards {
  return {
    async guard(question, before) {
      let found = before;
      for (const one of all) {
        const weak = found.map((guard) => isWeak(question, guard) ? guard : null);
        const shown = found.map((guard, index) => weak[index] === null ? guard : UNGUARDED);
        const asked = await one.guard(question, shown);
        found = asked.map((guard, index) => both(weak[index] ?? null, guard));
      }
      return found;
    },
    note(result) {
      for (const one of all) one.note?.(result);
    },
  };
}

function isWeak({ named }: GuardQuestion, guard: HostGuard): guard is DaneGuard {
  return guard.kind === "dane" && (!named || guard.records.length === 0);
}

/** What holds where a weak guard is there, and another one is asked. */
function both(weak: DaneGuard | null, other: HostGuard): HostGuard {
  if (weak === null || other.kind === "shut") return other;
  if (other.kind !== "sts" || other.mode !== "enforce") return weak;
  // A host that the policy lists must still be what its records say (RFC 8461 §2).
  return weak.records.length > 0 ? { ...weak, listed: true } : other;
}

/** What a host has of which nobody has looked anything up. */
export const UNGUARDED: Unguarded = { kind: "none", why: "nobody was asked" };

/** In a word or two, for logs and those who are told how TLS was: `DANE`, `MTA-STS`; `null`: unguarded. */
export function guardName(guard: HostGuard): string | null {
  switch (guard.kind) {
    case "none":
    case "shut":
      return null;
    case "dane":
      return guard.records.length > 0 ? "DANE" : null;
    case "sts":
      return guard.mode === "enforce" ? "MTA-STS" : null;
  }
}
