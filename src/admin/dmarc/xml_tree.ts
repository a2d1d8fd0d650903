/**
 * XML of strangers, read into trees, one for each child of the root, so that a report of any length takes the memory of
 * one record. The reader (`npm:saxes`, named here only) is a streaming one that expands no entities but XML's own five;
 * document types are refused altogether, and depth, elements and texts are bounded.
 *
 * What fails: {@link XmlFault} for what is no XML, or is not to be read.
 *
 * @module
 */

import { SaxesParser } from "npm:saxes@6.0.0";

/** An element. Names are without their prefix; attributes are of no use here. */
export interface XmlElement {
  readonly name: string;
  /** The text directly in it, without white space around it. */
  text: string;
  readonly children: XmlElement[];
}

/** Why XML cannot be read, in words. */
export class XmlFault extends Error {
  override readonly name = "XmlFault";
}

/** Elements within elements, elements of one child of the root, attributes of one, and characters of a text. */
const MAX_DEPTH = 20;
const MAX_ELEMENTS = 10_000;
const MAX_ATTRIBUTES = 100;
const MAX_TEXT = 4096;
/** Octets that are decoded at once. */
const CHUNK = 64 * 1024;

/**
 * Reads a document.
 *
 * @param onChild is told of each child of the root, in order; what it throws goes through.
 * @returns the name of the root.
 * @throws {XmlFault} where it is none.
 */
export function readXml(octets: Uint8Array, onChild: (child: XmlElement) => void): string {
  const parser = new SaxesParser({ xmlns: false, position: true });
  const open: XmlElement[] = [];
  let root: string | null = null;
  let elements = 0;
  let attributes = 0;
  const fail = (reason: string): never => {
    throw new XmlFault(`line ${parser.line}: ${reason}`);
  };
  parser.on("error", (error) => fail(error.message.replace(/^\d+:\d+:?\s*/, "").slice(0, 200)));
  parser.on("doctype", () => fail("it has a document type, which no report has"));
  parser.on("attribute", () => {
    if (++attributes > MAX_ATTRIBUTES) {
      fail(`an element has more than ${MAX_ATTRIBUTES} attributes`);
    }
  });
  parser.on("opentag", ({ name: prefixed }) => {
    attributes = 0;
    const name = prefixed.slice(prefixed.indexOf(":") + 1);
    if (open.length === 0) root ??= name;
    if (open.length === 1) elements = 0;
    if (open.length >= MAX_DEPTH) fail(`elements lie more than ${MAX_DEPTH} deep`);
    if (++elements > MAX_ELEMENTS) fail(`there are more than ${MAX_ELEMENTS} elements in one`);
    open.push({ name, text: "", children: [] });
  });
  const onText = (text: string) => {
    const element = open.at(-1);
    if (element === undefined || open.length < 2 || element.text.length >= MAX_TEXT) return;
    element.text = (element.text + text).slice(0, MAX_TEXT);
  };
  parser.on("text", onText);
  parser.on("cdata", onText);
  parser.on("closetag", () => {
    const element = open.pop()!;
    element.text = element.text.trim();
    if (open.length === 1) onChild(element);
    else if (open.length > 1) open.at(-1)!.children.push(element);
  });
  const decoder = decoderFor(octets);
  for (let at = 0; at < octets.length; at += CHUNK) {
    parser.write(decoder.decode(octets.subarray(at, at + CHUNK), { stream: true }));
  }
  parser.write(decoder.decode());
  parser.close();
  return root ?? fail("there is no element");
}

/** The encodings in which reports come. */
const ENCODINGS: ReadonlySet<string> = new Set([
  ...["utf-8", "utf8", "us-ascii", "ascii", "utf-16", "utf-16le", "utf-16be"],
  ...["iso-8859-1", "latin1", "windows-1252"],
]);

/** By the byte order mark, else by what the declaration says, which is ASCII; else UTF-8 (XML 1.0, Appendix F). */
function decoderFor(octets: Uint8Array): TextDecoder {
  const [first, second] = octets;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le");
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be");
  const start = String.fromCharCode(...octets.subarray(0, 200));
  const declared = /^(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']/.exec(start);
  const encoding = declared?.[1]?.toLowerCase() ?? "utf-8";
  if (!ENCODINGS.has(encoding)) {
    throw new XmlFault(`its encoding, ${encoding.slice(0, 40)}, is not known here`);
  }
  // Without a mark, and with a declaration that could be read, it is none of 16 bits.
  return new TextDecoder(encoding.startsWith("utf-16") ? "utf-8" : encoding);
}

/** The first child of that name, by a path such as `date_range/begin`. */
export function childAt(element: XmlElement, path: string): XmlElement | undefined {
  let found: XmlElement | undefined = element;
  for (const name of path.split("/")) found = found?.children.find((one) => one.name === name);
  return found;
}

/** Its text; empty where there is none. */
export function textAt(element: XmlElement, path: string): string {
  return childAt(element, path)?.text ?? "";
}
