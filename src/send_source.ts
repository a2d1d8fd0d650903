/**
 * A message that a program hands over to be sent, read whole: its lines end in CRLF, and its head is completed
 * (RFC 6409 §8).
 *
 * What fails: a message over the limit throws a `RangeError`, one without a head a `TypeError`; what reading it
 * throws goes through.
 *
 * @module
 */

import { concat, encode } from "./bytes.ts";
import { untilAborted } from "./delivery/outcomes.ts";
import { fixSubmission } from "./intake/head_edits.ts";
import type { SubmitMessage } from "./intake/submit.ts";
import { formatFields, parseFields } from "./message/header.ts";
import type { MessageSource } from "./queue/local_delivery.ts";
import { cursorOver } from "./smtp/cursor.ts";
import { NewlineNormalizer } from "./smtp/newline_normalizer.ts";

/** A message that was read. */
export interface SendSource extends MessageSource {
  readonly eightBit: boolean;
  readonly headIs8bit: boolean;
}

/** Reads the whole message, with CRLF for whatever ends its lines; `null` where the signal came first. */
export async function readOctets(
  message: SubmitMessage,
  limit: number,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  const newlines = new NewlineNormalizer();
  const pieces: Uint8Array[] = [];
  const read = async () => {
    let size = 0;
    for await (const part of partsOf(message)) {
      if (signal.aborted) return;
      size += part.length;
      if (size > limit) throw new RangeError(`message: longer than ${limit} octets`);
      const cursor = cursorOver(part);
      for (let piece; (piece = newlines.next(cursor)) !== null;) pieces.push(piece.slice());
    }
  };
  if (!signal.aborted) await untilAborted(read(), signal);
  if (signal.aborted) return null;
  pieces.push(newlines.finish());
  const last = pieces.findLast((piece) => piece.length > 0);
  if (last?.at(-1) !== 0x0a) pieces.push(CRLF);
  return concat(pieces);
}

/** Reads a message, and completes its head. */
export function readMessage(
  whole: Uint8Array,
  facts: { readonly now: number; readonly id: string; readonly hostname: string },
): SendSource {
  const end = endOfHead(whole);
  const fields = parseFields(whole.subarray(0, end.head));
  if (fields.some(({ name }) => name === "")) {
    throw new TypeError(
      "message: it begins with a line that is no header field: put an empty line before its text",
    );
  }
  const head = formatFields(fixSubmission(fields, facts));
  const body = whole.subarray(end.body);
  const headIs8bit = head.some(is8bit);
  return {
    head,
    bodySize: body.length,
    async *openBody() {
      yield await Promise.resolve(body);
    },
    headIs8bit,
    eightBit: headIs8bit || body.some(is8bit),
  };
}

function partsOf(message: SubmitMessage): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (typeof message === "string") return [encode(message)];
  return message instanceof Uint8Array ? [message] : message;
}

/** Where the fields end, and where the body begins after the empty line. */
function endOfHead(whole: Uint8Array): { readonly head: number; readonly body: number } {
  if (whole[0] === 0x0d) return { head: 0, body: 2 };
  for (let at = whole.indexOf(0x0a); at !== -1; at = whole.indexOf(0x0a, at + 1)) {
    if (whole[at + 1] === 0x0d) return { head: at + 1, body: at + 3 };
  }
  return { head: whole.length, body: whole.length };
}

const CRLF = Uint8Array.of(0x0d, 0x0a);

function is8bit(octet: number): boolean {
  return octet > 127;
}
