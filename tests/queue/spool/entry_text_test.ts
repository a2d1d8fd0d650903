import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { isEntryId } from "../../../src/queue/spool/entry_check.ts";
import { formatEntry, parseEntry } from "../../../src/queue/spool/entry_text.ts";
import { entries } from "./arbitrary_entries.ts";
import { entry, recipient } from "./entries.ts";

Deno.test("parseEntry() gives what formatEntry() wrote, whatever is in it", () => {
  fc.assert(fc.property(entries, (value) => {
    // The field-wise copy drops what fast-check leaves undefined or without a prototype.
    assertEquals(parseEntry(formatEntry(value)).entry, structuredClone(value));
  }));
});

Deno.test("formatEntry() writes one line of JSON with its version", () => {
  fc.assert(fc.property(entries, (value) => {
    const line = formatEntry(value);
    assert(!/[\r\n]/.test(line));
    assertEquals(line.isWellFormed(), true);
    assertEquals(JSON.parse(line).version, 1);
  }));
});

Deno.test("formatEntry() keeps an attempt that waits for something other than time", () => {
  const value = entry("m1", { recipients: [recipient({ next: Infinity })] });
  assertStringIncludes(formatEntry(value), '"next":"never"');
  assertEquals(parseEntry(formatEntry(value)).entry, value);
});

Deno.test("formatEntry() writes a limit without end as no limit", () => {
  const mailbox = { domain: "example.org", user: "bob", quota: { bytes: Infinity, messages: 7 } };
  const value = entry("m1", { recipients: [recipient({ mailbox })] });
  assertEquals(parseEntry(formatEntry(value)).entry?.recipients[0]?.mailbox?.quota, {
    messages: 7,
  });
});

Deno.test("parseEntry() never throws", () => {
  const anyJson = fc.json();
  fc.assert(fc.property(fc.oneof(fc.string(), anyJson), (text) => {
    assertEquals(typeof parseEntry(text).reason, "string");
  }));
  assertEquals(parseEntry("[".repeat(1_000_000)).reason, "not JSON");
});

Deno.test("parseEntry() never throws when one part is anything else", () => {
  const path = fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 5 });
  fc.assert(fc.property(entries, path, fc.jsonValue(), (value, path, other) => {
    const json = JSON.parse(formatEntry(value));
    let part = json;
    for (const [depth, step] of path.entries()) {
      const keys = Object.keys(part);
      const key = keys[step % keys.length];
      if (key === undefined) return;
      const last = depth === path.length - 1 || typeof part[key] !== "object" || part[key] === null;
      if (last) {
        part[key] = other;
        break;
      }
      part = part[key];
    }
    const { entry, reason } = parseEntry(JSON.stringify(json));
    assert(entry === undefined ? reason !== undefined : formatEntry(entry).length > 0);
  }));
});

const GOOD = JSON.parse(formatEntry(entry("m1")));

const BAD: readonly (readonly [string, unknown, RegExp])[] = [
  ["a list", [], /^entry: no object$/],
  ["null", null, /^entry: no object$/],
  ["another version", { ...GOOD, version: 2 }, /^version 2 is not known$/],
  ["an id that leaves its folder", { ...GOOD, id: "../m1" }, /^id: not fit/],
  ["a hidden id", { ...GOOD, id: ".m1" }, /^id: not fit/],
  ["a long id", { ...GOOD, id: "x".repeat(101) }, /^id: not fit/],
  ["no sender", { ...GOOD, sender: undefined }, /^sender: no object$/],
  ["a size below zero", { ...GOOD, bodySize: -1 }, /^bodySize: no count$/],
  ["a broken size", { ...GOOD, headSize: 0.5 }, /^headSize: no count$/],
  ["recipients that are none", { ...GOOD, recipients: {} }, /^recipients: no list$/],
  ["a recipient that is none", { ...GOOD, recipients: [null] }, /^recipients\[0\]: no object$/],
  [
    "a status nobody knows",
    { ...GOOD, recipients: [{ ...recipient(), status: "lost" }] },
    /^recipients\[0\]\.status: "lost" is not known$/,
  ],
  [
    "a reply that is none",
    { ...GOOD, recipients: [{ ...recipient(), history: [{ time: 1, reply: { code: 99 } }] }] },
    /history\[0\]\.reply\.code: no reply code$/,
  ],
];

for (const [name, value, reason] of BAD) {
  Deno.test(`parseEntry() says why when it reads ${name}`, () => {
    assertMatch(parseEntry(JSON.stringify(value)).reason ?? "", reason);
  });
}

Deno.test("isEntryId() takes what is fit for a file name only", () => {
  for (const id of ["m1", "a.b_c-d", "-x", "A".repeat(100)]) assert(isEntryId(id), id);
  for (const id of ["", ".", "..", ".a", "a/b", "a b", "a\n", "ä", "A".repeat(101)]) {
    assert(!isEntryId(id), id);
  }
});
