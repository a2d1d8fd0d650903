/**
 * The Received-SPF field (RFC 7208 §9.1): what SPF said, for those who read the message. Authentication-Results says
 * the same in words that more programs read (RFC 8601); this one says what it was about.
 *
 * What strangers said is quoted, cut, and made harmless; one field comes out whatever it was.
 *
 * @module
 */

import { canonicalIp } from "../../net_address.ts";
import { makeField, type RawField } from "../../message/header.ts";
import type { SpfAnswer, SpfQuery } from "./check_host.ts";

/** Characters of a value or comment that are written. */
const LONGEST = 320;

/**
 * Makes the field.
 *
 * @param identity what was checked: the address in MAIL FROM, or the name in HELO or EHLO.
 *
 * @example
 * ```ts
 * import { formatReceivedSpf } from "./received_spf.ts";
 * import { decode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const field = formatReceivedSpf({
 *   ip: "192.0.2.1",
 *   domain: "example.com",
 *   sender: "myname@example.com",
 *   hello: "foo.example.com",
 *   receiver: "mybox.example.org",
 * }, { result: "pass", mechanism: "ip4:192.0.2.0/24" }, "mailfrom");
 * assertEquals(decode(field.raw).split("\r\n"), [
 *   "Received-SPF: pass (mybox.example.org: domain of myname@example.com designates",
 *   " 192.0.2.1 as permitted sender)",
 *   "\treceiver=mybox.example.org; identity=mailfrom; client-ip=192.0.2.1;",
 *   '\tenvelope-from="myname@example.com"; helo=foo.example.com;',
 *   '\tmechanism="ip4:192.0.2.0/24"',
 *   "",
 * ]);
 * ```
 */
export function formatReceivedSpf(
  query: SpfQuery,
  answer: SpfAnswer,
  identity: "mailfrom" | "helo",
): RawField {
  const { ip, sender, hello, receiver = "unknown" } = query;
  const { result, mechanism = "default", reason } = answer;
  const problem = result === "permerror" || result === "temperror" ? reason : undefined;
  const where = pair("receiver", receiver) + `; identity=${identity}; ` +
    pair("client-ip", canonicalIp(ip));
  const who = `${pair("envelope-from", sender)}; ${pair("helo", hello)}`;
  const why = problem === undefined ? pair("mechanism", mechanism) : pair("problem", problem);
  const said = comment(`${receiver}: ${sayResult(query, answer)}`);
  return makeField("Received-SPF", `${result} (${said})\n\t${where};\n\t${who};\n\t${why}`);
}

/** In the words of RFC 7208 §9.1 and of most programs. */
function sayResult({ ip, sender, domain }: SpfQuery, { result, reason }: SpfAnswer): string {
  const client = canonicalIp(ip);
  switch (result) {
    case "pass":
      return `domain of ${sender} designates ${client} as permitted sender`;
    case "fail":
      return `domain of ${sender} does not designate ${client} as permitted sender`;
    case "softfail":
      return `transitioning domain of ${sender} does not designate ${client} as permitted sender`;
    case "neutral":
      return `${client} is neither permitted nor denied by domain of ${sender}`;
    case "permerror":
    case "temperror":
      return `error in processing during lookup of ${domain}: ${reason}`;
    default:
      return `domain of ${sender} does not designate permitted sender hosts`;
  }
}

/** `key=value`, the value as dot-atom or quoted (RFC 7208 §9.1). */
function pair(key: string, value: string): string {
  const text = value.slice(0, LONGEST).replace(/[^ -~]/g, "?");
  if (/^[\w!#$%&'*+\-/=?^`{|}~]+(?:\.[\w!#$%&'*+\-/=?^`{|}~]+)*$/.test(text)) {
    return `${key}=${text}`;
  }
  return `${key}="${text.replace(/["\\]/g, "\\$&")}"`;
}

/** Text fit for a comment: printable ASCII without parentheses and backslash (RFC 5322 §3.2.2). */
function comment(text: string): string {
  return text.slice(0, 2 * LONGEST).replace(/[^ -'*-[\]-~]/g, "?");
}
