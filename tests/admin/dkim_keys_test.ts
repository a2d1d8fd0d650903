/**
 * The list of a domain's DKIM keys, and what becomes of it when keys begin to sign.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { DomainKeyOnDisk, KeyOnDisk } from "../../src/admin/dkim_folder.ts";
import {
  formatKeyList,
  isSelector,
  type ListedDkimKey,
  parseKeyList,
} from "../../src/admin/dkim_key_list.ts";
import {
  isOver,
  keptLines,
  publishedKeys,
  startedKeys,
  waitingKeys,
} from "../../src/admin/dkim_keys.ts";

const NOW = Date.parse("2026-11-23T12:00:00Z");
const DAY = 86_400_000;

const seconds = fc.integer({ min: 0, max: 4_000_000_000 }).map((second) => second * 1000);
const selector = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?(?:\.[a-z]{1,5})?$/);

const line: fc.Arbitrary<ListedDkimKey> = fc.oneof(
  fc.record({
    selector,
    state: fc.constantFrom("new" as const, "signs" as const),
    since: seconds,
  }),
  fc.record({ selector, state: fc.constant("old" as const), since: seconds, until: seconds }),
);
const lines = fc.uniqueArray(line, { selector: ({ selector }) => selector, maxLength: 8 });

Deno.test("parseKeyList() reads what formatKeyList() writes (property)", () => {
  fc.assert(fc.property(lines, (keys) => {
    assertEquals(parseKeyList(formatKeyList(keys)), { status: "list", keys });
  }));
});

Deno.test("parseKeyList() takes or refuses any text, and gives no selector that leads elsewhere (property)", () => {
  const word = fc.constantFrom("new", "signs", "old", "until", "../a", "a/b", "a", ".", "..");
  const time = fc.constantFrom("2026-01-01T00:00:00Z", "2026-02-31T00:00:00Z", "now");
  const text = fc.array(fc.oneof(word, time, fc.string()), { maxLength: 6 })
    .map((words) => words.join(" "));
  fc.assert(fc.property(fc.array(text), (texts) => {
    const read = parseKeyList(["# yizhan dkim keys 1", ...texts].join("\n"));
    if (read.status === "bad") return assert(read.reason !== "");
    for (const { selector } of read.keys) assert(!/[/\\]|^\.|\.\./.test(selector), selector);
  }));
  assertEquals(
    [".", "..", "a..b", "-a", "a-", "", "ä", "a_b", "a".repeat(64)].filter(isSelector),
    [],
  );
});

/** A key on the disk. */
function key(
  selector: string,
  state: ListedDkimKey["state"],
  kind: "rsa" | "ed25519",
  more: { readonly until?: number; readonly gone?: boolean } = {},
): DomainKeyOnDisk {
  const found: KeyOnDisk = more.gone === true
    ? { status: "none", reason: "does not exist" }
    : { status: "key", key: { kind, data: selector }, bits: 2048, pem: "" };
  const until = more.until === undefined ? {} : { until: more.until };
  return { selector, state, since: NOW - 90 * DAY, path: `${selector}.pem`, found, ...until };
}

Deno.test("startedKeys() puts keys in place of those of their kind, and of no others", () => {
  const keys = [
    key("r1", "signs", "rsa"),
    key("e1", "signs", "ed25519"),
    key("r2", "new", "rsa"),
    key("e2", "new", "ed25519"),
    key("r0", "old", "rsa", { until: NOW + DAY }),
    key("lost", "new", "rsa", { gone: true }),
  ];
  const [rsa] = waitingKeys({ keys });
  assertEquals(waitingKeys({ keys }).map(({ selector }) => selector), ["r2", "e2"]);
  const after = startedKeys({ keys }, [rsa!], NOW, 12 * DAY);
  assertEquals(after.map(({ selector, state }) => `${selector} ${state}`), [
    ...["r1 old", "e1 signs", "r2 signs", "e2 new", "r0 old"],
  ]);
  assertEquals(after[0], { selector: "r1", state: "old", since: NOW, until: NOW + 12 * DAY });
  assertEquals(after[2], { selector: "r2", state: "signs", since: NOW });
  // What was so before stays as it was.
  assertEquals(after[4], { selector: "r0", state: "old", since: NOW - 90 * DAY, until: NOW + DAY });
});

Deno.test("publishedKeys() has the keys whose records must be there, and old ones until their day", () => {
  const keys = [
    key("new", "new", "rsa"),
    key("signs", "signs", "rsa"),
    key("old", "old", "rsa", { until: NOW + 1 }),
    key("over", "old", "rsa", { until: NOW }),
    key("gone", "old", "rsa", { until: NOW + 1, gone: true }),
  ];
  const published = publishedKeys({ keys }, NOW);
  assertEquals(published.map(({ selector }) => selector), ["new", "signs", "old"]);
  assertEquals(keys.filter((one) => isOver(one, NOW)).map(({ selector }) => selector), ["over"]);
  // A key that is over stays in the list as long as its file is there: somebody is to take it away.
  assertEquals(keptLines({ keys }, NOW).length, 5);
});

Deno.test("keptLines() keeps the line of a key that is being made, and not of one that never was", () => {
  const made = (since: number): DomainKeyOnDisk => ({
    ...{ selector: "a", state: "new", since, path: "dkim/example.org/a.pem" },
    found: { status: "none", reason: "does not exist" },
  });
  assertEquals(keptLines({ keys: [made(NOW - 1000)] }, NOW).length, 1);
  assertEquals(keptLines({ keys: [made(NOW - DAY)] }, NOW).length, 0);
});
