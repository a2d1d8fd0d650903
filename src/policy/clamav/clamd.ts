/**
 * A message's way through ClamAV's daemon: the command INSTREAM of clamd(8), over a connection that is open. What is
 * sent is `zINSTREAM` and a NUL, pieces that each have their length before them (four octets, big-endian), and a
 * length of 0; what comes back is one line that ends in NUL. The daemon may answer before it has heard all: when it
 * has found something, or when it has had more than it takes (StreamMaxLength).
 *
 * What fails: the octets of the message, when their source throws, which is thrown; whatever the daemon does is a
 * value. It never waits for longer than the connection lives: closing it ends everything.
 *
 * @module
 */

import { decode, encode } from "../../bytes.ts";
import type { Connection } from "../../runtime/network.ts";

/** What the daemon says of a message. */
export type ScanResult =
  | { readonly status: "clean" }
  /** @property signature what it found: printable ASCII, {@link SIGNATURE_LIMIT} characters at most. */
  | { readonly status: "infected"; readonly signature: string }
  /** It is more than the daemon takes. */
  | { readonly status: "too-large" }
  /** Nothing is known of the message. */
  | { readonly status: "failed"; readonly reason: string };

/** Characters of a signature's name that are kept. */
export const SIGNATURE_LIMIT = 100;
/** Octets of an answer that are read: a signature's name and a few words. */
const ANSWER_LIMIT = 2048;
/** Octets of a message in one piece. */
const PIECE = 64 * 1024;
/** Octets of a length. */
const LENGTH = 4;

/**
 * Has a stream of octets looked at. The connection serves for this one message; the caller closes it.
 *
 * @throws what `octets` throws.
 */
export async function scanStream(
  connection: Connection,
  octets: AsyncIterable<Uint8Array>,
): Promise<ScanResult> {
  let answered = false;
  const answer = readAnswer(connection).catch(lost).finally(() => answered = true);
  let fault: { readonly error: unknown } | null = null;
  const pieces = inPieces(octets, (error) => fault = { error });
  try {
    await connection.write(encode("zINSTREAM\0"));
    for await (const piece of pieces) {
      // It may answer and then read no more, so that a write would never end.
      await Promise.race([connection.write(piece), answer]);
      if (answered) break;
    }
  } catch (error) {
    // Who closes before the end may have said why: the answer tells.
    if (fault !== null) throw error;
  }
  return await answer;
}

/** The octets with their lengths before them, and the end; a piece is valid until the next is asked for. */
async function* inPieces(
  octets: AsyncIterable<Uint8Array>,
  onFault: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(LENGTH + PIECE);
  const view = new DataView(piece.buffer);
  let filled = 0;
  const take = () => {
    view.setUint32(0, filled);
    const whole = piece.subarray(0, LENGTH + filled);
    filled = 0;
    return whole;
  };
  const source = octets[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await source.next().catch((error) => {
        onFault(error);
        throw error;
      });
      if (next.done) break;
      for (let rest = next.value; rest.length > 0;) {
        const part = rest.subarray(0, PIECE - filled);
        piece.set(part, LENGTH + filled);
        filled += part.length;
        rest = rest.subarray(part.length);
        if (filled === PIECE) yield take();
      }
    }
    if (filled > 0) yield take();
    yield take();
  } finally {
    await source.return?.();
  }
}

/** What comes, up to the NUL or the end. */
async function readAnswer(connection: Connection): Promise<ScanResult> {
  const buffer = new Uint8Array(ANSWER_LIMIT);
  for (let length = 0; length < ANSWER_LIMIT;) {
    const count = await connection.read(buffer.subarray(length));
    if (count === null) {
      const reason = length === 0 ? "it closed without an answer" : "its answer has no end";
      return { status: "failed", reason };
    }
    length += count;
    const end = buffer.subarray(0, length).indexOf(0);
    if (end !== -1) return parseClamdAnswer(decode(buffer.subarray(0, end)));
  }
  return { status: "failed", reason: `its answer is longer than ${ANSWER_LIMIT} octets` };
}

function lost(error: unknown): ScanResult {
  return { status: "failed", reason: error instanceof Error ? error.message : String(error) };
}

/**
 * Reads an answer to INSTREAM, without its NUL.
 *
 * @example
 * ```ts
 * import { parseClamdAnswer } from "./clamd.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseClamdAnswer("stream: OK"), { status: "clean" });
 * assertEquals(parseClamdAnswer("stream: Win.Test FOUND"), {
 *   status: "infected",
 *   signature: "Win.Test",
 * });
 * assertEquals(parseClamdAnswer("INSTREAM size limit exceeded. ERROR"), { status: "too-large" });
 * ```
 */
export function parseClamdAnswer(text: string): ScanResult {
  const line = text.trim();
  if (line === "stream: OK") return { status: "clean" };
  const found = /^stream: (.+) FOUND$/s.exec(line)?.[1];
  if (found !== undefined) return { status: "infected", signature: clean(found) };
  if (/^INSTREAM size limit exceeded\b.*ERROR$/.test(line)) return { status: "too-large" };
  return { status: "failed", reason: `it says: ${clean(line)}` };
}

/** Fit for a reply and a log: whoever writes signatures is not us. */
function clean(text: string): string {
  return text.slice(0, SIGNATURE_LIMIT).replace(/[^\x20-\x7e]/g, "?");
}
