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
import { decodeStrict } from "../bytes.ts";
import { parsePath, type PathKind } from "./path.ts";
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
  const space = line.indexOf(0x20);
  const name = verbOf(space === -1 ? line : line.subarray(0, space));
  const text = decodeStrict(line);
  const foreign = text === null ? undefined : FOREIGN.exec(text)?.[1];
  if (foreign !== undefined) return { verb: "not-smtp", protocol: foreign };
  const read = GRAMMAR.get(name);
  if (read === undefined) return unrecognized(name, line);
  if (text === null) return invalid(name, 501, "5.5.2", "not UTF-8");
  const argument = space === -1 ? "" : trimEnd(text.slice(space + 1));
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(argument)) {
    return invalid(name, 501, "5.5.2", "control characters are not allowed");
  }
  if (!BEYOND_ASCII_ALLOWED.has(name) && /[^ -~]/.test(argument)) {
    return invalid(name, 501, "5.5.2", "only ASCII is allowed");
  }
  return read(argument, name, options);
}

/**
 * Whether the octets begin a TLS handshake: a client that takes this port for an implicit-TLS one
 * (RFC 8446 §5.1, record type 22). It sends no line end and would wait for ever.
 */
export function startsTls(bytes: Uint8Array): boolean {
  return bytes[0] === 0x16 && bytes[1] === 0x03;
}

/** A request line of HTTP and its kin: a browser or a scanner, made to post to a mail port. */
const FOREIGN = /^[A-Z]{3,16} \S+ (HTTP|RTSP|SIP)\/\d/;

/** Where an address may stand, so may UTF-8 (RFC 6531 §3.3). */
const BEYOND_ASCII_ALLOWED = new Set(["MAIL", "RCPT", "VRFY", "EXPN"]);

type Grammar = (argument: string, name: string, options: CommandOptions) => Command;

const GRAMMAR: ReadonlyMap<string, Grammar> = new Map<string, Grammar>([
  ["EHLO", readHello("EHLO")],
  ["HELO", readHello("HELO")],
  ["LHLO", readHello("LHLO")],
  ["MAIL", readMail],
  ["RCPT", readRcpt],
  ["DATA", readBare("DATA")],
  ["BDAT", readBdat],
  ["RSET", readBare("RSET")],
  ["NOOP", () => ({ verb: "NOOP" })],
  ["QUIT", readBare("QUIT")],
  ["VRFY", readQuery("VRFY")],
  ["EXPN", readQuery("EXPN")],
  ["HELP", (argument) => ({ verb: "HELP", argument })],
  ["STARTTLS", readBare("STARTTLS")],
  ["AUTH", readAuth],
  ["ETRN", readEtrn],
]);

function readHello(verb: "EHLO" | "HELO" | "LHLO"): Grammar {
  return (name) => {
    if (/^[!-~]{1,255}$/.test(name)) return { verb, name };
    return malformed(verb, `expected ${verb} and the client's host name or address literal`);
  };
}

function readBare(verb: "DATA" | "RSET" | "QUIT" | "STARTTLS"): Grammar {
  return (argument) => argument === "" ? { verb } : malformed(verb, `${verb} takes no argument`);
}

function readQuery(verb: "VRFY" | "EXPN"): Grammar {
  return (text, _name, { smtputf8 }) => {
    // The one parameter these commands have (RFC 6531 §3.7.4.2).
    const argument = smtputf8 ? text.replace(/ SMTPUTF8$/i, "") : text;
    return argument === "" ? malformed(verb, `expected ${verb} and a name`) : { verb, argument };
  };
}

function readMail(argument: string, name: string, options: CommandOptions): Command {
  const read = readPath(argument, "reverse", options);
  if ("reply" in read) return { verb: "invalid", name, reply: read.reply };
  return { verb: "MAIL", sender: read.path, parameters: read.parameters };
}

function readRcpt(argument: string, name: string, options: CommandOptions): Command {
  const read = readPath(argument, "forward", options);
  if ("reply" in read) return { verb: "invalid", name, reply: read.reply };
  if (read.path === null) return malformed(name, "expected RCPT TO:<local@domain>");
  return { verb: "RCPT", recipient: read.path, parameters: read.parameters };
}

function readPath(
  argument: string,
  kind: PathKind,
  options: CommandOptions,
): { path: Address | null; parameters: RawParameter[] } | { reply: Reply } {
  const [form, start] = kind === "reverse" ? ["MAIL FROM", /^FROM:/i] : ["RCPT TO", /^TO:/i];
  const label = start.exec(argument)?.[0];
  if (label === undefined) {
    return { reply: reply(501, "5.5.2", `expected ${form}:<local@domain>`) };
  }
  const read = parsePath(argument.slice(label.length), kind, options);
  if ("reply" in read) return read;
  const parameters = parseRawParameters(read.rest);
  if (parameters === null) {
    return {
      reply: reply(501, "5.5.4", "expected parameters as KEYWORD or KEYWORD=value, each once"),
    };
  }
  return { path: read.path, parameters };
}

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
export function parseRawParameters(text: string): RawParameter[] | null {
  const parameters: RawParameter[] = [];
  const keywords = new Set<string>();
  for (const word of text.split(" ")) {
    if (word === "") continue;
    const match = ESMTP_PARAM.exec(word);
    if (match === null) return null;
    const keyword = (match[1] ?? "").toUpperCase();
    if (keywords.has(keyword)) return null;
    keywords.add(keyword);
    parameters.push({ keyword, value: match[2] ?? null });
  }
  return parameters;
}

/** esmtp-param; beyond ASCII by RFC 6531 §3.3. */
const ESMTP_PARAM = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\u{10ffff}]+))?$/u;

function readBdat(argument: string, name: string): Command {
  const match = /^(\d{1,20})( +LAST)?$/i.exec(argument);
  const size = Number(match?.[1]);
  if (match === null || !Number.isSafeInteger(size)) {
    return malformed(name, "expected BDAT size or BDAT size LAST");
  }
  return { verb: "BDAT", size, last: match[2] !== undefined };
}

/** RFC 4954 §4; the name of a mechanism by RFC 4422 §3.1. */
function readAuth(argument: string, name: string): Command {
  const match = /^([A-Za-z0-9_-]{1,20})(?: +([!-~]+))?$/.exec(argument);
  if (match === null) {
    return malformed(name, "expected AUTH mechanism and, if any, an initial response");
  }
  const [, mechanism = "", response] = match;
  return {
    verb: "AUTH",
    mechanism: mechanism.toUpperCase(),
    initialResponse: response === undefined ? null : response === "=" ? "" : response,
  };
}

function readEtrn(domain: string, name: string): Command {
  const sound = domain.startsWith("#")
    ? /^#[!-~]+$/.test(domain)
    : parseDomain(domain.replace(/^@/, "")) !== null;
  return sound ? { verb: "ETRN", domain } : malformed(name, "expected ETRN domain");
}

/** The verb in upper case; empty where the line does not begin with a word. */
function verbOf(word: Uint8Array): string {
  const text = decodeStrict(word.subarray(0, 64))?.replace(/\t+$/, "") ?? "";
  return /^[A-Za-z][A-Za-z0-9-]{0,31}$/.test(text) ? text.toUpperCase() : "";
}

/** Without the white space at the end. (A regular expression would take quadratic time.) */
function trimEnd(text: string): string {
  let end = text.length;
  while (text[end - 1] === " " || text[end - 1] === "\t") end--;
  return text.slice(0, end);
}

function unrecognized(name: string, line: Uint8Array): Command {
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
