/**
 * What became of one recipient in one attempt: what a transport gives and `settle.ts` takes.
 *
 * @module
 */

import { type Reply, reply } from "../smtp/reply.ts";

/** One recipient's part of an attempt. */
export interface Outcome {
  /** Which one: the index in the entry's recipients. */
  readonly recipient: number;
  readonly status:
    /** The road ends here: mailbox, LMTP, program. */
    | "delivered"
    /** The next station has said 250. */
    | "relayed"
    /** Not now. */
    | "deferred"
    /** Never. */
    | "failed"
    /** Kept until its domain asks for it (ETRN, RFC 1985); counts as no attempt. */
    | "held";
  /** The answer that decided it, or our own words. */
  readonly reply: Reply;
  /** Who answered, such as `mx.example.org [192.0.2.7]:25`; absent: nobody, the answer is ours. */
  readonly host?: string;
  /** What TLS was used, such as `TLSv1.3`. */
  readonly tls?: string;
  /** With `relayed`: the next station was told NOTIFY and will report itself (RFC 3461 §5.2.2). */
  readonly dsnHandedOn?: boolean;
  /**
   * With `deferred`: the whole destination is out of reach (no connection, no greeting, 421), so others
   * waiting for it need not be tried now either.
   */
  readonly unreachable?: boolean;
  /**
   * With `deferred`: the whole message was sent and its reply not seen (RFC 1047): when it is sent again,
   * two copies may arrive.
   */
  readonly maybeDelivered?: boolean;
}

/**
 * What we say of mail that is kept until its domain asks for it (ETRN). Where a waiting recipient's history ends
 * in this, its next attempt is the end of its lifetime: nobody tries before.
 */
export const KEPT: Reply = reply(450, "4.4.0", "kept until its domain asks for it (ETRN)");

/** Whether it is that, after having been stored too. */
export function isKept({ code, enhanced, lines }: Reply): boolean {
  return code === KEPT.code && enhanced === KEPT.enhanced && lines.join() === KEPT.lines.join();
}
