/**
 * Addresses of `mailto:` URIs by which domains ask for reports (RFC 6068). Pure.
 *
 * @module
 */

import { parseAddress } from "../../address.ts";

/**
 * The one address of such a URI (RFC 6068 §2); `null` where it is none. What follows a question mark says how to write
 * to it, which we know.
 */
export function parseMailto(uri: string): string | null {
  if (!/^mailto:/i.test(uri)) return null;
  try {
    const address = decodeURIComponent(uri.slice(7).replace(/[?#].*$/, ""));
    return parseAddress(address) === null ? null : address;
  } catch {
    return null; // a percent sign that encodes nothing
  }
}
