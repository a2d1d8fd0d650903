/**
 * Why a connection to another station came to nothing before a message could be sent, as a value.
 *
 * @module
 */

import type { Reply } from "../smtp/reply.ts";
import { comesBack, type LoopSigns } from "./loop_check.ts";

/** Why a station could not be talked to. */
export interface OpeningFailure {
  readonly status: "failed";
  /** What was being done. */
  readonly stage: "connect" | "greeting" | "hello" | "tls" | "login" | "loop";
  /** What the peer said, or our own words. */
  readonly reply: Reply;
  /** Whether the reply is the peer's. */
  readonly remote: boolean;
  /** The peer was not there, or turned everybody away for now. */
  readonly unreachable: boolean;
  /** A fresh connection in clear is the answer (RFC 7435 §4.3). */
  readonly clear?: true;
  readonly tls?: string;
}

/** The host is this station. Of one that was chosen the whole destination is out of reach till that is mended. */
export function itself(label: string, loop: LoopSigns, sign: string): OpeningFailure {
  return ours("loop", comesBack(loop, label, sign), { unreachable: loop.domain === undefined });
}

/** A failure in our own words. */
export function ours(
  stage: OpeningFailure["stage"],
  given: Reply,
  more: { readonly unreachable?: boolean; readonly clear?: true },
): OpeningFailure {
  return { status: "failed", stage, reply: given, remote: false, unreachable: false, ...more };
}

/** Our own words, saying whom they are about. */
export function about(label: string, given: Reply): Reply {
  return { ...given, lines: [`${label}: ${given.lines.join(" ")}`] };
}
