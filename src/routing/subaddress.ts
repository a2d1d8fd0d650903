/**
 * Subaddresses: `user+tag` is another name of `user` (RFC 5233 §4 calls the parts user and detail).
 *
 * @module
 */

import type { Address } from "../address.ts";

/** Between user and tag where nothing else is configured. */
export const DEFAULT_SUBADDRESS_DELIMITER = "+";

/**
 * The address without its tag, or `null` where it has none. The first delimiter counts; a local part
 * that begins with one has no user.
 *
 * @param delimiter `null` or empty: there are no subaddresses.
 *
 * @example
 * ```ts
 * import { withoutTag } from "./subaddress.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const domain = "example.org";
 * assertEquals(withoutTag({ local: "alice+news", domain }), { local: "alice", domain });
 * assertEquals(withoutTag({ local: "alice", domain }), null);
 * ```
 */
export function withoutTag(
  address: Address,
  delimiter: string | null = DEFAULT_SUBADDRESS_DELIMITER,
): Address | null {
  const at = delimiter ? address.local.indexOf(delimiter) : -1;
  return at > 0 ? { local: address.local.slice(0, at), domain: address.domain } : null;
}
