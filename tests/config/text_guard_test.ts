import { assert, assertEquals } from "@std/assert";
import { problemsOf } from "./machine.ts";

const MIB = 1024 * 1024;
const DEEP = "is nested too deeply for a configuration";
const MANY = "has more words and marks up to here than any configuration needs";

/** Nine aliases of nine of nine …: 9^30 values in two kilobytes. */
const LAUGHS = [
  "a0: &a0 [x, x, x, x, x, x, x, x, x]",
  ...Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(9)}]`),
].join("\n");

const HOSTILE: readonly (readonly [string, string | Uint8Array<ArrayBuffer>, string])[] = [
  ["10 MiB", "x".repeat(10 * MIB), ": is longer than 1 MiB, too long for a configuration"],
  ["a NUL", "hostname: a.example\ndata: x\0y\n", ":2:8: has a NUL octet; wanted text in UTF-8"],
  ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x61, 0), ": is UTF-16; save it as UTF-8"],
  [
    "Latin-1",
    Uint8Array.from("a: 1\nb: gr\xfcn\n", (char) => char.charCodeAt(0)),
    ":2:6: is not UTF-8 here; save it as UTF-8",
  ],
  ["a million [", "[".repeat(MIB), `:1:51: ${DEEP}`],
  ["a million {", "{".repeat(MIB), `:1:51: ${DEEP}`],
  ["lists in lists", "- ".repeat(MIB / 2), `:1:101: ${DEEP}`],
  ["keys in keys", "? ".repeat(MIB / 2), `:1:101: ${DEEP}`],
  [
    "indented ever more",
    Array.from({ length: 1400 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"),
    `:402:1: ${DEEP}`,
  ],
  ["a list of half a million", `[${"a,".repeat(MIB / 2 - 1)}]`, MANY],
  ["a million lines", "\n".repeat(MIB), MANY],
  ["half a million comments", "#\n".repeat(MIB / 2), MANY],
  ["anchors without end", "&a ".repeat(MIB / 3), MANY],
  ["a million }", "}".repeat(MIB), MANY],
  ["aliases that explode", LAUGHS, "its aliases stand for more than any configuration needs"],
];

for (const [name, text, wanted] of HOSTILE) {
  Deno.test(`loadConfig() turns away ${name} with one line`, async () => {
    const file = typeof text === "string" ? new TextEncoder().encode(text) : text;
    const lines = await problemsOf(
      "",
      { files: { "hostile.yaml": { text: file } } },
      "hostile.yaml",
    );
    assertEquals(lines.length, 1, lines.slice(0, 3).join("\n"));
    assert(lines[0]!.startsWith("hostile.yaml"), lines[0]);
    assert(lines[0]!.endsWith(wanted), lines[0]);
  });
}

Deno.test("loadConfig() reads a configuration that is merely large", async () => {
  const domains = Array.from({ length: 10_000 }, (_, i) => `  - domain${i}.example\n`).join("");
  const lines = await problemsOf(
    `hostname: a.example\nlisteners: [{ role: mx, address: "[::]:25" }]\ndomains:\n${domains}`,
  );
  assertEquals(lines, []);
});

Deno.test("loadConfig() takes an alias that goes round in a circle for what it is", async () => {
  const lines = await problemsOf("hostname: a.example\nlisteners: &all [*all]\n");
  assertEquals(lines, [
    "yizhan.yaml:2:18: listeners[0]: is an alias (*) for what it is itself a part of",
    "yizhan.yaml:2:18: listeners[0]: found nothing; wanted keys below it, or not this line",
  ]);
});

Deno.test("loadConfig() is not misled by names that JavaScript has", async () => {
  const lines = await problemsOf(
    "__proto__: { hostname: a.example }\nconstructor: 1\ntoString: 1\nlisteners: { length: 3 }\n",
  );
  assertEquals(lines.map((line) => line.split(";")[0]), [
    "yizhan.yaml:1:1: __proto__: there is no such key",
    "yizhan.yaml:1:1: hostname: is missing (This machine's name in DNS, said in greetings)",
    "yizhan.yaml:2:1: constructor: there is no such key",
    "yizhan.yaml:3:1: toString: there is no such key",
    "yizhan.yaml:4:12: listeners: found keys with values",
  ]);
});

Deno.test("loadConfig() tells a hundred problems, and how many more there are", async () => {
  const lines = await problemsOf(Array.from({ length: 150 }, (_, i) => `a${i}: 1`).join("\n"));
  assertEquals(lines.length, 101);
  // 150 unknown keys, and the two that must be there.
  assertEquals(lines.at(-1), "yizhan.yaml:99:1: and 52 more problems from here on");
});
