import { assertEquals } from "@std/assert";
import {
  cutText,
  escapeJson,
  formatSize,
  formatSpan,
  formatVisible,
} from "../../src/observe/visible_text.ts";

Deno.test("formatVisible() cuts at characters, not in the middle of one", () => {
  assertEquals(formatVisible("😀😀😀", 3), "😀😀😀");
  assertEquals(formatVisible("😀😀😀😀", 3), "😀😀…");
  assertEquals(formatVisible("a\u202eb", 3), "a\\u{202e}b");
});

Deno.test("formatSize() keeps two or three digits", () => {
  assertEquals([0, 999, 1000, 1229, 10 * 1024, 1024 * 1024].map(formatSize), [
    "0 B",
    "999 B",
    "1.0 KB",
    "1.2 KB",
    "10 KB",
    "1.0 MB",
  ]);
  assertEquals(formatSize(50 * 1024 ** 3), "50 GB");
});

Deno.test("formatSpan() says seconds under a minute, and the nearest of the larger units", () => {
  const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];
  const cases: readonly [number, string][] = [
    [-5, "0 s"],
    [29_400, "29 s"],
    [40_000, "40 s"],
    [59_400, "59 s"],
    [59_600, "1 min"],
    [89 * 1000, "1 min"],
    [90 * minute, "90 min"],
    [119 * minute + 40_000, "2 h"],
    [47 * hour, "47 h"],
    [7 * day, "7 d"],
  ];
  for (const [milliseconds, wanted] of cases) assertEquals(formatSpan(milliseconds), wanted);
});

Deno.test("escapeJson() changes how text is written, not what it says", () => {
  const text = "a\u202eb\u{e0041}\x9b2J";
  const json = escapeJson(JSON.stringify({ text }));
  assertEquals(json, '{"text":"a\\u202eb\\udb40\\udc41\\u009b2J"}');
  assertEquals(JSON.parse(json), { text });
});

Deno.test("cutText() cuts between characters, and says so", () => {
  assertEquals(cutText("驿站驿站", 4), "驿站驿站");
  assertEquals(cutText("驿站驿站", 3), "驿站…");
  assertEquals(cutText("\u{1f40e}\u{1f40e}\u{1f40e}", 2), "\u{1f40e}…");
});
