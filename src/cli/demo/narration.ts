/**
 * The demonstration as text: headings, what is said by whom, and the summary. Pure: values in, lines out,
 * fitted to the terminal, with colour or without.
 *
 * @module
 */

import { cutText, formatVisible } from "../../observe/visible_text.ts";
import type { TlsInfo } from "../../runtime/tls.ts";
import type { SpokenLine } from "./conversation.ts";
import type { AnsweredQuestion } from "./name_server.ts";

/** How it looks. */
export interface Look {
  /** Columns; `Infinity` where nothing is cut or wrapped. */
  readonly width: number;
  /** Whether to use ANSI colours. */
  readonly colour: boolean;
}

/** Something that should have happened, and whether it did. */
export interface Check {
  readonly what: string;
  readonly ok: boolean;
}

/** Columns of who speaks to whom. */
const SPEAKERS = 9;

/** Narrower than this nothing is made: the terminal will wrap it. */
const NARROWEST = 30;

/** Wider than this no sentence is made: it would be hard to read. */
const WIDEST = 92;

/** Turns what happens into lines. */
export class Narration {
  readonly #width: number;
  readonly #paint: (style: Style, text: string) => string;

  /** @param look of the terminal. */
  constructor({ width, colour }: Look) {
    this.#width = Math.max(width, NARROWEST);
    this.#paint = colour
      ? (style, text) => `\x1b[${STYLES[style]}m${text}\x1b[0m`
      : (_, text) => text;
  }

  /** A chapter begins. */
  heading(text: string): string {
    const room = Math.min(this.#width, WIDEST);
    const line = `━━ ${text} `;
    return `\n${
      this.#paint("heading", cutText(line.padEnd(room, "━"), Math.max(room, line.length)))
    }`;
  }

  /** What is going on, in sentences. */
  tell(text: string): string {
    return wrap(text, Math.min(this.#width, WIDEST)).join("\n");
  }

  /**
   * A line of a conversation, cut to the terminal, or a reply, wrapped. The bar is double where TLS hides it from everybody else.
   *
   * @example
   * ```ts
   * import { Narration } from "./narration.ts";
   * import { assertEquals } from "@std/assert";
   *
   * const narration = new Narration({ width: 80, colour: false });
   * const line = { from: "A", to: "B", kind: "command", text: "QUIT", secret: true } as const;
   * assertEquals(narration.speech(line), "    A → B ║ QUIT");
   * ```
   */
  speech({ from, to, kind, text, secret }: SpokenLine): string {
    // The client stands on the left in both directions.
    const speakers = kind === "reply" ? `${to} ← ${from}` : `${from} → ${to}`;
    const room = this.#width - SPEAKERS - 3;
    const rows = kind === "reply" ? wrap(text, Math.min(room, WIDEST)) : [text];
    return rows.map((row) => this.#row(speakers, secret ? "║" : "│", row, kind)).join("\n");
  }

  /** Two have agreed on TLS. */
  tls(client: string, server: string, { protocol, cipher }: TlsInfo): string {
    return this.#row(`${client} ⇄ ${server}`, "║", `TLS begins: ${protocol}, ${cipher}`, "tls");
  }

  /** Somebody asked for a name. */
  question(asker: string, { name, type, answers }: AnsweredQuestion): string {
    const said = answers.length === 0 ? "nothing" : answers.join(", ");
    return this.#row(`${asker} ? DNS`, "│", `${type} of ${name}: ${said}`, "dns");
  }

  /** Something happened inside a station. */
  event(station: string, text: string, good: boolean): string {
    return this.#row(station, "•", text, good ? "good" : "trouble");
  }

  /** Text from a mail, set apart. */
  quote(text: string): string {
    return text.trimEnd().split(/\r?\n/).map((line) => {
      const shown = formatVisible(line, 1000);
      return `  ${this.#paint("dim", "┊")} ${cutText(shown, this.#width - 4)}`;
    }).join("\n");
  }

  /** Whether what should have happened did. */
  check({ what, ok }: Check): string {
    const [first = "", ...rest] = wrap(what, Math.min(this.#width, WIDEST) - 4);
    const mark = ok ? this.#paint("good", "✓") : this.#paint("bad", "✗");
    const start = ok ? first : this.#paint("bad", first);
    return [`  ${mark} ${start}`, ...rest.map((line) => `    ${line}`)].join("\n");
  }

  #row(speakers: string, bar: string, text: string, style: Style): string {
    const left = speakers.padStart(SPEAKERS);
    const room = this.#width - left.length - 3;
    const said = cutText(formatVisible(text.replaceAll("\t", "    "), 2000), room);
    return `${this.#paint("dim", `${left} ${bar}`)} ${this.#paint(style, said)}`.trimEnd();
  }
}

/** Words in lines of at most so many columns; a word that is longer has its own. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

type Style = keyof typeof STYLES;

/** As the parameters of SGR. */
const STYLES = {
  heading: "1;36",
  command: "36",
  reply: "33",
  message: "2",
  tls: "1;32",
  dns: "35",
  good: "32",
  trouble: "33",
  bad: "31",
  dim: "2",
} as const;
