/**
 * Whether who answered a TLS handshake is whom the guard of a host means, and what went wrong, in the words of
 * reports. Pure but for the time, which is given.
 *
 * @module
 */

import type { TlsPeer, TlsProblem } from "../runtime/tls.ts";
import { matchDane, notInTime, parseCertificate } from "./dane_match.ts";
import type { DaneGuard, StsGuard, TlsFault, TlsFaultType } from "./tls_guard.ts";

/** What is found of a peer. */
export interface PeerFinding {
  readonly fault: TlsFault | null;
  /** The fault ends the connection. */
  readonly counts: boolean;
}

/** Characters of what went wrong with a handshake. */
const MAX_BRIEF = 300;

/** Looks at a peer. @param now epoch milliseconds. */
export function checkPeer(guard: DaneGuard | StsGuard, peer: TlsPeer, now: number): PeerFinding {
  if (guard.kind === "dane") {
    return { fault: matchDane(guard, peer.certificates, now), counts: true };
  }
  const problem = peer.check();
  const fault = problem === null ? null : faultOf(problem, peer, now);
  return { fault: guard.fault ?? fault, counts: guard.mode === "enforce" };
}

/** Not all runtimes tell that a certificate has ended from that nobody vouches for it. */
function faultOf({ code, text }: TlsProblem, { certificates: [own] }: TlsPeer, now: number) {
  const fault = tlsFault(code, text);
  const certificate = own === undefined ? null : parseCertificate(own);
  if (fault.type !== "certificate-not-trusted" || certificate === null) return fault;
  return notInTime(certificate, now) ?? fault;
}

/** A failed handshake as a fault, by the code of `node:tls`. */
export function tlsFault(code: string | undefined, text: string): TlsFault {
  return { type: typeOf(code ?? ""), text };
}

/** What went wrong with a handshake, in one line: all the names of a stranger's certificate may stand in it. */
export function briefOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error))
    .replace(/[^\x20-\x7e]+/g, " ");
  return text.length <= MAX_BRIEF ? text : `${text.slice(0, MAX_BRIEF)}...`;
}

function typeOf(code: string): TlsFaultType {
  switch (code) {
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return "certificate-host-mismatch";
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return "certificate-expired";
    default:
      return /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|INVALID_)/.test(code)
        ? "certificate-not-trusted"
        : "validation-failure";
  }
}
