/**
 * Numbered mails that can be told whole from their own text: the head says how long the body is and what its
 * checksum is; and what is read of copies and notices when they are found.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { concat, encode } from "../../../src/bytes.ts";
import type { MemoryRandom } from "../../../src/runtime/memory_random.ts";

/** One mail as a client sends it once. */
export interface NumberedMail {
  /** Unique in its seed: `7.2` is the second time that the seventh mail is sent. */
  readonly id: string;
  readonly octets: Uint8Array;
  readonly eightBit: boolean;
}

/** What lies in a mailbox, or was taken by another server. */
export type Found =
  /** A copy of a numbered mail; `flaw` is what is wrong with it. */
  | { readonly kind: "copy"; readonly id: string; readonly hops: number; readonly flaw?: string }
  /** A notice about a numbered mail, or (`id` absent) about something else. */
  | {
    readonly kind: "report";
    readonly id?: string;
    readonly failed: boolean;
    readonly text: string;
  }
  /** Nothing that was ever sent. */
  | { readonly kind: "garbage"; readonly text: string };

/** Makes a mail with a body of its own. */
export function drawMail(random: MemoryRandom, id: string, eightBit: boolean): NumberedMail {
  const size = drawSize(random);
  const lines: string[] = [];
  for (let length = 0; length < size;) {
    const line = drawLine(random, eightBit, size > 10_000);
    lines.push(line);
    length += line.length + 2;
  }
  const body = encode(lines.map((line) => `${line}\r\n`).join(""));
  const head = `From: <u1@a.test>\r\nSubject: ${id}\r\nX-Mail: ${id};\r\n` +
    `X-Body: ${body.length} ${crc32(body)}\r\nMessage-ID: <${id}@client.test>\r\n\r\n`;
  return { id, octets: concat([encode(head), body]), eightBit };
}

function drawSize(random: MemoryRandom): number {
  const fate = random.below(60);
  // The last two go to files: while they come in, and in the queue.
  if (fate === 0) return 300_000;
  if (fate < 4) return 20_000 + random.below(60_000);
  return random.below(1500);
}

const ODD_LINES = [
  "",
  ".",
  "..",
  ".x",
  "From here",
  "--",
  " ",
  "250 OK",
  "QUIT",
  "BDAT 0 LAST",
  "\t.",
];

function drawLine(random: MemoryRandom, eightBit: boolean, long: boolean): string {
  if (random.below(4) === 0) return ODD_LINES[random.below(ODD_LINES.length)]!;
  const word = eightBit && random.below(2) === 0 ? "mør 邮" : "abc.de";
  return word.repeat(long ? 100 : 1 + random.below(12));
}

/** What octets are, whatever line ends they are kept with. */
export function identify(octets: Uint8Array): Found {
  const text = LATIN1.decode(octets);
  const split = /\r?\n\r?\n/.exec(text);
  if (split === null) return { kind: "garbage", text };
  const head = text.slice(0, split.index);
  const rest = text.slice(split.index + split[0].length);
  const id = /^X-Mail: (\d+\.\d+);\r?$/m;
  if (/^Content-Type: multipart\/report/mi.test(head)) {
    const about = id.exec(rest)?.[1];
    return {
      kind: "report",
      ...(about !== undefined && { id: about }),
      failed: /^Action: failed\r?$/mi.test(rest),
      text,
    };
  }
  const own = id.exec(head)?.[1];
  if (own === undefined) return { kind: "garbage", text };
  const hops = head.match(/^Received:/gm)?.length ?? 0;
  const flaw = flawOf(head, octets, split.index + split[0].length);
  return { kind: "copy", id: own, hops, ...(flaw !== null && { flaw }) };
}

function flawOf(head: string, octets: Uint8Array, at: number): string | null {
  const said = /^X-Body: (\d+) (\d+)\r?$/m.exec(head);
  if (said === null) return "its head is not whole";
  const body = withCrLf(octets.subarray(at));
  if (body.length !== Number(said[1])) return `${body.length} octets instead of ${said[1]}`;
  return crc32(body) === Number(said[2]) ? null : "other octets than were sent";
}

/** A mailbox keeps lines with LF alone. */
function withCrLf(octets: Uint8Array): Uint8Array {
  const out = new Uint8Array(octets.length * 2);
  let length = 0;
  for (let at = 0; at < octets.length; at++) {
    if (octets[at] === 0x0a && octets[at - 1] !== 0x0d) out[length++] = 0x0d;
    out[length++] = octets[at]!;
  }
  return out.subarray(0, length);
}

const LATIN1 = new TextDecoder("latin1");
