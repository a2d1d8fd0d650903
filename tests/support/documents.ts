/**
 * The documents of the project, as what can be checked in them: fenced blocks, links, code in the text.
 *
 * @module
 */

/** Where the sources are, with a slash at the end. */
export const ROOT: string = new URL("../../", import.meta.url).pathname;

/** One document. */
export interface Document {
  /** From the root of the sources: `docs/setup.md`. */
  readonly path: string;
  readonly text: string;
}

/** A fenced block. */
export interface Block {
  /** What stands behind the fence: `sh`, `sh no-run`, `yaml`, or nothing. */
  readonly info: string;
  readonly text: string;
}

/** Folders with documents. */
const FOLDERS = ["", "docs/", "examples/monitoring/", "bench/", "tests/dialogues/"];

/** All documents. */
export async function readDocuments(): Promise<Document[]> {
  const documents: Document[] = [];
  for (const folder of FOLDERS) {
    for await (const { name } of Deno.readDir(ROOT + folder)) {
      if (name.endsWith(".md")) documents.push(await readDocument(folder + name));
    }
  }
  return documents.toSorted((a, b) => a.path < b.path ? -1 : 1);
}

/** The document at a path from the root. */
export async function readDocument(path: string): Promise<Document> {
  return { path, text: await Deno.readTextFile(ROOT + path) };
}

/** Its fenced blocks, those in lists without the indentation. */
export function blocksOf({ text }: Document): Block[] {
  const fenced = text.matchAll(/^( *)```(.*)\n([^]*?)^ *```$/gm);
  return Array.from(fenced, ([, indent = "", info = "", inner = ""]) => ({
    info: info.trim(),
    text: inner.split("\n").map((line) =>
      line.startsWith(indent) ? line.slice(indent.length) : line
    )
      .join("\n"),
  }));
}

/** Its text without fenced blocks. */
export function proseOf({ text }: Document): string {
  return text.replaceAll(/^ *```.*\n[^]*?^ *```$/gm, "");
}

/** Code in the text, in one line each. */
export function inlineCodeOf(document: Document): string[] {
  const code = proseOf(document).matchAll(/`([^`]+)`/g);
  return Array.from(code, ([, inner = ""]) => inner.replaceAll(/\s+/g, " "));
}

/** Where its links lead. */
export function linksOf(document: Document): string[] {
  const links = proseOf(document).matchAll(/\]\(([^)\s]+)\)/g);
  return Array.from(links, ([, target = ""]) => target);
}

/** The anchors of its headings, as the usual hosts of repositories make them. */
export function anchorsOf(document: Document): string[] {
  const headings = proseOf(document).matchAll(/^#+ (.*)$/gm);
  return Array.from(
    headings,
    ([, heading = ""]) =>
      heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, "").replaceAll(" ", "-"),
  );
}
