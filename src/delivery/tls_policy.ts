/**
 * What TLS to try with a next station, and what to do when it is not to be had: decided from the route, the
 * message and what guards the host. Pure.
 *
 * Opportunistic TLS (RFC 7435) is better than none and worse than a promise: where the peer does not offer
 * it, or fails at it, the mail goes in clear. Everything else is a promise, and mail waits rather than
 * break it. REQUIRETLS (RFC 8689) is the sender's promise, credentials are the operator's, DANE and MTA-STS
 * are the receiver's: all make a lax level strict, never a strict one lax.
 *
 * @module
 */

import type { MxRoute, SmarthostRoute, TlsLevel } from "../routing/route.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import {
  type DaneGuard,
  guardName,
  type HostGuard,
  type StsGuard,
  UNGUARDED,
} from "./tls_guard.ts";

/** What TLS to try. */
export interface TlsPlan {
  /** Never; by STARTTLS (RFC 3207) where offered; or from the first octet (RFC 8314). */
  readonly start: "never" | "starttls" | "implicit";
  /** Nothing may be sent in clear. */
  readonly mandatory: boolean;
  /** Chain and name must be valid. */
  readonly verify: boolean;
  /** The peer must offer REQUIRETLS, and is told it (RFC 8689 §4.2.1). */
  readonly requireTls: boolean;
  /** What guards the host, where that makes the plan stricter or is to be reported. */
  readonly guard?: DaneGuard | StsGuard;
}

/**
 * The plan for a route and a message.
 *
 * @param requireTls the message came with REQUIRETLS. @param guard what guards the host.
 *
 * @example
 * ```ts
 * import { tlsPlan } from "./tls_policy.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const relay = { family: "ipv6-first", allowAddresses: [], connections: 20 } as const;
 * const route = {
 *   kind: "smarthost",
 *   host: "smtp.example.org",
 *   port: 587,
 *   implicitTls: false,
 *   tls: "opportunistic",
 *   eightBit: "convert",
 *   credentials: { user: "alice", password: "wonderland" },
 *   ...relay,
 * } as const;
 * assertEquals(tlsPlan(route, false), {
 *   start: "starttls",
 *   mandatory: true, // a password is never said in clear,
 *   verify: true, // nor to somebody unknown
 *   requireTls: false,
 * });
 * ```
 */
export function tlsPlan(
  route: MxRoute | SmarthostRoute,
  requireTls: boolean,
  guard: HostGuard = UNGUARDED,
): TlsPlan {
  const smarthost = route.kind === "smarthost" ? route : null;
  const wishes: TlsLevel[] = [route.tls];
  if (smarthost?.implicitTls) wishes.push("required");
  if (smarthost?.credentials !== undefined && route.tls !== "dane") {
    wishes.push(smarthost.credentials.allowUnverified === true ? "required" : "verified");
  }
  const ofRoute = Math.max(...wishes.map((wish) => LEVELS.indexOf(wish)));
  const level = requireTls ? LEVELS.length - 1 : ofRoute;
  const plan: TlsPlan = {
    start: smarthost?.implicitTls ? "implicit" : level === 0 ? "never" : "starttls",
    mandatory: level >= LEVELS.indexOf("required"),
    // Without a guard `dane` has nothing to go by but the rules of the web.
    verify: level >= LEVELS.indexOf("dane"),
    requireTls,
  };
  // What the operator wants verified is verified by the operator's rule.
  const guarded = level > 0 && ofRoute < LEVELS.indexOf("verified");
  if (!guarded || guard.kind === "none" || guard.kind === "shut") return plan;
  if (guard.kind === "sts" && guard.mode === "testing") return { ...plan, guard };
  // Records of which none can be used want TLS, and tell nothing of the certificate (RFC 7672 §2.2).
  const verify = guard.kind === "sts" || (requireTls && guard.records.length === 0);
  return { ...plan, mandatory: true, verify, guard };
}

/** From lax to strict. */
const LEVELS: readonly TlsLevel[] = ["none", "opportunistic", "required", "dane", "verified"];

/** What was wrong with TLS. */
export type TlsTrouble =
  /** The peer's EHLO has no STARTTLS. */
  | { readonly kind: "not offered" }
  /** It was offered, and STARTTLS was answered otherwise than 220. */
  | { readonly kind: "refused"; readonly reply: Reply }
  /** The handshake failed, or the certificate is not valid. */
  | { readonly kind: "failed"; readonly error: string };

/**
 * What to do about it: go on in clear (after a failed handshake on a fresh connection: this one is lost),
 * or try the next host, and put the mail off with this reply when there is none.
 */
export function afterTlsTrouble(plan: TlsPlan, trouble: TlsTrouble): "clear" | Reply {
  if (!plan.mandatory) return "clear";
  const by = plan.guard === undefined ? null : guardName(plan.guard) ?? "DANE";
  const required = by === null ? "TLS is required" : `${by} requires TLS`;
  switch (trouble.kind) {
    case "not offered":
      return reply(451, "4.7.4", `${required}, but it was not offered`);
    case "refused":
      return reply(
        451,
        "4.7.4",
        `${required}, but STARTTLS was answered ${trouble.reply.code} ` +
          trouble.reply.lines.join(" "),
      );
    case "failed":
      return reply(
        451,
        "4.7.5",
        plan.verify
          ? `${
            by === null
              ? "TLS with a valid certificate is required"
              : `${by} requires a valid certificate`
          }, but: ${trouble.error}`
          : `${required}, but it failed: ${trouble.error}`,
      );
  }
}
