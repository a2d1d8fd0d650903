/**
 * From what a reporter has sent to the XML in it: gzipped, in a ZIP archive, or as it is. What it is, its first octets
 * say, not its name: many names are wrong.
 *
 * What fails: {@link PackFault}.
 *
 * @module
 */

import { gunzipSync } from "node:zlib";
import { latin1 } from "./latin1.ts";
import { inflated, listZip, PackFault } from "./zip.ts";

/** Octets of a report, unpacked: a bomb is larger. */
export const MAX_UNPACKED = 64 * 1024 * 1024;

/** What a file is. */
export type PackKind = "gzip" | "zip" | "xml";

/** What a file is by its first octets; `null`: nothing that a report comes in. */
export function packKindOf(octets: Uint8Array): PackKind | null {
  if (octets[0] === 0x1f && octets[1] === 0x8b) return "gzip";
  const start = latin1(octets.subarray(0, 256));
  if (start.startsWith("PK\x03\x04") || start.startsWith("PK\x05\x06")) return "zip";
  // Of 16 bits too: then every other octet is 0.
  const text = start.replace(/^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)/, "").replaceAll("\0", "");
  return /^\s*<(?:\?xml|!--|!DOCTYPE|(?:[\w.-]+:)?feedback\b)/i.test(text) ? "xml" : null;
}

/**
 * The XML in a file.
 *
 * @param limit octets of all together. @throws {PackFault} where there is none, or too much.
 */
export function unpackReports(octets: Uint8Array, limit: number = MAX_UNPACKED): Uint8Array[] {
  switch (packKindOf(octets)) {
    case "xml":
      if (octets.length > limit) throw new PackFault("it is larger than any report");
      return [octets];
    case "gzip":
      return [inflated(() => gunzipSync(octets, { maxOutputLength: limit }))];
    case "zip":
      return unpackZip(octets, limit);
    case null:
      throw new PackFault("it is neither XML, gzip nor ZIP");
  }
}

function unpackZip(octets: Uint8Array, limit: number): Uint8Array[] {
  const files = listZip(octets);
  const named = files.filter(({ name }) => /\.xml$/i.test(name));
  const chosen = named.length > 0 ? named : files.filter(({ name }) => !name.endsWith("/"));
  if (chosen.length === 0) throw new PackFault("the archive is empty");
  let left = limit;
  return chosen.map((file) => {
    const unpacked = file.unpack(left);
    left -= unpacked.length;
    return unpacked;
  });
}
