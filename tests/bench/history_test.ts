import { assertEquals, assertThrows } from "@std/assert";
import { figureOf } from "../../bench/support/figure.ts";
import { formatHistoryLine, historyLine, parseHistory } from "../../bench/support/history.ts";
import { formatMachine } from "../../bench/support/machine.ts";

const machine = { cpu: "A CPU", cores: 2, kernel: "linux 6.1", deno: "2.9.6" };
const line = historyLine(
  new Date("2026-11-22T12:00:00Z"),
  { commit: "abc", modified: true },
  machine,
  [figureOf("spool", "made durable", "messages/s", [1 / 3])],
);

Deno.test("historyLine() has the commit, the date, the machine and the medians by name", () => {
  assertEquals(line, {
    commit: "abc",
    modified: true,
    date: "2026-11-22T12:00:00.000Z",
    machine,
    figures: { "spool: made durable": { median: 0.33333, unit: "messages/s" } },
  });
});

Deno.test("parseHistory() reads what formatHistoryLine() appends, and throws for other lines", () => {
  const text = formatHistoryLine(line) + formatHistoryLine(line);
  assertEquals(text.split("\n").length, 3);
  assertEquals(parseHistory(text), [line, line]);
  assertEquals(parseHistory(""), []);
  assertThrows(() => parseHistory(`${text}{}\n`), SyntaxError, "line 3");
});

Deno.test("the history of this project can be read", async () => {
  const file = new URL("../../bench/history.jsonl", import.meta.url);
  for (const { figures } of parseHistory(await Deno.readTextFile(file))) {
    for (const { median } of Object.values(figures)) assertEquals(Number.isFinite(median), true);
  }
});

Deno.test("formatMachine() says what a rate depends on", () => {
  assertEquals(formatMachine(machine), "Deno 2.9.6, 2 cores of A CPU, linux 6.1");
});
