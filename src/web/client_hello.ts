/**
 * What a client says first in a TLS handshake (RFC 8446 §4.1.2), as far as it decides which certificate it is shown:
 * the name it wants (RFC 6066 §3) and the protocols it speaks (RFC 7301). An authority that proves a name by
 * tls-alpn-01 (RFC 8737) is told from a browser by it, before the handshake.
 *
 * Pure, and bounded by what it is given; what is malformed says nothing.
 *
 * @module
 */

/** What was said. */
export interface ClientHello {
  /** The name by SNI; `null` where there is none. */
  readonly serverName: string | null;
  /** By ALPN, the best first. */
  readonly protocols: readonly string[];
}

/** Octets of a first flight that are waited for. */
export const CLIENT_HELLO_LIMIT = 16 * 1024;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;

/**
 * Reads a first flight.
 *
 * @param octets what came so far.
 * @returns the hello; `"more"` where it is not all there yet; `null` where it is none.
 *
 * @example
 * ```ts
 * import { readClientHello } from "./client_hello.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readClientHello(Uint8Array.of(22, 3, 1)), "more");
 * assertEquals(readClientHello(new TextEncoder().encode("GET / HTTP/1.1\r\n")), null);
 * ```
 */
export function readClientHello(octets: Uint8Array): ClientHello | "more" | null {
  const message = joinRecords(octets);
  if (message === null || message === "more") return message;
  try {
    return readHello(new Reader(message));
  } catch {
    return null; // it ends in the middle of something
  }
}

/** The handshake message in one piece: it may lie in several records. */
function joinRecords(octets: Uint8Array): Uint8Array | "more" | null {
  const message: number[] = [];
  for (let at = 0; at < octets.length;) {
    if (octets[at] !== HANDSHAKE_RECORD) return null;
    if (at + 5 > octets.length) return "more";
    const length = octets[at + 3]! << 8 | octets[at + 4]!;
    if (length === 0 || length > CLIENT_HELLO_LIMIT) return null;
    for (const octet of octets.subarray(at + 5, at + 5 + length)) message.push(octet);
    at += 5 + length;
    if (message.length > 0 && message[0] !== CLIENT_HELLO) return null;
    if (message.length < 4) continue;
    const size = message[1]! << 16 | message[2]! << 8 | message[3]!;
    if (size > CLIENT_HELLO_LIMIT) return null;
    if (message.length >= 4 + size) return Uint8Array.from(message.slice(4, 4 + size));
  }
  return "more";
}

function readHello(reader: Reader): ClientHello {
  reader.skip(2 + 32); // version, random
  reader.vector(1); // session id
  reader.vector(2); // cipher suites
  reader.vector(1); // compression methods
  let serverName: string | null = null;
  let protocols: string[] = [];
  const extensions = new Reader(reader.vector(2));
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const data = new Reader(extensions.vector(2));
    if (type === SERVER_NAME) serverName = readServerName(new Reader(data.vector(2)));
    if (type === ALPN) protocols = readProtocols(new Reader(data.vector(2)));
  }
  return { serverName, protocols };
}

function readServerName(names: Reader): string | null {
  while (names.left > 0) {
    const type = names.number(1);
    const name = ascii(names.vector(2));
    if (type === 0) return name.toLowerCase();
  }
  return null;
}

function readProtocols(list: Reader): string[] {
  const protocols: string[] = [];
  while (list.left > 0) protocols.push(ascii(list.vector(1)));
  return protocols;
}

function ascii(octets: Uint8Array): string {
  return String.fromCharCode(...octets.subarray(0, 255));
}

/** Reads numbers and vectors (RFC 8446 §3); throws at the end. */
class Reader {
  readonly #octets: Uint8Array;
  #at = 0;

  constructor(octets: Uint8Array) {
    this.#octets = octets;
  }

  get left(): number {
    return this.#octets.length - this.#at;
  }

  skip(length: number): void {
    if (length > this.left) throw new RangeError("the message ends too early");
    this.#at += length;
  }

  number(length: number): number {
    const start = this.#at;
    this.skip(length);
    return this.#octets.subarray(start, this.#at).reduce((sum, octet) => sum * 256 + octet, 0);
  }

  /** As many octets as a number of so many octets before them says. */
  vector(prefix: number): Uint8Array {
    const length = this.number(prefix);
    const start = this.#at;
    this.skip(length);
    return this.#octets.subarray(start, this.#at);
  }
}
