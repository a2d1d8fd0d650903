/**
 * The command line of sendmail, as forty years of programs write it: single letters, combined or not, values
 * attached or after a space, `--` or the first name ends them. Flags that change nothing here are understood and
 * dropped; what this cannot do is refused with a word, and what nobody knows is an error.
 *
 * Pure. The long flags of `yizhan send` (`--config`, `--drop`, `--socket`, `--help`) are taken anywhere before
 * the names.
 *
 * @module
 */

import type { DsnNotify } from "../smtp/parameters.ts";
import { UsageError } from "./exit.ts";
import { hintNearestName } from "../config/nearest_name.ts";

/** What is to be done. */
export type SendmailMode =
  /** Read a message and leave it (`-bm`, or nothing). */
  | "deliver"
  /** Speak SMTP on standard input and output (`-bs`). */
  | "smtp"
  /** Print the queue (`-bp`, `mailq`). */
  | "list"
  /** Try the queue now (`-q`). */
  | "retry"
  /** Nothing: there is no alias database to be made (`-bi`, `newaliases`). */
  | "nothing";

/** Which mail of the queue is tried. */
export interface RetryChoice {
  readonly id?: string;
  readonly to?: string;
  readonly from?: string;
}

/** A command line that was understood. */
export interface SendmailRequest {
  readonly mode: SendmailMode;
  /** Recipients are also in the message (`-t`). */
  readonly fromHead: boolean;
  /** A dot alone on a line does not end the message (`-i`, `-oi`). */
  readonly ignoreDots: boolean;
  /** The reverse-path as given (`-f`, `-r`); `""` for none; absent: that of the user. */
  readonly sender?: string;
  /** The user's full name (`-F`). */
  readonly fullName?: string;
  /** RFC 3461 (`-N`, `-R`, `-V`). */
  readonly notify?: readonly DsnNotify[];
  readonly dsnReturn?: "FULL" | "HDRS";
  readonly dsnEnvelopeId?: string;
  readonly choice: RetryChoice;
  /** Recipients, as they stand on the command line. */
  readonly recipients: readonly string[];
  /** The long flags, by name. */
  readonly long: ReadonlyMap<string, string>;
}

/** Letters that want a value, attached or as the next word. */
const VALUED = "ABCDFLNORVXbefhopr";

/** Letters that stand alone and change nothing here. */
const IDLE = "GUcmnvx";

/** Long flags with a value; `help` has none. */
const LONG = ["config", "drop", "socket"];

/** Modes we know and do not have. */
const REFUSED_MODES: Readonly<Record<string, string>> = {
  d: "-bd: this is no daemon; start the server with yizhan serve",
  D: "-bD: this is no daemon; start the server with yizhan serve",
  l: "-bl: this is no daemon; start the server with yizhan serve",
  t: "-bt: there is no address test mode; use yizhan explain ADDRESS",
  v: "-bv: addresses are not verified here; use yizhan explain ADDRESS",
  h: "-bh: there is no host status; see yizhan queue list",
  H: "-bH: there is no host status; see yizhan queue list",
};

/**
 * Reads a command line.
 *
 * @throws {UsageError} for what is not known or cannot be done.
 *
 * @example
 * ```ts
 * import { parseSendmailFlags } from "./sendmail_flags.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const request = parseSendmailFlags(["-t", "-oi", "-oem", "-fbounces@example.org"]);
 * assertEquals([request.fromHead, request.ignoreDots], [true, true]);
 * assertEquals(request.sender, "bounces@example.org");
 * ```
 */
export function parseSendmailFlags(words: readonly string[]): SendmailRequest {
  const reader = new FlagReader(words);
  reader.read();
  return reader.request();
}

class FlagReader {
  readonly #words: readonly string[];
  #at = 0;
  #request: { -readonly [K in keyof SendmailRequest]: SendmailRequest[K] };
  readonly #long = new Map<string, string>();

  constructor(words: readonly string[]) {
    this.#words = words;
    this.#request = {
      mode: "deliver",
      fromHead: false,
      ignoreDots: false,
      choice: {},
      recipients: [],
      long: this.#long,
    };
  }

  request(): SendmailRequest {
    return this.#request;
  }

  read(): void {
    while (this.#at < this.#words.length) {
      const word = this.#words[this.#at]!;
      if (!word.startsWith("-") || word === "-") break;
      this.#at++;
      if (word === "--") break;
      if (word.startsWith("--")) this.#readLong(word.slice(2));
      else this.#readLetters(word);
    }
    this.#request.recipients = this.#words.slice(this.#at);
  }

  #readLong(text: string): void {
    const equals = text.indexOf("=");
    const name = equals < 0 ? text : text.slice(0, equals);
    if (name === "help" && equals < 0) {
      this.#long.set(name, "");
      return;
    }
    if (!LONG.includes(name)) {
      const names = [...LONG, "help"].map((one) => `--${one}`);
      throw new UsageError(`there is no flag --${name}${hintNearestName(`--${name}`, names)}`);
    }
    const value = equals < 0 ? this.#words[this.#at++] : text.slice(equals + 1);
    if (value === undefined || value === "") throw new UsageError(`--${name} wants a value`);
    this.#long.set(name, value);
  }

  /** One word of letters, such as `-ti` or `-fme@example.org`. */
  #readLetters(word: string): void {
    for (let at = 1; at < word.length; at++) {
      const letter = word[at]!;
      // These have a value or none: what is attached is theirs.
      if (letter === "q") return this.#readQueue(word.slice(at + 1));
      if (letter === "d") return;
      if (!VALUED.includes(letter)) {
        this.#readSwitch(letter, word);
        continue;
      }
      const attached = word.slice(at + 1);
      const value = attached === "" ? this.#words[this.#at++] : attached;
      if (value === undefined) throw new UsageError(`-${letter} wants a value`);
      return this.#readValue(letter, value);
    }
  }

  #readSwitch(letter: string, word: string): void {
    if (letter === "t") this.#request.fromHead = true;
    else if (letter === "i") this.#request.ignoreDots = true;
    else if (letter === "I") this.#request.mode = "nothing";
    else if (letter === "s") throw new UsageError("-s: wanted -bs for SMTP on standard input");
    else if (!IDLE.includes(letter)) {
      const where = word.length > 2 ? ` in ${word}` : "";
      throw new UsageError(`there is no flag -${letter}${where}`);
    }
  }

  #readValue(letter: string, value: string): void {
    switch (letter) {
      case "f":
      case "r":
        this.#request.sender = value.replace(/^<(.*)>$/, "$1").trim();
        return;
      case "F":
        this.#request.fullName = value;
        return;
      case "b":
        return this.#readMode(value);
      case "o":
        if (/^i\b/.test(value)) this.#request.ignoreDots = true;
        return;
      case "O":
        if (/^IgnoreDots(?:=(?:true|yes|1))?$/i.test(value)) this.#request.ignoreDots = true;
        return;
      case "B":
        if (/^(?:7BIT|8BITMIME)$/i.test(value)) return; // seen by itself where it matters
        throw new UsageError(`-B ${value}: wanted 7BIT or 8BITMIME`);
      case "N":
        this.#request.notify = readNotify(value);
        return;
      case "R":
        this.#request.dsnReturn = readReturn(value);
        return;
      case "V":
        if (!/^[ -~]{1,100}$/.test(value)) {
          throw new UsageError("-V wants printable ASCII, at most 100 characters");
        }
        this.#request.dsnEnvelopeId = value;
        return;
    }
  }

  #readMode(letter: string): void {
    const refusal = REFUSED_MODES[letter];
    if (refusal !== undefined) throw new UsageError(refusal);
    const mode = ({ m: "deliver", s: "smtp", p: "list", i: "nothing" } as const)[letter];
    if (mode === undefined) throw new UsageError(`-b${letter}: wanted -bm, -bs, -bp or -bi`);
    this.#request.mode = mode;
  }

  /** `-q`, `-qf`, `-qI…`, `-qR…`, `-qS…`; an interval asks for a daemon. */
  #readQueue(text: string): void {
    if (/^[1-9]/.test(text)) {
      throw new UsageError(`-q${text}: this is no daemon; the server tries mail again by itself`);
    }
    const names = { I: "id", R: "to", S: "from" } as const;
    const name = names[text[0] as keyof typeof names];
    if (name === undefined && !/^f*$/.test(text)) {
      throw new UsageError(`-q${text}: wanted -q, -qIID, -qRRECIPIENT or -qSSENDER`);
    }
    const value = text.slice(1).replace(/^@/, "");
    if (name !== undefined && value === "") throw new UsageError(`-q${text} wants a value`);
    this.#request.mode = "retry";
    if (name !== undefined) this.#request.choice = { [name]: value };
  }
}

function readNotify(value: string): readonly DsnNotify[] {
  const words = value.toUpperCase().split(",").map((word) => word.trim());
  const known = words.every((word) => ["NEVER", "SUCCESS", "FAILURE", "DELAY"].includes(word));
  const sound = known && new Set(words).size === words.length &&
    (!words.includes("NEVER") || words.length === 1);
  if (sound) return words as DsnNotify[];
  throw new UsageError(`-N ${value}: wanted never, or some of success, delay, failure`);
}

function readReturn(value: string): "FULL" | "HDRS" {
  const text = value.toUpperCase();
  if (text === "FULL" || text === "HDRS") return text;
  throw new UsageError(`-R ${value}: wanted full or hdrs`);
}
