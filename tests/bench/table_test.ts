import { assertEquals } from "@std/assert";
import { formatChange, formatNumber, formatShare, formatTable } from "../../bench/support/table.ts";

Deno.test("formatTable() makes columns as wide as their widest cell, and hides bars in cells", () => {
  assertEquals(
    formatTable(["what", "µs"], [["reading", "1"], ["a|b"]]),
    [
      "| what    | µs  |",
      "| ------- | --- |",
      "| reading | 1   |",
      "| a\\|b    |     |",
    ].join("\n"),
  );
});

Deno.test("formatNumber() gives three figures that matter, whole numbers whole, thousands parted", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [12, "12"],
    [51, "51"],
    [1234567, "1,234,567"],
    [1234.56, "1,235"],
    [99.96, "100.0"],
    [12.345, "12.3"],
    [1.2345, "1.23"],
    [0.045678, "0.0457"],
    [-12.345, "-12.3"],
  ];
  for (const [value, text] of cases) assertEquals(formatNumber(value), text);
});

Deno.test("formatShare() and formatChange() are per cent", () => {
  assertEquals(formatShare(0.234), "23 %");
  assertEquals(formatChange(0.0421), "+4.2 %");
  assertEquals(formatChange(-0.123), "-12 %");
  assertEquals(formatChange(0), "+0.0 %");
});
