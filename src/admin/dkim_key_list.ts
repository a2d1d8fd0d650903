/**
 * Which keys of a domain sign: the file `keys` that lies beside them, a line for each key. `yizhan dkim` writes it;
 * whoever edits it by hand can. Where there is none, the keys of the usual names sign.
 *
 * | line | what it says |
 * | --- | --- |
 * | `SELECTOR new TIME` | made then; does not sign yet, its record is to be published |
 * | `SELECTOR signs TIME` | signs since then |
 * | `SELECTOR old TIME until TIME` | signed until the first; its record must stay in DNS until the second |
 *
 * Pure and total: a text that is no such file is a value that says why.
 *
 * @module
 */

/** What a key does. */
export type DkimKeyState = "new" | "signs" | "old";

/** A key, as its line has it. Times are in milliseconds since the epoch, whole seconds. */
export interface ListedDkimKey {
  readonly selector: string;
  readonly state: DkimKeyState;
  /** When it was made, began to sign, or ceased to. */
  readonly since: number;
  /** Of an old one: how long its record must stay. */
  readonly until?: number;
}

/** The keys, or which line is wrong. */
export type ReadDkimKeyList =
  | { readonly status: "list"; readonly keys: readonly ListedDkimKey[] }
  /** A reason that follows the name of the file in a sentence. */
  | { readonly status: "bad"; readonly reason: string };

/** The first line. */
const TITLE = "# yizhan dkim keys 1";

const TIME = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ";
const LINE = new RegExp(`^(\\S+) (?:(new|signs) (${TIME})|old (${TIME}) until (${TIME}))$`);

/** What names a key (RFC 6376 §3.1): labels of DNS, with dots between them; it names a file too. */
const SELECTOR =
  /^(?=.{1,63}$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/;

/** Whether a text can name a key. */
export function isSelector(text: string): boolean {
  return SELECTOR.test(text);
}

/**
 * Reads the file.
 *
 * @example
 * ```ts
 * import { formatKeyList, parseKeyList } from "./dkim_key_list.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const keys = [
 *   { selector: "b", state: "signs", since: 1_764_547_200_000 },
 *   { selector: "a", state: "old", since: 1_764_547_200_000, until: 1_766_275_200_000 },
 * ] as const;
 * assertEquals(parseKeyList(formatKeyList(keys)), { status: "list", keys: [...keys] });
 * assertEquals(parseKeyList("a signs"), { status: "bad", reason: "does not begin with # yizhan dkim keys 1" });
 * ```
 */
export function parseKeyList(text: string): ReadDkimKeyList {
  const [title, ...lines] = text.split(/\r?\n/);
  if (title?.trim() !== TITLE) return { status: "bad", reason: `does not begin with ${TITLE}` };
  const keys: ListedDkimKey[] = [];
  for (const [index, line] of lines.entries()) {
    const bare = line.trim().replaceAll(/[ \t]+/g, " ");
    if (bare === "" || bare.startsWith("#")) continue;
    const key = parseLine(bare);
    if (typeof key === "string") return { status: "bad", reason: `line ${index + 2}: ${key}` };
    if (keys.some(({ selector }) => sameSelector(selector, key.selector))) {
      return { status: "bad", reason: `line ${index + 2}: ${key.selector} is there twice` };
    }
    keys.push(key);
  }
  return { status: "list", keys };
}

function parseLine(line: string): ListedDkimKey | string {
  const [, selector, state, since, ended, until] = LINE.exec(line) ?? [];
  if (selector === undefined) return "wanted SELECTOR new|signs TIME, or old TIME until TIME";
  if (!isSelector(selector)) return `${selector} cannot name a key`;
  const times = [since ?? ended, until].map((text) => text === undefined ? 0 : Date.parse(text));
  if (times.some(Number.isNaN)) return "there is no such time";
  if (ended !== undefined) return { selector, state: "old", since: times[0]!, until: times[1]! };
  return { selector, state: state as DkimKeyState, since: times[0]! };
}

/** Names in DNS are the same in any case (RFC 4343). */
export function sameSelector(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** The text of the file. */
export function formatKeyList(keys: readonly ListedDkimKey[]): string {
  const lines = keys.map(({ selector, state, since, until }) =>
    [selector, state, time(since), ...(until === undefined ? [] : ["until", time(until)])].join(" ")
  );
  return [
    TITLE,
    "# Which keys of this domain sign. A new one waits for its record in DNS; the record of an old one must stay",
    "# there until the second time. Change it by yizhan dkim.",
    ...lines,
    "",
  ].join("\n");
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}
