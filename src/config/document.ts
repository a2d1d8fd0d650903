/**
 * The text of a configuration as a value, with the place of everything in it: YAML 1.2 with its core
 * schema, where `yes` is text and `true` is true. What the parser finds is told in our words: its own
 * may quote a password.
 *
 * @module
 */

import { guardText } from "./text_guard.ts";
import { yaml } from "./packages.ts";
import { formatKey, type KeyPath, type Problem, quote } from "./problems.ts";

/** A place in a file, or a variable (`line` 0). */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Where a value and all that is in it stands. */
export interface SourceNode {
  /** Of the value. */
  readonly place: Place;
  /** Of its key; in a list, of the value. */
  readonly keyPlace: Place;
  /** By name, or by number in a list. */
  readonly children: Map<string | number, SourceNode>;
}

/** A text that was read. */
export interface SourceDocument {
  /** `undefined` for an empty text. */
  readonly value: unknown;
  readonly source: SourceNode;
  readonly problems: readonly Problem[];
  /** Whether the value is all there is in the text; not so after an error of syntax. */
  readonly whole: boolean;
}

/** Values in a configuration at most, aliases counted as what they stand for. */
const MAX_VALUES = 100_000;
/** Problems told of one text at most. */
const MAX_SYNTAX_PROBLEMS = 20;

/** Reads a text. Never throws. */
export function readDocument(text: string, file: string): SourceDocument {
  const lines = new yaml.LineCounter();
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const top = { file, line: 1, column: 1 };
  const source: SourceNode = { place: top, keyPlace: top, children: new Map() };
  const fail = (problems: readonly Problem[]): SourceDocument => {
    return { value: undefined, source, problems, whole: false };
  };
  const fault = guardText(text);
  if (fault !== null) {
    return fail([{ ...placeIn(text, fault.offset, file), key: "", message: fault.message }]);
  }
  const document = yaml.parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    // Told below, with both places.
    uniqueKeys: false,
    schema: "core",
    // Not "silent": that would also keep quiet about a second document.
    logLevel: "error",
  });
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.length > 0) {
    return fail(
      syntax.slice(0, MAX_SYNTAX_PROBLEMS).map(({ code, pos }) => (
        { ...place(pos[0]), key: "", message: SYNTAX[code] ?? "is no YAML here" }
      )),
    );
  }
  return new Walk(place, top).read(document);
}

/** Line and column of an offset in a text. */
export function placeIn(text: string, offset: number, file: string): Place {
  if (offset < 0) return { file, line: 0, column: 0 };
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { file, line, column: offset - before.lastIndexOf("\n") };
}

/** One way through a document. */
class Walk {
  readonly #place: (offset: number) => Place;
  readonly #top: Place;
  readonly #anchors = new Map<string, yaml.Node>();
  /** Those we are in, so that none goes round in a circle. */
  readonly #open = new Set<yaml.Node>();
  readonly #problems: Problem[] = [];
  #values = 0;
  #exploded = false;

  constructor(place: (offset: number) => Place, top: Place) {
    this.#place = place;
    this.#top = top;
  }

  read(document: yaml.Document): SourceDocument {
    const { value, source } = this.#visit(document.contents, this.#top, []);
    return {
      value: document.contents === null ? undefined : value,
      source: { ...source, keyPlace: this.#top },
      problems: this.#problems,
      whole: !this.#exploded,
    };
  }

  /** @param keyPlace also the place of a value that is not written. */
  #visit(
    node: unknown,
    keyPlace: Place | null,
    path: KeyPath,
  ): { value: unknown; source: SourceNode } {
    const range = yaml.isNode(node) ? node.range : null;
    const place = range ? this.#place(range[0]) : keyPlace ?? this.#top;
    const children = new Map<string | number, SourceNode>();
    const source: SourceNode = { place, keyPlace: keyPlace ?? place, children };
    this.#values += 1;
    if (this.#values > MAX_VALUES) {
      if (!this.#exploded) {
        this.#report(place, path, "its aliases stand for more than any configuration needs");
      }
      this.#exploded = true;
      return { value: null, source };
    }
    if (yaml.isAlias(node)) return this.#follow(node, source, path);
    if (yaml.isNode(node) && "anchor" in node && typeof node.anchor === "string") {
      this.#anchors.set(node.anchor, node);
    }
    if (yaml.isMap(node)) return { value: this.#map(node, children, path), source };
    if (yaml.isSeq(node)) return { value: this.#list(node, children, path), source };
    const value = yaml.isScalar(node) ? node.value : null;
    return { value: value ?? null, source };
  }

  #follow(alias: yaml.Alias, source: SourceNode, path: KeyPath) {
    const target = this.#anchors.get(alias.source);
    if (target === undefined || this.#open.has(target)) {
      const message = target === undefined
        ? "is an alias (*) for an anchor (&) that is not there before it"
        : "is an alias (*) for what it is itself a part of";
      this.#report(source.place, path, message);
      return { value: null, source };
    }
    const { value, source: { children } } = this.#visit(target, source.keyPlace, path);
    return { value, source: { ...source, children } };
  }

  #list(list: yaml.YAMLSeq, children: Map<string | number, SourceNode>, path: KeyPath): unknown[] {
    this.#open.add(list);
    const values: unknown[] = [];
    for (const [index, item] of list.items.entries()) {
      if (this.#exploded) break;
      const { value, source } = this.#visit(item, null, [...path, index]);
      values.push(value);
      children.set(index, source);
    }
    this.#open.delete(list);
    return values;
  }

  #map(
    map: yaml.YAMLMap,
    children: Map<string | number, SourceNode>,
    path: KeyPath,
  ): Record<string, unknown> {
    this.#open.add(map);
    const values: Record<string, unknown> = {};
    for (const { key, value: given } of map.items) {
      if (this.#exploded) break;
      const keyPlace = yaml.isNode(key) && key.range ? this.#place(key.range[0]) : this.#top;
      const name = nameOf(key);
      if (name === null) {
        this.#report(keyPlace, path, "has a key that is no text");
        continue;
      }
      const below = [...path, name];
      const first = children.get(name);
      if (first !== undefined) {
        const { line } = first.keyPlace;
        this.#report(keyPlace, below, `is given twice, the first time on line ${line}`);
        continue;
      }
      const { value, source } = this.#visit(given, keyPlace, below);
      children.set(name, source);
      // JavaScript would take it for something else, and so would YAML 1.1.
      if (name === "__proto__") this.#report(keyPlace, below, "there is no such key");
      else if (name === "<<") {
        this.#report(keyPlace, below, "merges nothing here; write the keys out");
      } else values[name] = value;
    }
    this.#open.delete(map);
    return values;
  }

  #report(place: Place, path: KeyPath, message: string): void {
    this.#problems.push({ ...place, key: formatKey(path), message });
  }
}

/** A key as text: what looks like a number is the text it is written with. */
function nameOf(key: unknown): string | null {
  if (!yaml.isScalar(key)) return null;
  const { value, source } = key;
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? source ?? String(value) : null;
}

/** Where a key stands, or the nearest one above it that is there. */
export function findPlace(source: SourceNode, path: KeyPath, of: "key" | "value"): Place {
  let node = source;
  for (const part of path) {
    const child = node.children.get(part);
    // What is missing stands where it should be: at the key of what it belongs to.
    if (child === undefined) return node.keyPlace;
    node = child;
  }
  return of === "key" ? node.keyPlace : node.place;
}

/** Where a value found in a text stands, in words. @returns `line 5`, or the variable. */
export function formatLine({ file, line }: Place): string {
  return line === 0 ? quote(file) : `line ${line}`;
}

/** By the parser's codes. */
const SYNTAX: Readonly<Record<string, string>> = {
  ALIAS_PROPS: "an alias (*) can have neither an anchor (&) nor a tag (!)",
  BAD_ALIAS: "an alias (*) or anchor (&) needs a name; text that begins so goes in quotes",
  BAD_COLLECTION_TYPE: "tags (!) mean nothing here; remove it",
  BAD_DIRECTIVE: "a line with % is no YAML that is known here; text that begins so goes in quotes",
  BAD_DQ_ESCAPE:
    'in "double quotes" a backslash begins an escape: write \\\\, or use single quotes',
  BAD_INDENT: "is not indented as what it belongs to; or ] or } is missing before",
  BAD_PROP_ORDER: "anchors (&) and tags (!) stand after the mark (- or key:), before the value",
  BAD_SCALAR_START: "text that begins with this sign goes in quotes",
  BLOCK_AS_IMPLICIT_KEY: "a second key: on one line; text with a colon in it goes in quotes",
  BLOCK_IN_FLOW:
    "within [ ] and { } write [a, b] and {key: value}, not lines with - or indented keys",
  DUPLICATE_KEY: "is given twice",
  IMPOSSIBLE: "is no YAML here",
  KEY_OVER_1024_CHARS: "a key of more than 1,024 characters; is a quote or a line end missing?",
  MISSING_CHAR: "a sign is missing, such as : after a key, a closing quote, ] or }",
  MULTILINE_IMPLICIT_KEY: "a key must end on its line; is a : missing, or a quote?",
  MULTIPLE_ANCHORS: "a value can have one anchor (&) only",
  MULTIPLE_DOCS: "a second document (---); a configuration is one",
  MULTIPLE_TAGS: "a value can have one tag (!) only",
  NON_STRING_KEY: "a key must be text",
  RESOURCE_EXHAUSTION: "is nested too deeply for a configuration",
  TAB_AS_INDENT: "a tab indents nothing in YAML; use spaces",
  TAG_RESOLVE_FAILED: "tags (!) mean nothing here; text that begins with ! goes in quotes",
  UNEXPECTED_TOKEN: "was not expected here; text with signs such as : # [ { * & goes in quotes",
};
