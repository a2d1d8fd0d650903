import { assertEquals, assertThrows } from "@std/assert";
import {
  figureOf,
  formatFigure,
  formatFigures,
  moreIsBetter,
  nameOf,
  parseFigures,
} from "../../bench/support/figure.ts";

Deno.test("a figure is one line of JSON, which parseFigures() reads", () => {
  const figure = figureOf("spool", "made durable", "messages/s", [100, 300, 200]);
  const line = formatFigure(figure);
  assertEquals(line.includes("\n"), false);
  assertEquals(parseFigures(`${line}\n${line}\n`), [figure, figure]);
  assertEquals(nameOf(figure), "spool: made durable");
});

Deno.test("formatFigure() keeps five figures that matter", () => {
  const [figure] = parseFigures(formatFigure(figureOf("a", "b", "ms", [1 / 3, 123456.789])));
  assertEquals(figure?.lowest, 0.33333);
  assertEquals(figure?.highest, 123460);
});

Deno.test("parseFigures() reads each decoder of a line of data_decoder.ts", () => {
  const rates = {
    strict: { median: 3, lowest: 2, highest: 4 },
    "smtp-server": { median: 1, lowest: 1, highest: 1 },
  };
  const line = { bench: "data_decoder", corpus: "half dots", unit: "MB/s", rates, ratio: 3 };
  assertEquals(
    parseFigures(JSON.stringify(line)).map((figure) => [nameOf(figure), figure.median]),
    [
      ["data_decoder: half dots, strict", 3],
      ["data_decoder: half dots, smtp-server", 1],
    ],
  );
});

Deno.test("parseFigures() throws for what is no figure", () => {
  for (const text of ["{}", "null", "12", "hello", '{"bench":"a","name":"b","unit":"ms"}']) {
    assertThrows(() => parseFigures(text), SyntaxError);
  }
});

Deno.test("moreIsBetter() of rates, not of times and counts", () => {
  const better = (unit: string) => moreIsBetter(figureOf("a", "b", unit, [1]));
  assertEquals(["messages/s", "MB/s", "ms", "MB", "µs/message"].map(better), [
    true,
    true,
    false,
    false,
    false,
  ]);
});

Deno.test("formatFigures() is a table with a row for each", () => {
  const text = formatFigures([figureOf("a", "open", "ms", [1, 2, 3])]);
  assertEquals(text.split("\n").at(-1), "| open | 2      | 1      | 3       | ms   |");
});
