/**
 * One command line as a value (RFC 5321 §4.1.1 and the extensions' own commands).
 *
 * Only the form is judged here: whether a command is offered, in order or allowed is the session's
 * to say. What is malformed comes back as `invalid` or `unknown` with the reply that says so; what no
 * mail client would say (an HTTP request, a TLS handshake) as `not-smtp`, so that the session can hang
 * up before a browser is made to say more. Never throws.
 *
 * @module
 */

import { type Address, parseDomain } from "../address.ts";
import { decode, decodeStrict, encode, isPrintable } from "../bytes.ts";
import { parsePathAt, type PathKind } from "./path.ts";
import { type Reply, reply } from "./reply.ts";

/** A command. */
export type Command =
  /** The name is printable ASCII without spaces: a domain, a literal, or what the client thinks is one. */
  | { readonly verb: "EHLO" | "HELO" | "LHLO"; readonly name: string }
  | {
    readonly verb: "MAIL";
    /** `null` for `<>`. */
    readonly sender: Address | null;
    readonly parameters: readonly RawParameter[];
  }
  | {
    readonly verb: "RCPT";
    readonly recipient: Address;
    readonly parameters: readonly RawParameter[];
  }
  | { readonly verb: "DATA" | "RSET" | "NOOP" | "QUIT" | "STARTTLS" }
  /** RFC 3030 §2. `size` octets follow the line. */
  | { readonly verb: "BDAT"; readonly size: number; readonly last: boolean }
  | { readonly verb: "VRFY" | "EXPN" | "HELP"; readonly argument: string }
  | {
    readonly verb: "AUTH";
    /** In upper case. */
    readonly mechanism: string;
    /** As sent, in base64 if all is well; `""` for an empty response (`=`), `null` where there is none (RFC 4954 §4). */
    readonly initialResponse: string | null;
  }
  /** RFC 1985 §5: a domain, one with its subdomains (`@…`), or a queue's name (`#…`). */
  | { readonly verb: "ETRN"; readonly domain: string }
  /** A verb nobody knows; `name` is fit for a log. */
  | { readonly verb: "unknown"; readonly name: string; readonly reply: Reply }
  /** A known verb (or none at all, `name` empty) in a form that is wrong. */
  | { readonly verb: "invalid"; readonly name: string; readonly reply: Reply }
  /** No mail client. `protocol` is what it speaks: `"HTTP"`, `"TLS"`, … */
  | { readonly verb: "not-smtp"; readonly protocol: string };

/** One parameter as it stood in the command. */
export interface RawParameter {
  /** In upper case. */
  readonly keyword: string;
  /** What stood behind `=`, or `null` where there was none. */
  readonly value: string | null;
}

/** How a command is read. */
export interface CommandOptions {
  /** Whether SMTPUTF8 is offered: addresses may hold UTF-8 then (RFC 6531). Default `false`. */
  readonly smtputf8?: boolean;
}

/**
 * Reads one command line, given without its CRLF. Verbs are read in any case, white space at the end
 * is dropped.
 *
 * @example
 * ```ts
 * import { parseCommand } from "./command.ts";
 * import { encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseCommand(encode("mail from:<a@b.example> SIZE=9")), {
 *   verb: "MAIL",
 *   sender: { local: "a", domain: "b.example" },
 *   parameters: [{ keyword: "SIZE", value: "9" }],
 * });
 * assertEquals(parseCommand(encode("GET / HTTP/1.1")), { verb: "not-smtp", protocol: "HTTP" });
 * ```
 */
export function parseCommand(line: Uint8Array, options: CommandOptions = {}): Command {
  if (startsTls(line)) return { verb: "not-smtp", protocol: "TLS" };
  const alone = line.length === 4 ? ALONE.get(fourLetters(line)) : undefined;
  if (alone !== undefined) return alone;
  const space = line.indexOf(SPACE);
  const name = verbOf(line, space === -1 ? line.length : space);
  const text = decodeStrict(line);
  const foreign = text?.includes("/") ? FOREIGN.exec(text)?.[1] : undefined;
  if (foreign !== undefined) return { verb: "not-smtp", protocol: foreign };
  const read = GRAMMAR.get(name);
  if (read === undefined) return unrecognized(name, line);
  if (text === null) return invalid(name, 501, "5.5.2", "not UTF-8");
  return readTrimmed(trimEnd(text), space === -1 ? text.length : space + 1, name, read, options);
}

function readTrimmed(
  text: string,
  from: number,
  name: string,
  read: Grammar,
  options: CommandOptions,
): Command {
  if (!isPrintable(text, from)) {
    // deno-lint-ignore no-control-regex
    if (/[\x00-\x1f\x7f]/.test(text.slice(from))) {
      return invalid(name, 501, "5.5.2", "control characters are not allowed");
    }
    if (!BEYOND_ASCII_ALLOWED.has(name)) {
      return invalid(name, 501, "5.5.2", "only ASCII is allowed");
    }
  }
  return read(text, from, options);
}

/**
 * Whether the octets begin a TLS handshake: a client that takes this port for an implicit-TLS one
 * (RFC 8446 §5.1, record type 22). It sends no line end and would wait for ever.
 */
export function startsTls(bytes: Uint8Array): boolean {
  return bytes[0] === 0x16 && bytes[1] === 0x03;
}

const SPACE = 0x20;

/** A request line of HTTP and its kin: a browser or a scanner, made to post to a mail port. */
const FOREIGN = /^[A-Z]{3,16} \S+ (HTTP|RTSP|SIP)\/\d/;

/** Where an address may stand, so may UTF-8 (RFC 6531 §3.3). */
const BEYOND_ASCII_ALLOWED = new Set(["MAIL", "RCPT", "VRFY", "EXPN"]);

const DATA: Command = { verb: "DATA" };
const RSET: Command = { verb: "RSET" };
const NOOP: Command = { verb: "NOOP" };
const QUIT: Command = { verb: "QUIT" };
const STARTTLS: Command = { verb: "STARTTLS" };

/** Reads a command's argument, which is what stands in the line from there on. */
type Grammar = (line: string, from: number, options: CommandOptions) => Command;

const GRAMMAR: ReadonlyMap<string, Grammar> = new Map<string, Grammar>([
  ["EHLO", readHello("EHLO")],
  ["HELO", readHello("HELO")],
  ["LHLO", readHello("LHLO")],
  ["MAIL", readMail],
  ["RCPT", readRcpt],
  ["DATA", readBare(DATA)],
  ["BDAT", readBdat],
  ["RSET", readBare(RSET)],
  ["NOOP", () => NOOP],
  ["QUIT", readBare(QUIT)],
  ["VRFY", readQuery("VRFY")],
  ["EXPN", readQuery("EXPN")],
  ["HELP", (line, from) => ({ verb: "HELP", argument: line.slice(from) })],
  ["STARTTLS", readBare(STARTTLS)],
  ["AUTH", readAuth],
  ["ETRN", readEtrn],
]);

/** Verbs of four letters, which most are, by {@link fourLetters}. */
const FOUR_LETTERS: ReadonlyMap<number, string> = new Map(
  [...GRAMMAR.keys()].filter(({ length }) => length === 4).map((verb) =>
    [fourLetters(encode(verb)), verb] as const
  ),
);

/** Commands that most often come without anything behind them: to be known without making text of them. */
const ALONE: ReadonlyMap<number, Command> = new Map(
  [DATA, RSET, NOOP, QUIT].map((command) => [fourLetters(encode(command.verb)), command]),
);

function readHello(verb: "EHLO" | "HELO" | "LHLO"): Grammar {
  return (line, from) => {
    const name = line.slice(from);
    if (/^[!-~]{1,255}$/.test(name)) return { verb, name };
    return malformed(verb, `expected ${verb} and the client's host name or address literal`);
  };
}

function readBare(command: Command): Grammar {
  const { verb } = command;
  return (line, from) =>
    from >= line.length ? command : malformed(verb, `${verb} takes no argument`);
}

function readQuery(verb: "VRFY" | "EXPN"): Grammar {
  return (line, from, { smtputf8 }) => {
    const text = line.slice(from);
    // The one parameter these commands have (RFC 6531 §3.7.4.2).
    const argument = smtputf8 ? text.replace(/ SMTPUTF8$/i, "") : text;
    return argument === "" ? malformed(verb, `expected ${verb} and a name`) : { verb, argument };
  };
}

function readMail(line: string, from: number, options: CommandOptions): Command {
  const read = readPath(line, from, "reverse", options);
  if ("reply" in read) return { verb: "invalid", name: "MAIL", reply: read.reply };
  return { verb: "MAIL", sender: read.path, parameters: read.parameters };
}

function readRcpt(line: string, from: number, options: CommandOptions): Command {
  const read = readPath(line, from, "forward", options);
  if ("reply" in read) return { verb: "invalid", name: "RCPT", reply: read.reply };
  if (read.path === null) return malformed("RCPT", "expected RCPT TO:<local@domain>");
  return { verb: "RCPT", recipient: read.path, parameters: read.parameters };
}

function readPath(
  line: string,
  from: number,
  kind: PathKind,
  options: CommandOptions,
): { path: Address | null; parameters: RawParameter[] } | { reply: Reply } {
  const { label, inAnyCase } = kind === "reverse" ? FROM : TO;
  if (!line.startsWith(label, from) && !inAnyCase.test(line.slice(from))) {
    const verb = kind === "reverse" ? "MAIL" : "RCPT";
    return { reply: reply(501, "5.5.2", `expected ${verb} ${label}<local@domain>`) };
  }
  const read = parsePathAt(line, from + label.length, kind, options);
  if ("reply" in read) return read;
  const parameters = parseRawParameters(line, read.end);
  if (parameters === null) {
    return {
      reply: reply(501, "5.5.4", "expected parameters as KEYWORD or KEYWORD=value, each once"),
    };
  }
  return { path: read.path, parameters };
}

const FROM = { label: "FROM:", inAnyCase: /^FROM:/i };
const TO = { label: "TO:", inAnyCase: /^TO:/i };

/**
 * Reads what stands behind a path: ` SIZE=1000 BODY=8BITMIME` (RFC 5321 §4.1.2). `null` where that
 * is not the grammar, or a keyword comes twice.
 *
 * @example
 * ```ts
 * import { parseRawParameters } from "./command.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseRawParameters(" size=1000 SMTPUTF8"), [
 *   { keyword: "SIZE", value: "1000" },
 *   { keyword: "SMTPUTF8", value: null },
 * ]);
 * assertEquals(parseRawParameters(" SIZE=1 SIZE=2"), null);
 * ```
 */
export function parseRawParameters(text: string, from = 0): RawParameter[] | null {
  const parameters: RawParameter[] = [];
  for (let at = from; at < text.length;) {
    const space = text.indexOf(" ", at);
    const end = space === -1 ? text.length : space;
    if (end > at) {
      const parameter = parseParameter(text, at, end);
      if (parameter === null) return null;
      parameters.push(parameter);
    }
    at = end + 1;
  }
  return parameters.length > 1 && hasTwice(parameters) ? null : parameters;
}

function hasTwice(parameters: readonly RawParameter[]): boolean {
  const [one, other] = parameters;
  if (parameters.length === 2) return one!.keyword === other!.keyword;
  return new Set(parameters.map(({ keyword }) => keyword)).size < parameters.length;
}

/** esmtp-param, a part of a text that is not empty; beyond ASCII by RFC 6531 §3.3. */
function parseParameter(text: string, from: number, to: number): RawParameter | null {
  if (text.charCodeAt(from) === HYPHEN) return null;
  let at = from;
  let isUpper = true;
  for (; at < to; at++) {
    const unit = text.charCodeAt(at);
    if (unit === EQUALS) break;
    if (unit >= 0x61 && unit <= 0x7a) isUpper = false;
    else if (!isUpperDigitOrHyphen(unit)) return null;
  }
  if (at === from || at === to - 1) return null;
  for (let i = at + 1; i < to; i++) {
    const unit = text.charCodeAt(i);
    if (unit <= 0x20 || unit === EQUALS || unit === 0x7f) return null;
  }
  const written = text.slice(from, at);
  const keyword = isUpper ? written : written.toUpperCase();
  return { keyword, value: at === to ? null : text.slice(at + 1, to) };
}

const HYPHEN = 0x2d;
const EQUALS = 0x3d;

function isUpperDigitOrHyphen(unit: number): boolean {
  return unit >= 0x41 && unit <= 0x5a || unit >= 0x30 && unit <= 0x39 || unit === HYPHEN;
}

/**
 * Whether a line, or the start of one, is BDAT or what somebody may take for it: with a tab, say, or a NUL behind or a
 * blank before it. The octets of a chunk follow all the same, and whoever came before us may have read it so.
 */
export function beginsBdat(line: Uint8Array): boolean {
  return ALMOST_BDAT.test(decode(line));
}

// deno-lint-ignore no-control-regex
const ALMOST_BDAT = /^[\x00-\x20]*BDAT(?![A-Za-z0-9-])/i;

function readBdat(line: string, from: number): Command {
  const match = /^(\d{1,20})( +LAST)?$/i.exec(line.slice(from));
  const size = Number(match?.[1]);
  if (match === null || !Number.isSafeInteger(size)) {
    return malformed("BDAT", "expected BDAT size or BDAT size LAST");
  }
  return { verb: "BDAT", size, last: match[2] !== undefined };
}

/** RFC 4954 §4; the name of a mechanism by RFC 4422 §3.1. */
function readAuth(line: string, from: number): Command {
  const match = /^([A-Za-z0-9_-]{1,20})(?: +([!-~]+))?$/.exec(line.slice(from));
  if (match === null) {
    return malformed("AUTH", "expected AUTH mechanism and, if any, an initial response");
  }
  const [, mechanism = "", response] = match;
  return {
    verb: "AUTH",
    mechanism: mechanism.toUpperCase(),
    initialResponse: response === undefined ? null : response === "=" ? "" : response,
  };
}

function readEtrn(line: string, from: number): Command {
  const domain = line.slice(from);
  const sound = domain.startsWith("#")
    ? /^#[!-~]+$/.test(domain)
    : parseDomain(domain.replace(/^@/, "")) !== null;
  return sound ? { verb: "ETRN", domain } : malformed("ETRN", "expected ETRN domain");
}

/** The verb in upper case, of a line whose first word ends before `end`; empty where that is no word. */
function verbOf(line: Uint8Array, end: number): string {
  const usual = end === 4 ? FOUR_LETTERS.get(fourLetters(line)) : undefined;
  if (usual !== undefined) return usual;
  const text = decodeStrict(line.subarray(0, Math.min(end, 64)))?.replace(/\t+$/, "") ?? "";
  return /^[A-Za-z][A-Za-z0-9-]{0,31}$/.test(text) ? text.toUpperCase() : "";
}

/** The first four octets in one number; letters as in upper case. Other octets never make it that of letters. */
function fourLetters(line: Uint8Array): number {
  return (line[0]! & 0xdf) << 24 | (line[1]! & 0xdf) << 16 | (line[2]! & 0xdf) << 8 |
    (line[3]! & 0xdf);
}

/** Without the white space at the end. (A regular expression would take quadratic time.) */
function trimEnd(text: string): string {
  let end = text.length;
  while (text[end - 1] === " " || text[end - 1] === "\t") end--;
  return text.slice(0, end);
}

function unrecognized(name: string, line: Uint8Array): Command {
  if (name === "" && beginsBdat(line)) return readBdat("", 0);
  if (name !== "") {
    return { verb: "unknown", name, reply: reply(500, "5.5.1", "command not recognized") };
  }
  const text = line.length === 0 ? "empty line: expected a command" : "expected a command";
  return invalid("", 500, "5.5.2", text);
}

function invalid(name: string, code: number, enhanced: string, text: string): Command {
  return { verb: "invalid", name, reply: reply(code, enhanced, text) };
}

/** 501 5.5.4: the argument is not of the command's form. */
function malformed(name: string, text: string): Command {
  return invalid(name, 501, "5.5.4", text);
}
