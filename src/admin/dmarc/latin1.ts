/**
 * Octets as characters of the same numbers, to look at with patterns.
 *
 * @module
 */

const DECODER = new TextDecoder("latin1");

/** A character for each octet. Those of 0x80 to 0x9f are others (it is windows-1252, as the web has it). */
export function latin1(octets: Uint8Array): string {
  return DECODER.decode(octets);
}
