/**
 * Manual pages as man(7) source: a page is built line by line, and all text is escaped, so that none of it is
 * taken for a request of roff. Pure; understood by groff and mandoc alike.
 *
 * @module
 */

/** What stands in the title of a page. */
export interface PageTitle {
  /** Such as `yizhan-serve`. */
  readonly name: string;
  readonly section: 1 | 5;
  /** ISO 8601. */
  readonly date: string;
  /** Such as `Yizhan 0.1.0`. */
  readonly source: string;
  /** What it is, in a line. */
  readonly summary: string;
}

/**
 * A page under construction.
 *
 * @example
 * ```ts
 * import { ManPage } from "./roff.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const title = { name: "x", section: 1, date: "2026-01-01", source: "X 1", summary: "does" } as const;
 * const page = new ManPage(title).section("Flags").item([{ bold: "-v" }], ".quietly");
 * assertEquals(page.text.split("\n").slice(3), [
 *   ".SH FLAGS",
 *   ".TP",
 *   "\\fB\\-v\\fR",
 *   "\\&.quietly",
 *   "",
 * ]);
 * ```
 */
export class ManPage {
  readonly #lines: string[];

  /** Begins with title and name. */
  constructor({ name, section, date, source, summary }: PageTitle) {
    this.#lines = [
      `.TH ${argument(name.toUpperCase())} ${section} ${date} ${argument(source)}`,
      ".SH NAME",
      `${escapeRoff(name)} \\- ${escapeRoff(summary)}`,
    ];
  }

  /** A heading. */
  section(title: string): this {
    this.#lines.push(`.SH ${escapeRoff(title.toUpperCase())}`);
    return this;
  }

  /** A paragraph, its flags in bold. */
  paragraph(text: string): this {
    this.#beginParagraph();
    this.#lines.push(formatProse(text));
    return this;
  }

  /** A term and what is said of it. */
  item(term: readonly Span[], text: string): this {
    this.#lines.push(".TP", guard(formatSpans(term)), formatProse(text));
    return this;
  }

  /** A command line of the synopsis or the like. */
  line(spans: readonly Span[]): this {
    this.#lines.push(guard(formatSpans(spans)));
    return this;
  }

  /** Lines as they are typed. */
  example(lines: readonly string[]): this {
    this.#beginParagraph();
    this.#lines.push(".nf", ".RS 4", ...lines.map((line) => guard(escapeRoff(line))), ".RE", ".fi");
    return this;
  }

  /** A heading has one below it already. */
  #beginParagraph(): void {
    if (!this.#lines.at(-1)!.startsWith(".SH")) this.#lines.push(".PP");
  }

  /** The whole page. */
  get text(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}

/** A piece of a line: plain, in bold (as typed), or in italics (to be replaced). */
export type Span = string | { readonly bold: string } | { readonly italic: string };

function formatSpans(spans: readonly Span[]): string {
  return spans.map((span) => {
    if (typeof span === "string") return escapeRoff(span);
    return "bold" in span
      ? `\\fB${escapeRoff(span.bold)}\\fR`
      : `\\fI${escapeRoff(span.italic)}\\fR`;
  }).join("");
}

/** Flags are set off. */
function formatProse(text: string): string {
  const pieces = text.split(/((?<![\w-])--?[A-Za-z][\w-]*)/);
  return guard(formatSpans(pieces.map((piece, at) => at % 2 === 0 ? piece : { bold: piece })));
}

/** A line that begins with a dot or an apostrophe would be a request. */
function guard(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

/** An argument of a macro. */
function argument(text: string): string {
  return `"${escapeRoff(text).replaceAll('"', "\\(dq")}"`;
}

/**
 * Text in which no character means something to roff. A `-` is one that is typed, and the ASCII quotes, caret and
 * tilde stay what they are where a typesetter would have others.
 */
export function escapeRoff(text: string): string {
  return text.replace(/[\\\-'`^~]|[^\x20-\x7e]/gu, (character) => {
    const known = ESCAPES[character];
    if (known !== undefined) return known;
    const code = character.codePointAt(0)!;
    if (code < 0x20 || code === 0x7f) return " ";
    return `\\[u${code.toString(16).toUpperCase().padStart(4, "0")}]`;
  });
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\(rs",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};
