/**
 * What a server tells the programs that leave mail: a small file in the drop folder, which all may read who
 * know its name. So they know the host name, how large a mail may be, and who may send as whom, without reading
 * the configuration; and without a server running. Nothing is decided by it: the server looks again. Pure.
 *
 * @module
 */

import { parseDomain } from "../../address.ts";
import { decodeStrict, encode } from "../../bytes.ts";
import type { DropSenders, SenderRule } from "./drop_senders.ts";

/** Its name in the drop folder. */
export const BULLETIN_NAME = "station.json";

/** Octets that it may have. */
export const BULLETIN_LIMIT = 1024 * 1024;

/** What it tells. */
export interface DropBulletin extends SenderRule {
  /** Octets that a message may have. */
  readonly sizeLimit: number;
}

/**
 * Writes it.
 *
 * @example
 * ```ts
 * import { formatBulletin, parseBulletin } from "./drop_bulletin.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bulletin = {
 *   hostname: "mx.example.org",
 *   sizeLimit: 1024,
 *   ownUid: 990,
 *   senders: { "www-data": ["shop.example.org"] },
 *   subaddressDelimiter: "+",
 * };
 * assertEquals(parseBulletin(formatBulletin(bulletin)), bulletin);
 * assertEquals(parseBulletin(new Uint8Array()), null);
 * ```
 */
export function formatBulletin(bulletin: DropBulletin): Uint8Array {
  const { hostname, sizeLimit, ownUid, senders, subaddressDelimiter = "+" } = bulletin;
  const facts = { hostname, sizeLimit, ownUid, senders, subaddressDelimiter };
  return encode(`${JSON.stringify({ version: 1, ...facts })}\n`);
}

/** Reads it; `null` where it cannot be read, as from a later version. */
export function parseBulletin(octets: Uint8Array): DropBulletin | null {
  let value: unknown;
  try {
    value = JSON.parse(decodeStrict(octets) ?? "");
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { version, hostname, sizeLimit, ownUid, senders, subaddressDelimiter } = value as Record<
    string,
    unknown
  >;
  const sound = version === 1 && typeof hostname === "string" && parseDomain(hostname) !== null &&
    Number.isSafeInteger(sizeLimit) && Number.isSafeInteger(ownUid) && isSenders(senders) &&
    (subaddressDelimiter === null || typeof subaddressDelimiter === "string");
  if (!sound) return null;
  return {
    hostname,
    sizeLimit: sizeLimit as number,
    ownUid: ownUid as number,
    senders,
    subaddressDelimiter,
  };
}

function isSenders(value: unknown): value is DropSenders {
  return typeof value === "object" && value !== null &&
    Object.values(value).every((given) =>
      given === "any" || (Array.isArray(given) && given.every((one) => typeof one === "string"))
    );
}
