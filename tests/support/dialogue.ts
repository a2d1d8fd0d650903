/**
 * Dialogues: what a client says and what it must be told, in files a person can read
 * (`tests/dialogues/`; its README has the format). One file runs over anything that carries octets:
 * a bare session, the memory network, TCP.
 *
 * @module
 */

/** One step of a dialogue. `line` is where it stands in its file, from 1. */
export type Step =
  /** One write of the client. */
  | { readonly type: "send"; readonly line: number; readonly bytes: Uint8Array }
  /** One reply line, CRLF excluded. */
  | { readonly type: "expect"; readonly line: number; readonly pattern: string }
  /** One whole reply that has, and has not, certain lines, in any order. */
  | {
    readonly type: "expect-among";
    readonly line: number;
    readonly has: readonly string[];
    readonly hasNot: readonly string[];
  }
  /** The server closes. */
  | { readonly type: "expect-close"; readonly line: number }
  /** The client starts its side of TLS. */
  | { readonly type: "starttls"; readonly line: number }
  /** The client goes away. */
  | { readonly type: "close"; readonly line: number };

/** What carries a dialogue. */
export interface DialogueTransport {
  /** One write. */
  send(bytes: Uint8Array): Promise<void>;
  /** What the server says next, at least one octet; `null` when it has closed. */
  receive(): Promise<Uint8Array | null>;
  /** Secures the connection as its client. Without it a dialogue with `<starttls>` fails. */
  startTls?(): Promise<void>;
  /** Ends the client's side. Without it `<close>` only ends the dialogue. */
  close?(): Promise<void>;
}

/** The set-up a dialogue asks for in its head. */
export interface DialogueSetup {
  /** `mx`, `submission`, `submissions` or `lmtp`. */
  readonly listener: string;
  /** The server's own name. */
  readonly hostname: string;
  /** Domains that are local. */
  readonly domains: readonly string[];
  /** Addresses that have a mailbox; those of the users come on top. */
  readonly mailboxes: readonly string[];
  /** Accounts; the name is an address. */
  readonly users: readonly { readonly name: string; readonly password: string }[];
  /** Keywords as in the answer to EHLO, in lower case, to switch on, or off where `-` leads. */
  readonly extensions: readonly string[];
  /** The greatest message in octets. */
  readonly size?: number;
  /** What the dialogue comes from, such as `RFC 5321 §D.1`. */
  readonly source: string;
}

/** A dialogue that did not go as written. The message has the line, what was due and what came. */
export class DialogueError extends Error {
  /** The line of the file. */
  readonly line: number;

  /** @param line of the file, from 1. @param message what was due and what came. */
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = "DialogueError";
    this.line = line;
  }
}

/**
 * Reads the steps of a dialogue.
 *
 * @throws {DialogueError} on a line that says nothing known.
 *
 * @example
 * ```ts
 * import { parseDialogue } from "./dialogue.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = parseDialogue("S: 220 *\nC: EHLO bar.com\nS~ 250 SIZE *\n");
 * assertEquals(steps.map(({ type }) => type), ["expect", "send", "expect-among"]);
 * ```
 */
export function parseDialogue(text: string): Step[] {
  const steps: Step[] = [];
  text.split("\n").forEach((whole, index) => {
    const line = index + 1;
    if (whole === "" || whole.startsWith("#")) return;
    const [, mark = "", rest] = /^([CS][:|>~!])(?: (.*))?$/.exec(whole) ?? [];
    const last = steps.at(-1);
    const add = (step: Step, joined: boolean) => {
      if (joined) steps[steps.length - 1] = step;
      else steps.push(step);
    };
    switch (mark) {
      case "C:":
      case "C|":
      case "C>": {
        const action = mark === "C:" ? actionOf(rest) : undefined;
        if (action !== undefined) return add({ type: action, line }, false);
        const bytes = readOctets(line, mark === "C>" ? rest ?? "" : `${rest ?? ""}\\r\\n`);
        if (mark === "C:" || last?.type !== "send") {
          return add({ type: "send", line, bytes }, false);
        }
        return add({ ...last, bytes: Uint8Array.of(...last.bytes, ...bytes) }, true);
      }
      case "S:":
        if (rest === "<close>") return add({ type: "expect-close", line }, false);
        return add({ type: "expect", line, pattern: rest ?? "" }, false);
      case "S~":
      case "S!": {
        const joined = last?.type === "expect-among";
        const before = joined ? last : { type: "expect-among" as const, line, has: [], hasNot: [] };
        const list = mark === "S~" ? "has" : "hasNot";
        return add({ ...before, [list]: [...before[list], rest ?? ""] }, joined);
      }
      default:
        throw new DialogueError(line, `neither "C: " nor "S: " nor a comment: ${whole}`);
    }
  });
  return steps;
}

function actionOf(text: string | undefined): "starttls" | "close" | undefined {
  return text === "<starttls>" ? "starttls" : text === "<close>" ? "close" : undefined;
}

/**
 * Reads the head of a dialogue: the comment lines `# key: value` before the first empty line.
 *
 * @throws {DialogueError} on a key that is not known, and when `listener` or `source` is missing.
 */
export function parseDialogueSetup(text: string): DialogueSetup {
  const setup = {
    listener: "",
    hostname: "foo.com",
    domains: [] as string[],
    mailboxes: [] as string[],
    users: [] as { name: string; password: string }[],
    extensions: [] as string[],
    size: undefined as number | undefined,
    source: "",
  };
  const lines = text.split("\n");
  const end = lines.indexOf("");
  lines.slice(0, end < 0 ? lines.length : end).forEach((whole, index) => {
    const [, key = "", value = ""] = /^# (\w+): (.+)$/.exec(whole) ?? [];
    const words = value.split(" ");
    if (key === "domains" || key === "mailboxes" || key === "extensions") {
      setup[key].push(...words);
    } else if (key === "listener" || key === "hostname" || key === "source") {
      setup[key] = value;
    } else if (key === "size") {
      setup.size = Number(value);
    } else if (key === "user") {
      setup.users.push({ name: words[0] ?? "", password: words.slice(1).join(" ") });
    } else {
      throw new DialogueError(index + 1, `no setting of a dialogue: ${whole}`);
    }
  });
  if (!LISTENERS.includes(setup.listener)) throw new DialogueError(1, "no listener is named");
  if (setup.source === "") throw new DialogueError(1, "no source is named");
  return setup;
}

const LISTENERS = ["mx", "submission", "submissions", "lmtp"];

/**
 * Runs a dialogue. What the server says beyond what is written fails it, as does what it does not say.
 *
 * @throws {DialogueError} at the first step that does not go as written.
 */
export async function runDialogue(
  steps: readonly Step[],
  transport: DialogueTransport,
): Promise<void> {
  const replies = new ReplyReader(transport);
  for (const step of steps) {
    switch (step.type) {
      case "send":
        replies.expectNothing(step.line);
        await transport.send(step.bytes.slice());
        break;
      case "expect": {
        const got = await replies.line(step.line, step.pattern);
        if (!matches(got, step.pattern)) {
          throw new DialogueError(step.line, `expected ${step.pattern}\n  but came ${got}`);
        }
        break;
      }
      case "expect-among":
        checkAmong(step, await replies.reply(step.line));
        break;
      case "expect-close":
        await replies.close(step.line);
        break;
      case "starttls":
        replies.expectNothing(step.line);
        if (transport.startTls === undefined) {
          throw new DialogueError(step.line, "this transport has no TLS");
        }
        await transport.startTls();
        break;
      case "close":
        await transport.close?.();
        return;
    }
  }
  replies.expectNothing(steps.at(-1)?.line ?? 1);
}

function checkAmong(
  step: {
    readonly line: number;
    readonly has: readonly string[];
    readonly hasNot: readonly string[];
  },
  reply: readonly string[],
): void {
  const lines = reply.map((line) => line.replace(/^(\d{3})-/, "$1 "));
  const lack = step.has.find((pattern) => !lines.some((line) => matches(line, pattern)));
  const excess = step.hasNot.find((pattern) => lines.some((line) => matches(line, pattern)));
  const said = reply.join("\n           ");
  if (lack !== undefined) throw new DialogueError(step.line, `no line ${lack}\n  among    ${said}`);
  if (excess !== undefined) {
    throw new DialogueError(step.line, `a line ${excess}\n  among    ${said}`);
  }
}

/** Cuts what the server says into lines. */
class ReplyReader {
  readonly #transport: DialogueTransport;
  #pending = "";

  constructor(transport: DialogueTransport) {
    this.#transport = transport;
  }

  async line(at: number, expected: string): Promise<string> {
    for (;;) {
      const end = this.#pending.indexOf("\r\n");
      if (end >= 0) {
        const line = this.#pending.slice(0, end);
        this.#pending = this.#pending.slice(end + 2);
        return line;
      }
      const bytes = await this.#transport.receive();
      if (bytes === null) {
        throw new DialogueError(at, `expected ${expected}\n  but the server closed`);
      }
      this.#pending += toLatin1(bytes);
    }
  }

  async reply(at: number): Promise<string[]> {
    const lines: string[] = [];
    do lines.push(await this.line(at, "a reply")); while (/^\d{3}-/.test(lines.at(-1) ?? ""));
    return lines;
  }

  async close(at: number): Promise<void> {
    this.expectNothing(at);
    const bytes = await this.#transport.receive();
    if (bytes !== null) {
      throw new DialogueError(at, `expected the end\n  but came ${toLatin1(bytes).trimEnd()}`);
    }
  }

  expectNothing(at: number): void {
    if (this.#pending === "") return;
    throw new DialogueError(at, `nothing more was due\n  but came ${this.#pending.trimEnd()}`);
  }
}

/** `*` stands for any text, none included, and `\*` for itself. All else is taken as written. */
function matches(line: string, pattern: string): boolean {
  const source = pattern.split(/(\\\*|\*)/).map((part) => {
    if (part === "*") return "[^]*";
    return (part === "\\*" ? "*" : toLatin1(encoder.encode(part))).replace(
      /[.*+?^${}()|[\]\\]/g,
      "\\$&",
    );
  }).join("");
  return new RegExp(`^${source}$`).test(line);
}

const encoder = new TextEncoder();

/** Octets as text, one character an octet, so that nothing is lost. */
function toLatin1(bytes: Uint8Array): string {
  let text = "";
  for (const octet of bytes) text += String.fromCharCode(octet);
  return text;
}

/** UTF-8 with the escapes `\r`, `\n`, `\t`, `\xHH` and `\\`. */
function readOctets(line: number, text: string): Uint8Array {
  const octets: number[] = [];
  const parts = /\\x([0-9a-fA-F]{2})|\\([rnt\\])|([^\\]+)|(\\)/g;
  for (const [, hex, letter, plain] of text.matchAll(parts)) {
    if (hex !== undefined) octets.push(parseInt(hex, 16));
    else if (letter !== undefined) octets.push(ESCAPES[letter] ?? 0);
    else if (plain !== undefined) octets.push(...encoder.encode(plain));
    else throw new DialogueError(line, "a backslash that escapes nothing; write \\\\");
  }
  return Uint8Array.from(octets);
}

const ESCAPES: Readonly<Record<string, number>> = { r: 13, n: 10, t: 9, "\\": 92 };
