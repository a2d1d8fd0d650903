/**
 * SPF (RFC 7208): whether a domain lets a host send in its name. The skeleton.
 *
 * @module
 */

import type { Clock, Resolver } from "../../runtime/runtime.ts";
import type { AuthResult } from "../result.ts";

/** Who sends, and in whose name. */
export interface SpfQuery {
  /** The client's IP address. */
  readonly ip: string;
  /** The domain whose record is asked for: of MAIL FROM, or the name in HELO or EHLO. */
  readonly domain: string;
  /** The address of MAIL FROM, unquoted, or of the postmaster at the HELO name where that is null. */
  readonly sender: string;
  /** What the client said in HELO or EHLO. */
  readonly hello: string;
  /** Our own name, for explanations that have it. */
  readonly receiver?: string;
}

/** What it asks with. */
export interface SpfServices {
  /** Answers for DNS. */
  readonly resolver: Pick<Resolver, "a" | "aaaa" | "mx" | "txt" | "ptr">;
  /** Milliseconds since the Unix epoch, for explanations that have it. */
  readonly now?: number;
  /** Makes an end of it: `temperror`. */
  readonly signal?: AbortSignal;
}

/** What SPF says. */
export interface SpfAnswer {
  /** All but `policy`. */
  readonly result: AuthResult;
  /** Of `fail`: what the domain has to say to it, one line of printable ASCII. From strangers. */
  readonly explanation?: string;
  /** The term that decided, as it stands in the record. */
  readonly mechanism?: string;
  /** Of `none`, `temperror` and `permerror`: why, for people. */
  readonly reason?: string;
}

/** Asks what SPF says. Never rejects. */
export function checkHost(_query: SpfQuery, _services: SpfServices): Promise<SpfAnswer> {
  return Promise.resolve({ result: "none" });
}
