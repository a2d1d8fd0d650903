/**
 * What must hold of every verdict of a policy, whoever it asked.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { formatAddress, parseAddress } from "../../../src/address.ts";
import { decode, encode } from "../../../src/bytes.ts";
import { applyChanges } from "../../../src/intake/head_edits.ts";
import { formatFields, parseFields, type RawField } from "../../../src/message/header.ts";
import type { HeadChange, Verdict } from "../../../src/policy/policy.ts";
import { checkVerdict } from "../../../src/policy/verdict.ts";
import { formatReply } from "../../../src/smtp/reply.ts";

/** The head that changes are made to. */
export const FIELDS: readonly RawField[] = parseFields(
  encode("Received: by us\r\nSubject: a\r\n b\r\nTo: c@d.example\r\nSubject: x\r\n"),
);

/** The client gets one reply, and the head stays a list of fields. Gives the verdict. */
export function checkSound(answer: unknown): Verdict | undefined {
  const verdict = checkVerdict(answer);
  if (verdict?.action === "reject" || verdict?.action === "defer") {
    const { code } = verdict.reply;
    assertEquals(Math.floor(code / 100), verdict.action === "reject" ? 5 : 4);
    const lines = decode(formatReply(verdict.reply)).split("\r\n");
    assertEquals(lines.pop(), "");
    for (const line of lines) {
      assert(
        /^[45]\d\d[ -][\t\x20-\x7e\xa0-\u2027\u202a-\u{10ffff}]*$/u.test(line),
        JSON.stringify(line),
      );
      assert(encode(line).length <= 510, `${line.length} characters`);
    }
    assert(lines.slice(0, -1).every((line) => line[3] === "-") && lines.at(-1)![3] === " ");
  }
  if (verdict?.action !== "annotate") return verdict;
  const changes = verdict.changes.filter(({ change }) => /-field$/.test(change)) as HeadChange[];
  const fields = applyChanges(FIELDS, changes);
  const head = formatFields(fields);
  assertEquals(parseFields(head).map(({ name }) => name), fields.map(({ name }) => name));
  for (const line of decode(head).split("\r\n")) {
    assert(encode(line).length <= 998 && !/[\r\n\0]/.test(line), JSON.stringify(line));
  }
  for (const change of verdict.changes) {
    const address = change.change === "replace-sender"
      ? change.sender
      : "recipient" in change
      ? change.recipient
      : null;
    if (address === null) continue;
    assertEquals(parseAddress(formatAddress(address), { smtputf8: true }), address);
  }
  return verdict;
}
