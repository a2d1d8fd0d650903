import { assertEquals, assertMatch } from "@std/assert";
import { concat, decode } from "../../src/bytes.ts";
import { pipeTransport } from "../../src/delivery/pipe.ts";
import type { MtaFact } from "../../src/events.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import type { ProgramCommand, ProgramResult } from "../../src/runtime/programs.ts";
import type { PipeRoute } from "../../src/routing/route.ts";
import { jobFor, type JobSetup, told } from "./support.ts";

const NEVER = new AbortController().signal;
const ROUTE: PipeRoute = {
  kind: "pipe",
  program: "/usr/bin/deliver",
  arguments: ["-f", "{sender}", "-d", "{recipient}"],
  processes: 4,
};

/** A machine with one program, and what the program was run with. */
function machine(result: ProgramResult | ((signal?: AbortSignal) => Promise<ProgramResult>)) {
  const { programs, clock } = memoryRuntime();
  const runs: { command: ProgramCommand; input: string }[] = [];
  const facts: MtaFact[] = [];
  programs.installed.set("/usr/bin/deliver", async (command, signal) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of command.input) chunks.push(chunk.slice());
    runs.push({ command, input: decode(concat(chunks)) });
    return typeof result === "function" ? await result(signal) : result;
  });
  const transport = pipeTransport({ programs, clock, emit: (fact) => facts.push(fact) });
  const deliver = (setup?: JobSetup, route = ROUTE, signal = NEVER) =>
    transport.deliver(jobFor(route, setup), signal);
  return { runs, facts, clock, deliver };
}

Deno.test("pipeTransport() feeds the message with LF, one run a recipient, no shell", async () => {
  const { runs, deliver, clock } = machine({ code: 0, output: "" });
  const outcomes = await deliver({
    to: ["bob@example.org", '"; rm -rf /"@example.org'],
    body: "one\r\ntwo\r\n",
    pieces: 5,
  });
  assertEquals(told(outcomes), [
    "0 delivered 250 2.0.0 taken by the program",
    "1 delivered 250 2.0.0 taken by the program",
  ]);
  assertEquals(runs.map(({ command }) => command.arguments), [
    ["-f", "alice@example.com", "-d", "bob@example.org"],
    ["-f", "alice@example.com", "-d", '"; rm -rf /"@example.org'],
  ]);
  assertEquals(
    runs[0]!.input,
    "Return-Path: <alice@example.com>\nDelivered-To: bob@example.org\nSubject: hi\n\none\ntwo\n",
  );
  assertEquals(Object.keys(runs[0]!.command.environment ?? {}), ["PATH"]);
  assertEquals(clock.sleepers, 0);
});

Deno.test("pipeTransport() returns mail whose address would be an option, and tells why", async () => {
  const { runs, facts, deliver } = machine({ code: 0, output: "" });
  const route = { ...ROUTE, arguments: ["{user}"] };
  const outcomes = await deliver({ to: ["-rf@example.org", "bob@example.org"] }, route);
  assertEquals(told(outcomes), [
    "0 failed 550 5.1.3 this address cannot be handed to the program",
    "1 delivered 250 2.0.0 taken by the program",
  ]);
  assertEquals(runs.map(({ command }) => command.arguments), [["bob"]]);
  assertEquals(facts, [{
    type: "queue.trouble",
    where: "pipe /usr/bin/deliver",
    error: "{user} would become an option: -rf",
    message: "m1",
  }]);
});

Deno.test("pipeTransport() returns mail whose address would lead to another folder", async () => {
  const { runs, facts, deliver } = machine({ code: 0, output: "" });
  const route = { ...ROUTE, arguments: ["/var/mail/{domain}/{user}"] };
  const outcomes = await deliver({ to: ['"../../../etc/x"@example.org'] }, route);
  assertEquals(told(outcomes), ["0 failed 550 5.1.3 this address cannot be handed to the program"]);
  assertEquals([runs.length, facts.map(({ type }) => type)], [0, ["queue.trouble"]]);
});

Deno.test("pipeTransport() reads sysexits", async () => {
  const cases: readonly [number, string, string][] = [
    [67, "", "failed 550 5.1.1 user unknown"],
    [65, "", "failed 550 5.6.0 data format error"],
    [69, "gone\nfishing", "failed 550 5.3.0 service unavailable: gone fishing"],
    [77, "", "failed 550 5.7.0 permission denied"],
    [78, "", "failed 550 5.3.5 local configuration error"],
    [71, "", "deferred 451 4.3.0 system resource problem"],
    [74, "", "deferred 451 4.3.0 input or output error"],
    [75, "", "deferred 451 4.3.0 temporary failure"],
    [1, "", "deferred 451 4.3.0 the program ended with status 1"],
    [137, "", "deferred 451 4.3.0 the program was ended by signal 9"],
    [1, "5.2.2 mailbox full", "failed 550 5.2.2 mailbox full"],
    [67, "4.2.1 back soon", "deferred 451 4.2.1 back soon"],
  ];
  for (const [code, output, expected] of cases) {
    const { deliver } = machine({ code, output });
    assertEquals(told(await deliver()), [`0 ${expected}`]);
  }
});

Deno.test("pipeTransport() defers when there is no such program, and tells it", async () => {
  const { deliver, facts } = machine({ code: 0, output: "" });
  const outcomes = await deliver({}, { ...ROUTE, program: "/usr/bin/missing" });
  assertEquals(told(outcomes), ["0 deferred 451 4.3.0 the program cannot be run now"]);
  assertEquals(facts.length, 1);
});

Deno.test("pipeTransport() ends a program that takes too long", async () => {
  const { deliver, clock } = machine((signal) =>
    new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)))
  );
  const outcomes = await clock.runUntil(deliver());
  assertEquals(told(outcomes), ["0 deferred 451 4.3.0 the program did not end in time"]);
  assertEquals(clock.now() - Date.UTC(2026, 0, 1), 1_000_000);
});

Deno.test("pipeTransport() defers when it is aborted, and the program with it", async () => {
  const abort = new AbortController();
  const { deliver, facts } = machine((signal) => {
    abort.abort();
    return Promise.reject(signal!.reason);
  });
  assertMatch(told(await deliver({}, ROUTE, abort.signal))[0]!, /^0 deferred 451 4\.3\.2/);
  assertEquals(facts, []);
});

Deno.test("pipeTransport() believes a program that ended before it was aborted", async () => {
  const abort = new AbortController();
  const { deliver, runs } = machine(() => {
    abort.abort();
    return Promise.resolve({ code: 0, output: "" });
  });
  const outcomes = await deliver({ to: ["a@example.org", "b@example.org"] }, ROUTE, abort.signal);
  assertEquals(told(outcomes)[0], "0 delivered 250 2.0.0 taken by the program");
  assertMatch(told(outcomes)[1]!, /^1 deferred 451 4\.3\.2/);
  assertEquals(runs.length, 1);
});

Deno.test("pipeTransport() believes a program that ended as its time was over", async () => {
  const { deliver, clock } = machine((signal) =>
    new Promise((resolve) =>
      signal!.addEventListener("abort", () => resolve({ code: 0, output: "" }))
    )
  );
  const outcomes = await clock.runUntil(deliver());
  assertEquals(told(outcomes), ["0 delivered 250 2.0.0 taken by the program"]);
});
