/**
 * A small reader of TypeScript, enough to see names, strings and imports where they are code and not
 * where they stand in a comment, a string, a template or a pattern. It does not parse: whoever wants
 * more uses the compiler.
 *
 * @module
 */

/** One token. Comments and white space are none. */
export interface Token {
  /** A template is given in pieces: its text between the substitutions, which are tokens themselves. */
  readonly kind: "name" | "string" | "template" | "pattern" | "number" | "mark";
  /** As in the source; a string without its quotes. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

const NAME = /[#\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /\.?[0-9](?:[eE][+-]|[\w.])*/y;
const STRING = /"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'/y;
const PATTERN = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const TEMPLATE = /(?:[^\\`$]|\\[^]|\$(?!\{))*/y;
const SKIPPED = /(?:\s+|\/\/[^\n]*|\/\*[^]*?\*\/)+/y;
const SHEBANG = /#![^\n]*/y;

/** Names after which a slash begins a pattern; after any other name it divides. */
const BEFORE_VALUE = new Set(
  "return typeof case in of new delete void do else throw yield await instanceof".split(" "),
);

/**
 * The tokens of a source.
 *
 * @throws {SyntaxError} on what cannot be TypeScript, with the line.
 */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** For each open brace, whether it belongs to a template. */
  const braces: boolean[] = [];
  let at = match(SHEBANG, source, 0)?.length ?? 0;
  let line = 1;

  const push = (kind: Token["kind"], text: string, length: number) => {
    tokens.push({ kind, text, line });
    advance(length);
  };
  const advance = (length: number) => {
    for (let i = at; i < at + length; i++) if (source.charCodeAt(i) === 10) line++;
    at += length;
  };
  const template = () => {
    const text = match(TEMPLATE, source, at) ?? "";
    push("template", text, text.length);
    if (source[at] === "`") return advance(1);
    if (at >= source.length) throw new SyntaxError(`line ${line}: a template without an end`);
    braces.push(true);
    advance(2);
  };

  while (true) {
    advance(match(SKIPPED, source, at)?.length ?? 0);
    if (at >= source.length) return tokens;
    const char = source[at] ?? "";
    let text: string | undefined;
    if (char === "`") {
      advance(1);
      template();
    } else if (char === "}" && braces.pop() === true) {
      advance(1);
      template();
    } else if ((text = match(NAME, source, at)) !== undefined) {
      push("name", text, text.length);
    } else if ((text = match(NUMBER, source, at)) !== undefined) {
      push("number", text, text.length);
    } else if (char === '"' || char === "'") {
      text = match(STRING, source, at);
      if (text === undefined) throw new SyntaxError(`line ${line}: a string without an end`);
      push("string", text.slice(1, -1), text.length);
    } else if (
      char === "/" && valueMayStart(tokens.at(-1)) && (text = match(PATTERN, source, at))
    ) {
      push("pattern", text, text.length);
    } else {
      if (char === "{") braces.push(false);
      push("mark", char, 1);
    }
  }
}

function match(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
}

/** Whether a slash after this token begins a pattern. */
function valueMayStart(before: Token | undefined): boolean {
  if (before === undefined) return true;
  if (before.kind === "name") return BEFORE_VALUE.has(before.text);
  return before.kind === "mark" && !")]}".includes(before.text);
}

/** One import or re-export, of whatever form. */
export interface Import {
  /** What is imported; `null` when it is not a literal. */
  readonly specifier: string | null;
  /** From 1. */
  readonly line: number;
  /** An `export … from`. */
  readonly reexport: boolean;
}

/** All imports of a source: static, dynamic, of types, `export … from` and `require`. */
export function findImports(tokens: readonly Token[]): Import[] {
  const found: Import[] = [];
  tokens.forEach((token, index) => {
    if (token.kind !== "name" || isMark(tokens[index - 1], ".")) return;
    const specifier = token.text === "import"
      ? importedBy(tokens, index)
      : token.text === "export"
      ? reexportedBy(tokens, index)
      : token.text === "require" && isMark(tokens[index + 1], "(")
      ? literal(tokens[index + 2])
      : undefined;
    if (specifier === undefined) return;
    found.push({ specifier, line: token.line, reexport: token.text === "export" });
  });
  return found;
}

function importedBy(tokens: readonly Token[], index: number): string | null | undefined {
  const next = tokens[index + 1];
  if (next?.kind === "string") return next.text;
  if (isMark(next, ".") || isMark(next, ":")) return undefined;
  if (isMark(next, "(")) return isEnd(tokens[index + 3]) ? literal(tokens[index + 2]) : null;
  return fromClause(tokens, index + 1);
}

function reexportedBy(tokens: readonly Token[], index: number): string | undefined {
  let at = index + 1;
  if (isName(tokens[at], "type")) at++;
  if (!isMark(tokens[at], "*") && !isMark(tokens[at], "{")) return undefined;
  if (isMark(tokens[at], "*")) return fromClause(tokens, at);
  while (at < tokens.length && !isMark(tokens[at], "}")) at++;
  return isName(tokens[at + 1], "from") ? fromClause(tokens, at + 1) : undefined;
}

function fromClause(tokens: readonly Token[], start: number): string | undefined {
  for (let at = start; at < tokens.length && !isMark(tokens[at], ";"); at++) {
    const next = tokens[at + 1];
    if (isName(tokens[at], "from") && next?.kind === "string") return next.text;
  }
  return undefined;
}

function literal(token: Token | undefined): string | null {
  return token?.kind === "string" ? token.text : null;
}

function isEnd(token: Token | undefined): boolean {
  return isMark(token, ")") || isMark(token, ",");
}

/** Whether the token is this punctuation mark. */
export function isMark(token: Token | undefined, text: string): boolean {
  return token?.kind === "mark" && token.text === text;
}

/** Whether the token is this name. */
export function isName(token: Token | undefined, text: string): boolean {
  return token?.kind === "name" && token.text === text;
}
