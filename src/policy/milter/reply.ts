/**
 * What a filter says, as values: its verdicts, and the changes it wants at the end of a message. Pure and total:
 * what cannot be read is `null`.
 *
 * @module
 */

import { type Address, parseAddress } from "../../address.ts";
import { decodeStrict } from "../../bytes.ts";
import type { Reply } from "../../smtp/reply.ts";
import type { MilterPacket } from "./packet.ts";

/** A change to a message. */
export type MilterEdit =
  /** A field at the end of the head. */
  | { readonly reply: "add-header"; readonly name: string; readonly value: string }
  /** A field before the one at `index`; 0: on top, our own Received counts. */
  | {
    readonly reply: "insert-header";
    readonly index: number;
    readonly name: string;
    readonly value: string;
  }
  /** Another value for the field of this name that is the `index`th, from 1, our own Received not counted; `""`: none. */
  | {
    readonly reply: "change-header";
    readonly index: number;
    readonly name: string;
    readonly value: string;
  }
  | { readonly reply: "add-recipient"; readonly address: Address }
  | { readonly reply: "delete-recipient"; readonly address: Address }
  | { readonly reply: "change-sender"; readonly sender: Address | null }
  /** A piece of another body. */
  | { readonly reply: "replace-body"; readonly octets: Uint8Array }
  | { readonly reply: "quarantine"; readonly reason: string };

/** What a filter makes of a step. */
export type MilterVerdict =
  | {
    readonly reply:
      | "continue"
      | "accept"
      | "reject"
      | "tempfail"
      | "discard"
      /** It has seen enough of this kind. */
      | "skip"
      /** 421: the session shall end. */
      | "shutdown"
      /** The connection shall fail. */
      | "connection-failure";
  }
  /** A refusal in its own words. */
  | { readonly reply: "reply-code"; readonly value: Reply };

/** Anything a filter may say; `progress`: it is at work, and is not to be given up. */
export type MilterReply = MilterVerdict | MilterEdit | { readonly reply: "progress" };

/** The kind of packet that brings a piece of another body; pieces of it are pieces of the body too. */
export const REPLACED_BODY = "b";

const EDITS: ReadonlySet<string> = new Set<MilterEdit["reply"]>([
  ...["add-header", "insert-header", "change-header", "replace-body", "quarantine"] as const,
  ...["add-recipient", "delete-recipient", "change-sender"] as const,
]);

/** Whether a reply is a change. */
export function isEdit(reply: MilterReply): reply is MilterEdit {
  return EDITS.has(reply.reply);
}

/** Replies that have nothing but their kind (SMFIR_). */
const PLAIN = new Map<string, MilterReply>([
  ["c", { reply: "continue" }],
  ["a", { reply: "accept" }],
  ["r", { reply: "reject" }],
  ["t", { reply: "tempfail" }],
  ["d", { reply: "discard" }],
  ["s", { reply: "skip" }],
  ["p", { reply: "progress" }],
  ["4", { reply: "shutdown" }],
  ["f", { reply: "connection-failure" }],
]);

/** Octets of a reason that are kept. */
const MAX_REASON = 200;

/** Reads a reply; `null` when it is none. */
export function parseMilterReply({ kind, data }: MilterPacket): MilterReply | null {
  const plain = PLAIN.get(kind);
  if (plain !== undefined) return data.length === 0 ? plain : null;
  switch (kind) {
    case "y": {
      const [text] = readStrings(data) ?? [];
      const value = text === undefined ? null : parseReplyCode(text);
      return value && { reply: "reply-code", value };
    }
    case "h": {
      const [name, value, ...rest] = readStrings(data) ?? [];
      if (name === undefined || value === undefined || rest.length > 0) return null;
      return isFieldName(name) ? { reply: "add-header", name, value } : null;
    }
    case "i":
      return readIndexed("insert-header", data);
    case "m":
      return readIndexed("change-header", data);
    case "+":
    case "2": // with ESMTP parameters, which are not passed on
      return readAddress(data, (address) => address && { reply: "add-recipient", address });
    case "-":
      return readAddress(data, (address) => address && { reply: "delete-recipient", address });
    case "e":
      return readAddress(data, (sender) => ({ reply: "change-sender", sender }));
    case REPLACED_BODY:
      return { reply: "replace-body", octets: data };
    case "q": {
      const [reason] = readStrings(data) ?? [];
      return reason === undefined
        ? null
        : { reply: "quarantine", reason: printable(reason).slice(0, MAX_REASON) };
    }
    default:
      return null;
  }
}

function readIndexed(
  reply: "insert-header" | "change-header",
  data: Uint8Array,
): MilterEdit | null {
  if (data.length < 4) return null;
  const index = new DataView(data.buffer, data.byteOffset).getUint32(0);
  const [name, value, ...rest] = readStrings(data.subarray(4)) ?? [];
  if (name === undefined || value === undefined || rest.length > 0) return null;
  // sendmail and Postfix take "the 0th" for the first.
  const counted = reply === "change-header" ? Math.max(1, index) : index;
  return isFieldName(name) ? { reply, index: counted, name, value } : null;
}

/** As `makeField` takes it. */
function isFieldName(name: string): boolean {
  return /^[!-9;-~]{1,76}$/.test(name);
}

/** An address, which may stand in angle brackets; `<>` is none. */
function readAddress(
  data: Uint8Array,
  make: (address: Address | null) => MilterEdit | null,
): MilterEdit | null {
  const [text] = readStrings(data) ?? [];
  if (text === undefined) return null;
  const bare = /^<(.*)>$/s.exec(text)?.[1] ?? text;
  if (bare === "") return make(null);
  const address = parseAddress(bare, { smtputf8: true });
  return address && make(address);
}

/** The C strings of which data is made, one at least; `null` where the last one does not end. */
function readStrings(data: Uint8Array): string[] | null {
  if (data.at(-1) !== 0) return null;
  const strings: string[] = [];
  for (let at = 0; at < data.length;) {
    const end = data.indexOf(0, at);
    const octets = data.subarray(at, end);
    strings.push(decodeStrict(octets) ?? latin1.decode(octets));
    at = end + 1;
  }
  return strings;
}

const latin1 = new TextDecoder("latin1");

/** Lines of a reply that are kept; libmilter sends no more either. */
const MAX_LINES = 32;
const LINE = /^([45]\d\d)(?:[ -](.*))?$/;
const ENHANCED = /^([45])\.\d{1,3}\.\d{1,3}(?: +|$)/;

/**
 * Reads the text of a refusal, such as `550 5.7.1 no`, of several lines perhaps. libmilter doubles each `%`, as
 * sendmail takes it for a format.
 */
export function parseReplyCode(text: string): Reply | null {
  const lines = trimNewlines(text.replaceAll("%%", "%")).split(/\r\n|\r|\n/);
  let code: string | null = null;
  let enhanced: string | null = null;
  const texts: string[] = [];
  for (const line of lines.slice(0, MAX_LINES)) {
    const [, digits, rest = ""] = LINE.exec(line) ?? [];
    if (digits === undefined || (code !== null && digits !== code)) return null;
    code = digits;
    const [given, kind] = ENHANCED.exec(rest) ?? [];
    if (given !== undefined && kind === code[0]) enhanced ??= given.trim();
    texts.push(printable(rest.slice(given?.length ?? 0)));
  }
  if (code === null) return null;
  return { code: Number(code), enhanced: enhanced ?? `${code[0]}.7.1`, lines: texts };
}

/** Without line ends at its end. (A regular expression would take quadratic time.) */
export function trimNewlines(text: string): string {
  let end = text.length;
  while (text[end - 1] === "\r" || text[end - 1] === "\n") end--;
  return text.slice(0, end);
}

/** ASCII without controls: a client may understand no more. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
