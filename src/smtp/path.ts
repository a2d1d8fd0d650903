/**
 * The paths of MAIL and RCPT (RFC 5321 §4.1.2): `<local@domain>`, `<>`, `<Postmaster>`.
 *
 * Read and dropped: source routes (RFC 5321 §3.6.1). Let pass: spaces after the colon, which common
 * clients write. Refused: anything without angle brackets. A refusal carries the reply: 501 with
 * 5.1.7 for a sender, 5.1.3 for a recipient (RFC 3463 §3.2), 553 5.6.7 for a UTF-8 address where
 * SMTPUTF8 is not to be had (RFC 6531 §3.5).
 *
 * @module
 */

import {
  type Address,
  type AddressOptions,
  formatAddress,
  parseAddress,
  parseDomain,
  parsePlainAddress,
} from "../address.ts";
import { utf8Fits } from "../bytes.ts";
import { type Reply, reply } from "./reply.ts";

/** RFC 5321 §4.5.3.1.3, in octets, angle brackets included. */
const PATH_LIMIT = 256;

const POSTMASTER = "postmaster";

/** Which path: of MAIL (`reverse`) or of RCPT (`forward`). */
export type PathKind = "reverse" | "forward";

/** A path that was read, and what follows it; or the refusal. */
export type PathResult =
  | {
    /** `null` for `<>`, of a reverse path only. */
    readonly path: Address | null;
    /** What stands behind `>`: empty, or a space and parameters. */
    readonly rest: string;
  }
  | { readonly reply: Reply };

/**
 * Reads a path at the start of `text`, which is what stands behind `FROM:` or `TO:`.
 *
 * @example
 * ```ts
 * import { parsePath } from "./path.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parsePath("<@a.example,@b.example:c@d.example> SIZE=1", "reverse"), {
 *   path: { local: "c", domain: "d.example" },
 *   rest: " SIZE=1",
 * });
 * assertEquals(parsePath("<>", "reverse"), { path: null, rest: "" });
 * assertEquals("reply" in parsePath("c@d.example", "forward"), true);
 * ```
 */
export function parsePath(
  text: string,
  kind: PathKind,
  options: { readonly smtputf8?: boolean } = {},
): PathResult {
  const read = parsePathAt(text, 0, kind, options);
  return "reply" in read ? read : { path: read.path, rest: text.slice(read.end) };
}

/** {@link parsePath} in the midst of a line; `end` is where the rest begins. */
export function parsePathAt(
  text: string,
  from: number,
  kind: PathKind,
  options: { readonly smtputf8?: boolean },
): { readonly path: Address | null; readonly end: number } | { readonly reply: Reply } {
  let start = from;
  while (text.charCodeAt(start) === SPACE) start++;
  const end = findEnd(text, start);
  if (end === -1) return refuse(kind, `expected ${EXPECTED[kind]}`);
  if (end < text.length && text.charCodeAt(end) !== SPACE) {
    return refuse(kind, "expected a space between the address and what follows");
  }
  const plain = end - start <= PATH_LIMIT ? parsePlainAddress(text, start + 1, end - 1) : null;
  if (plain !== null) return { path: plain, end };
  const inside = text.slice(start + 1, end - 1);
  if (!utf8Fits(inside, PATH_LIMIT - 2)) {
    return refuse(kind, `address too long: at most ${PATH_LIMIT} octets`);
  }
  if (inside === "" && kind === "reverse") return { path: null, end };
  // RFC 5321 §4.5.1: every server takes mail to <Postmaster>, in any case.
  if (
    kind === "forward" && inside.length === POSTMASTER.length && inside.toLowerCase() === POSTMASTER
  ) {
    return { path: { local: inside, domain: "" }, end };
  }
  const mailbox = dropRoute(inside, options);
  if (mailbox === null) return refuse(kind, "bad source route");
  const path = parseAddress(mailbox, {
    smtputf8: options.smtputf8,
    // Bounce addresses that name the bounced recipient pass 64 octets, and are real: whoever may be
    // told of a failure is bound by the path's length only.
    localLimit: kind === "reverse" ? PATH_LIMIT : undefined,
  });
  if (path !== null) return { path, end };
  if (options.smtputf8 !== true && parseAddress(mailbox, { smtputf8: true }) !== null) {
    return { reply: reply(553, "5.6.7", "an address beyond ASCII needs SMTPUTF8") };
  }
  return refuse(kind, `bad address: expected ${EXPECTED[kind]}`);
}

const EXPECTED = {
  reverse: "MAIL FROM:<local@domain> or MAIL FROM:<>",
  forward: "RCPT TO:<local@domain>",
};

function refuse(kind: PathKind, text: string): { readonly reply: Reply } {
  return { reply: reply(501, kind === "reverse" ? "5.1.7" : "5.1.3", text) };
}

/** The index behind the `>` that ends the path, quoted strings skipped; -1 where there is none. */
function findEnd(text: string, from: number): number {
  const end = text.charCodeAt(from) === LESS_THAN ? text.indexOf(">", from) : -1;
  if (end === -1 || !text.includes('"', from)) return end === -1 ? -1 : end + 1;
  QUOTED_PATH.lastIndex = from;
  return QUOTED_PATH.test(text) ? QUOTED_PATH.lastIndex : -1;
}

const SPACE = 0x20;
const LESS_THAN = 0x3c;
const QUOTED_PATH = /<(?:[^">]|"(?:[^"\\]|\\.)*")*>/sy;

/** What stands behind a source route (`@a,@b:`), or `null` where the route is malformed. */
function dropRoute(text: string, options: AddressOptions): string | null {
  if (!text.startsWith("@")) return text;
  const colon = text.indexOf(":");
  if (colon === -1) return null;
  const hops = text.slice(0, colon).split(",");
  const sound = hops.every((hop) =>
    hop.startsWith("@") && parseDomain(hop.slice(1), options) !== null
  );
  return sound ? text.slice(colon + 1) : null;
}

/**
 * Writes a path with its angle brackets; `<>` for `null`.
 *
 * @example
 * ```ts
 * import { formatPath } from "./path.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatPath({ local: "a", domain: "b.example" }), "<a@b.example>");
 * assertEquals(formatPath(null), "<>");
 * ```
 */
export function formatPath(path: Address | null): string {
  return path === null ? "<>" : `<${formatAddress(path)}>`;
}
