import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { decoderResults } from "../../bench/end_to_end/decoder.ts";
import {
  formatResults,
  judge,
  type Measured,
  measuredOf,
  OURS,
  parseHarnessRows,
} from "../../bench/end_to_end/results.ts";
import { formatGoal, peersFor, type Row, ROWS } from "../../bench/end_to_end/rows.ts";

/** Lines as the harness writes them, shortened. */
const RAW = `
{"work": "A", "target": "postfix", "size": 10000, "sessions": 50, "keep": true, "run": 0, "msgs": 3461, "secs": 1.8, "rate": 1000, "mb_s": 19.25, "cpu_per_1000": 1.5, "cpu_load": 0.92}
{"work": "A", "target": "yizhan", "size": 10000, "sessions": 50, "keep": true, "run": 0, "msgs": 5907, "secs": 1.86, "rate": 9000, "mb_s": 31.73, "cpu_per_1000": 0.1, "cpu_load": 0.62}
{"work": "A", "target": "yizhan", "size": 10000, "sessions": 50, "keep": true, "run": 1, "msgs": 5907, "secs": 1.86, "rate": 11000, "mb_s": 31.73, "cpu_per_1000": 0.12, "cpu_load": 0.62}
`;

const row = (name: string): Row => ROWS.find((row) => row.name === name)!;
const side = (server: string, values: number[], cpu: number[] = [], failed = 0): Measured => ({
  server,
  values,
  cpu,
  failed,
});

Deno.test("parseHarnessRows() and measuredOf() give each server's runs", () => {
  assertEquals(measuredOf(parseHarnessRows(RAW)), [
    { server: "postfix", values: [1000], cpu: [1.5], failed: 0 },
    { server: OURS, values: [9000, 11000], cpu: [0.1, 0.12], failed: 0 },
  ]);
});

Deno.test("measuredOf() keeps to the part that is meant, and counts what failed or was lost", () => {
  const rows = parseHarnessRows([
    '{"target":"postfix","what":"handshakes","rate":900,"cpu_per_1000":1,"failed":2}',
    '{"target":"postfix","what":"bulk 1 MB TLS","rate":200,"cpu_per_1000":5,"failed":0}',
    '{"target":"postfix","what":"handshakes","rate":800,"cpu_per_1000":1,"failed":1,"lost":3}',
  ].join("\n"));
  assertEquals(measuredOf(rows, "handshakes"), [
    { server: "postfix", values: [900, 800], cpu: [1, 1], failed: 6 },
  ]);
});

Deno.test("parseHarnessRows() throws for what is no run with a rate", () => {
  for (const text of ["{}", '{"target":"postfix","rate":"fast","cpu_per_1000":1}', "rate"]) {
    assertThrows(() => parseHarnessRows(text), SyntaxError);
  }
});

Deno.test("judge() wants the goal's rate and its CPU", () => {
  const goalOf = (rate: number, cpu: number) =>
    judge(row("accept"), side(OURS, [rate], [cpu]), side("postfix", [1000], [1])).reached;
  assertEquals(goalOf(8000, 0.1), true);
  assertEquals(goalOf(7999, 0.1), false);
  assertEquals(goalOf(8000, 0.11), false);
});

Deno.test("judge() counts times better where less is better", () => {
  const result = judge(row("tail"), side(OURS, [10]), side("postfix", [20]));
  assertEquals([result.times, result.reached], [2, true]);
  assertEquals(judge(row("tail"), side(OURS, [11]), side("postfix", [20])).reached, false);
});

Deno.test("judge() holds a limit without a peer, and reaches nothing where messages failed", () => {
  assertEquals(judge(row("idle"), side(OURS, [12]), null).reached, true);
  assertEquals(judge(row("idle"), side(OURS, [12.1]), null).reached, false);
  const failed = judge(row("idle"), side(OURS, [6], [], 3), null);
  assertEquals([failed.reached, failed.trouble], [false, "yizhan: 3 failed"]);
  const theirs = judge(row("small"), side(OURS, [1000]), side("postfix", [1], [], 9));
  assertEquals([theirs.reached, theirs.trouble], [false, "postfix: 9 failed"]);
});

Deno.test("judge() has no times where there is no peer, so that a goal of times is missed", () => {
  const { times, reached } = judge(row("small"), side(OURS, [1]), null);
  assertEquals([times, reached], [null, false]);
});

Deno.test("formatResults() has a row for each result, with both sides and the goal", () => {
  const peer = side("postfix", [1000, 1500], [1.5]);
  const text = formatResults([judge(row("accept"), side(OURS, [10000], [0.1]), peer)]);
  const [, , line = ""] = text.split("\n");
  const cells = line.split("|").map((cell) => cell.trim()).slice(1, -1);
  assertEquals(cells, [
    "10 KB, 50 sessions",
    "messages/s",
    "8 times, CPU 1/10",
    "10,000",
    "1,250",
    "postfix",
    "8.0",
    "0.100",
    "1.50",
    "15.0",
    "0 %, 40 %",
    "yes",
  ]);
});

Deno.test("decoderResults() wants a hundred times where lines begin with dots, else four times", () => {
  const line = (corpus: string, ours: number, theirs: number) =>
    JSON.stringify({
      bench: "data_decoder",
      corpus,
      unit: "MB/s",
      rates: {
        strict: { median: ours, lowest: ours, highest: ours },
        "smtp-server": { median: theirs, lowest: theirs, highest: theirs },
      },
      ratio: ours / theirs,
    });
  const text = [line("76 columns", 8000, 2000), line("half dots", 3000, 40)].join("\n");
  assertEquals(decoderResults(row("decoder"), text).map(({ times, reached }) => [times, reached]), [
    [4, true],
    [75, false],
  ]);
  assertThrows(() => decoderResults(row("decoder"), "{}"), SyntaxError);
});

Deno.test("peersFor() names who can do a work, Postfix in its ways", () => {
  assertEquals(peersFor("A", ["postfix", "opensmtpd"], true), ["postfix", "opensmtpd"]);
  assertEquals(peersFor("B", ["postfix", "haraka"], true), ["postfix", "postfix/local"]);
  assertEquals(peersFor("B", ["postfix"], false), ["postfix"]);
  assertEquals(peersFor("C", ["postfix", "nodemailer"], true), ["postfix", "postfix/relay-tuned"]);
  assertEquals(peersFor("E", ["opensmtpd"], true), []);
});

Deno.test("formatGoal() says what is wanted", () => {
  const goals = ROWS.map((row) => formatGoal(row.goal, row));
  assertEquals(goals.every((goal) => goal !== ""), true);
  assertEquals(goals[0], "8 times, CPU 1/10");
  assertStringIncludes(goals.join(), "at most 12 KiB");
});
