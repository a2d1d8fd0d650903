/**
 * Cuts what a server sends into replies (RFC 5321 §4.2).
 *
 * Only CRLF ends a line. A server that puts what a stranger wrote into its text could otherwise be led to say
 * `550 no user <x`, LF, `250 ok`: two replies for one command, and from then on each recipient would get
 * another one's answer. Real servers send CRLF. A bare CR, as any control character, becomes `?` in the
 * text. Digits alone, without a space behind them, are a reply (RFC 5321 §4.2).
 *
 * What fails: anything else is garbage, said with a reason, and the session must end, since nobody knows any
 * more which reply answers which command. Lines, their number and all octets of a reply are bounded. Nothing
 * is thrown.
 *
 * @module
 */

import { decode } from "../bytes.ts";
import type { ClientLimits } from "./client_settings.ts";
import type { Cursor } from "./cursor.ts";
import { LineDecoder } from "./line_decoder.ts";
import type { Reply } from "./reply.ts";

/** What the decoder found. */
export type ReplyResult =
  | { readonly type: "reply"; readonly reply: Reply }
  /** No reply; what follows means nothing. */
  | { readonly type: "garbage"; readonly why: string };

/** A reply line: code, mark, text. */
const LINE = /^([1-5]\d\d)(?:([ -])(.*))?$/s;
/** RFC 2034 §4; a text that only looks so has another class, or no space behind. */
const ENHANCED = /^([245]\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2}))(?: +|$)/;

/**
 * What must not get into a log, a terminal or a notice: controls, what turns the direction of writing, line
 * and paragraph separators.
 */
const UNSAFE =
  // deno-lint-ignore no-control-regex
  /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * The incremental reply decoder.
 *
 * @example
 * ```ts
 * import { ReplyDecoder } from "./reply_decoder.ts";
 * import { clientSettings } from "./client_settings.ts";
 * import { cursorOver } from "./cursor.ts";
 * import { encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const decoder = new ReplyDecoder(clientSettings("mta.example").limits);
 * const cursor = cursorOver(encode("550-5.1.1 no such user\r\n550 5.1.1 here\r\n25"));
 * assertEquals(decoder.next(cursor), {
 *   type: "reply",
 *   reply: { code: 550, enhanced: "5.1.1", lines: ["no such user", "here"] },
 * });
 * assertEquals(decoder.next(cursor), null);
 * ```
 */
export class ReplyDecoder {
  readonly #limits: Pick<ClientLimits, "replyLine" | "replyLines" | "reply">;
  readonly #decoder: LineDecoder;
  #code = "";
  #lines: string[] = [];
  #size = 0;
  /** Whether nothing of the next reply has been seen. */
  #fresh = true;
  readonly #known = new KnownReplies();

  /** Stands before a reply. */
  constructor(limits: Pick<ClientLimits, "replyLine" | "replyLines" | "reply">) {
    this.#limits = limits;
    this.#decoder = new LineDecoder(limits.replyLine, limits.reply);
  }

  /** The next reply or fault, or `null` when the cursor is used up. */
  next(cursor: Cursor): ReplyResult | null {
    const { at } = cursor;
    const whole = this.#fresh;
    const known = whole ? this.#known.find(cursor) : null;
    if (known !== null) return known;
    const result = this.#read(cursor);
    this.#fresh = result !== null || (whole && cursor.at === at);
    if (whole && result !== null) this.#known.add(cursor.bytes.subarray(at, cursor.at), result);
    return result;
  }

  #read(cursor: Cursor): ReplyResult | null {
    for (let found; (found = this.#decoder.next(cursor)) !== null;) {
      switch (found.type) {
        case "line": {
          const result = this.#line(found.line);
          if (result !== null) return result;
          break;
        }
        case "too-long":
        case "hopeless":
          return garbage(`a reply line of more than ${this.#limits.replyLine} octets`);
        case "bare-newline":
          return garbage("a reply line that does not end in CRLF");
      }
    }
    return null;
  }

  #begin(): void {
    this.#code = "";
    this.#lines = [];
    this.#size = 0;
  }

  #line(octets: Uint8Array): ReplyResult | null {
    const match = LINE.exec(decode(octets));
    if (match === null) return garbage("a line that is no SMTP reply");
    const [, code = "", mark = " ", text = ""] = match;
    if (this.#code !== "" && this.#code !== code) {
      return garbage(`a reply whose lines have different codes, ${this.#code} and ${code}`);
    }
    this.#code = code;
    this.#size += octets.length;
    if (this.#size > this.#limits.reply) {
      return garbage(`a reply of more than ${this.#limits.reply} octets`);
    }
    this.#lines.push(cleanText(text));
    if (this.#lines.length > this.#limits.replyLines) {
      return garbage(`a reply of more than ${this.#limits.replyLines} lines`);
    }
    if (mark === "-") return null;
    const reply = withEnhanced(Number(code), this.#lines);
    this.#begin();
    return { type: "reply", reply };
  }
}

/** How many replies are known again, and octets of one. */
const KNOWN = 8;
const KNOWN_OCTETS = 128;

/**
 * What a server has said before, octet for octet, and what was read in it: it says the same few things over and
 * over. A find moves one place up, so that what is said but once is what makes room.
 */
class KnownReplies {
  readonly #known: { readonly octets: Uint8Array; readonly result: ReplyResult }[] = [];

  /** The reply at the cursor, which is moved past it; `null` when it is none of them. */
  find(cursor: Cursor): ReplyResult | null {
    const known = this.#known;
    for (let i = 0; i < known.length; i++) {
      const found = known[i]!;
      if (!startsWith(cursor, found.octets)) continue;
      if (i > 0) {
        known[i] = known[i - 1]!;
        known[i - 1] = found;
      }
      cursor.at += found.octets.length;
      return found.result;
    }
    return null;
  }

  /** Octets, copied, that are a whole reply. */
  add(octets: Uint8Array, result: ReplyResult): void {
    if (result.type === "garbage" || octets.length > KNOWN_OCTETS) return;
    if (this.#known.length === KNOWN) this.#known.pop();
    this.#known.push({ octets: octets.slice(), result });
  }
}

function startsWith({ bytes, at, end }: Cursor, octets: Uint8Array): boolean {
  const { length } = octets;
  if (end - at < length) return false;
  for (let i = length - 1; i >= 0; i--) if (bytes[at + i] !== octets[i]) return false;
  return true;
}

function garbage(why: string): ReplyResult {
  return { type: "garbage", why };
}

function cleanText(text: string): string {
  return text.replaceAll("\t", " ").replace(UNSAFE, "?").trimEnd();
}

/** Takes the enhanced code out of the text, where its class is that of the reply (RFC 2034 §4). */
function withEnhanced(code: number, lines: readonly string[]): Reply {
  const enhanced = ENHANCED.exec(lines[0] ?? "")?.[1];
  if (enhanced === undefined || Number(enhanced[0]) !== Math.floor(code / 100)) {
    return { code, lines };
  }
  const texts = lines.map((line) => {
    const match = ENHANCED.exec(line);
    return match?.[1] === enhanced ? line.slice(match[0].length) : line;
  });
  return { code, enhanced, lines: texts };
}

/** Lines of a reply that are kept with an outcome, and characters of each. */
const KEPT_LINES = 20;
const KEPT_TEXT = 500;

/** A reply short enough to be kept for each recipient, in the queue and in notices; what is cut ends in `…`. */
export function boundReply(given: Reply): Reply {
  const { lines } = given;
  if (lines.length <= KEPT_LINES && lines.every(({ length }) => length <= KEPT_TEXT)) return given;
  const kept = lines.slice(0, KEPT_LINES).map((line) =>
    line.length <= KEPT_TEXT ? line : `${line.slice(0, KEPT_TEXT - 1).toWellFormed()}…`
  );
  if (lines.length > KEPT_LINES) kept[KEPT_LINES - 1] = "…";
  return { ...given, lines: kept };
}
