/**
 * What a document and its translation have in common: headings, the order of paragraphs, lists and tables,
 * commands, inline code, links, and names such as STARTTLS. What can be compared without knowing
 * the language is brought into one form here; whether the words are right, only a reader can say.
 *
 * Reads Markdown as `deno fmt` writes it, and no more of that than our documents use: headings with `#`,
 * fences of backquotes, items with `-` or a number, tables with `|` at both ends.
 *
 * @module
 */

/** A part of a document, from a heading to the next one. */
export interface Section {
  /** 1 for `#`. */
  readonly level: number;
  /** `paragraph`, `item`, `5 rows of 4`, or the code of a fence with its language and without its comments. */
  readonly blocks: readonly string[];
  /** Inline code, each once, sorted. */
  readonly code: readonly string[];
  /** Where links lead, each once, sorted; `#3` is the fourth heading of this document. */
  readonly links: readonly string[];
  /** Words in capitals outside of code, each once, sorted: they are the same in every language. */
  readonly names: readonly string[];
}

interface Part {
  readonly heading: string;
  readonly lines: string[];
}

const FENCE = /^ *```/;

/** The sections of a document. A link to a translation counts as one to the original. */
export function outlineOf(markdown: string): Section[] {
  const parts = partsOf(markdown.replaceAll(".zh-CN.md", ".md"));
  const anchors = parts.map(({ heading }) => anchorOf(heading));
  return parts.map(({ heading, lines }) => {
    const { blocks, prose } = blocksOf(lines);
    const text = `${heading}\n\n${prose}`;
    const plain = text.replaceAll(/`[^`]+`/g, "");
    return {
      level: /^#*/.exec(heading)![0].length,
      blocks,
      code: sortedSet(matchesOf(text, /`([^`]+)`/g).map((code) => code.replaceAll(/\s+/g, " "))),
      links: sortedSet(matchesOf(plain, /\]\(([^)]+)\)/g).map((link) => targetOf(link, anchors))),
      names: sortedSet(matchesOf(plain.replaceAll(/\]\([^)]+\)/g, ""), /([A-Z]{2,}\d*)/g)),
    };
  });
}

/** The lines outside of fences, as one text. */
export function proseOf(markdown: string): string {
  return partsOf(markdown)
    .map(({ heading, lines }) => `${heading}\n\n${blocksOf(lines).prose}`)
    .join("\n");
}

function partsOf(markdown: string): Part[] {
  const parts: Part[] = [];
  let fenced = false;
  for (const line of markdown.split("\n")) {
    if (FENCE.test(line)) fenced = !fenced;
    if (!fenced && /^#+ /.test(line)) parts.push({ heading: line, lines: [] });
    else parts.at(-1)?.lines.push(line);
  }
  return parts;
}

function blocksOf(lines: readonly string[]): { blocks: string[]; prose: string } {
  const blocks: string[] = [];
  const prose: string[] = [];
  let rows = 0;
  let fence: string[] | undefined;
  let open = false; // a paragraph or item that the next line may go on
  for (const line of lines) {
    if (FENCE.test(line)) {
      if (fence) blocks.push(fence.join("\n"));
      fence = fence ? undefined : [line.trim()];
      open = false;
    } else if (fence) {
      const code = withoutComment(line, fence[0]!);
      if (code !== undefined) fence.push(code);
    } else {
      prose.push(line);
      const row = line.startsWith("|");
      const item = /^ *(-|\d+\.) /.test(line);
      if (row) rows++;
      if (row && rows > 1) blocks.pop();
      if (row) blocks.push(`${rows} rows of ${cellsOf(line)}`);
      else if (item) blocks.push("item");
      else if (line.trim() !== "" && !open) blocks.push("paragraph");
      if (!row) rows = 0;
      open = !row && line.trim() !== "";
    }
  }
  return { blocks, prose: prose.join("\n") };
}

function cellsOf(row: string): number {
  return row.replaceAll(/`[^`]+`/g, "").split("|").length - 2;
}

/** The line, or undefined where it is nothing but a comment. */
function withoutComment(line: string, fence: string): string | undefined {
  const mark = /^```ts\b/.test(fence) ? "//" : "#";
  const code = line.replace(new RegExp(`(^|\\s)\\s*${mark}\\s.*$`), "").trimEnd();
  return code === "" && line.trim() !== "" ? undefined : code.trim();
}

/** As GitHub names the anchor of a heading. */
function anchorOf(heading: string): string {
  const text = heading.replace(/^#+ /, "").toLowerCase();
  return `#${text.replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")}`;
}

function targetOf(link: string, anchors: readonly string[]): string {
  if (!link.startsWith("#")) return link;
  const index = anchors.indexOf(link);
  return index < 0 ? `${link}, which is no heading` : `#${index}`;
}

function matchesOf(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, match]) => match!);
}

function sortedSet(values: readonly string[]): string[] {
  return [...new Set(values)].toSorted();
}
