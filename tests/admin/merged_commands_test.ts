import { assertEquals, assertRejects } from "@std/assert";
import {
  ControlError,
  type ControlLine,
  type JsonObject,
} from "../../src/admin/control_protocol.ts";
import type { ControlCommand } from "../../src/admin/control_server.ts";
import { mergedCommands } from "../../src/admin/merged_commands.ts";
import { queueCommands } from "../../src/admin/queue_requests.ts";
import { QueueControl } from "../../src/queue/operator/queue_control.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { answerBy } from "../../src/admin/command_port.ts";
import { entry, IdleWorker, PlainStore, recipient } from "./support.ts";

const forever = () => new AbortController().signal;

/** The commands of a queue with these messages. */
function queueOf(...ids: readonly string[]) {
  const store = new PlainStore(...ids.map((id) => entry(id, [recipient("bob@b.test")])));
  const control = new QueueControl({
    ...denoRuntime(),
    ...{ store, worker: new IdleWorker(), emit: () => {}, patience: 10 },
  });
  return queueCommands(control);
}

/** Three queues as one. */
function merged() {
  const [own, ...others] = [queueOf("a1", "a2"), queueOf("b1"), queueOf("c1", "c2", "c3")];
  const asks = others.map((commands): ControlCommand => (request, signal) =>
    answerBy(commands, request, signal)
  );
  return mergedCommands(own!, () => asks);
}

async function ask(
  commands: Readonly<Record<string, ControlCommand>>,
  request: JsonObject,
): Promise<{ lines: ControlLine[]; end: JsonObject }> {
  const answer = answerBy(commands, request, forever());
  const lines: ControlLine[] = [];
  for (;;) {
    const { done, value } = await answer.next();
    if (done) return { lines, end: value };
    lines.push(value);
  }
}

const idsOf = (lines: readonly ControlLine[]) => lines.map(({ id }) => id);

Deno.test("list gives what all have, and adds it up", async () => {
  const { lines, end } = await ask(merged(), { do: "list" });
  assertEquals(idsOf(lines), ["a1", "a2", "b1", "c1", "c2", "c3"]);
  assertEquals([end.shown, end.limited], [6, false]);
  const octets = lines.reduce((sum, { size }) => sum + Number(size), 0);
  assertEquals(end.octets, octets);
});

Deno.test("list holds one limit over all", async () => {
  for (const limit of [1, 2, 3, 5, 6]) {
    const { lines, end } = await ask(merged(), { do: "list", limit });
    assertEquals([lines.length, end.shown, end.limited], [limit, limit, true]);
  }
  assertEquals((await ask(merged(), { do: "list", limit: 7 })).end.limited, false);
  for (const limit of [0, -1, "x"]) {
    await assertRejects(() => ask(merged(), { do: "list", limit }), ControlError, "limit");
  }
});

Deno.test("show finds a message wherever it is", async () => {
  for (const id of ["a2", "b1", "c3"]) {
    assertEquals(idsOf((await ask(merged(), { do: "show", id })).lines)[0], id);
  }
  const error = await assertRejects(
    () => ask(merged(), { do: "show", id: "d1" }),
    ControlError,
    "there is no message d1",
  );
  assertEquals(error.code, "not-found");
});

Deno.test("a change by ids is made wherever they are; what none has is missing, once", async () => {
  const { lines, end } = await ask(merged(), { do: "hold", ids: ["c1", "d1", "a1", "b1"] });
  const results = lines.map(({ type, id }) => `${id} ${type}`).sort();
  assertEquals(results, ["a1 changed", "b1 changed", "c1 changed", "d1 missing"]);
  assertEquals(end, { changed: 3, unchanged: 0, refused: 0, busy: 0, missing: 1, failed: 0 });
});

Deno.test("a change by a filter is made everywhere", async () => {
  const commands = merged();
  const { end } = await ask(commands, { do: "remove", filter: { to: "b.test" } });
  assertEquals(end.changed, 6);
  assertEquals((await ask(commands, { do: "list" })).lines, []);
});

Deno.test("a change that nobody waits for any more is ended wherever it is under way", async () => {
  const ended: string[] = [];
  const changing = (name: string): ControlCommand =>
    async function* () {
      try {
        for (;;) yield { type: "changed", id: name };
      } finally {
        ended.push(name);
      }
    };
  const commands = mergedCommands({ hold: changing("first") }, () => [changing("second")]);
  const answer = answerBy(commands, { do: "hold", filter: {} }, forever());
  await answer.next();
  await answer.return({});
  assertEquals(ended, ["first"]);
});

/** Follows conversations: says these lines, and then waits to be ended, or ends. */
function tracing(lines: readonly string[], ends = false): ControlCommand {
  return async function* (_, signal) {
    yield { type: "following", text: "all" };
    for (const text of lines) yield { type: "line", text };
    const gone = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    if (!ends) await gone;
    return { shown: lines.length, lost: 0 };
  };
}

// deno-lint-ignore require-yield
const knowsNone: ControlCommand = async function* () {
  throw new ControlError("not-found", "there is no such session");
};

Deno.test("trace hears all at once, says once what is followed, and ends at one limit", async () => {
  const commands = mergedCommands(
    { trace: tracing(["a", "b"]) },
    () => [tracing(["c", "d"]), tracing([])],
  );
  const { lines, end } = await ask(commands, { do: "trace", all: true, limit: 3 });
  assertEquals(lines.filter(({ type }) => type === "following").length, 1);
  assertEquals(lines.filter(({ type }) => type === "line").length, 3);
  assertEquals(end, { shown: 3, lost: 0 });
});

Deno.test("trace follows an id where one knows it, and fails where none does", async () => {
  const known = mergedCommands({ trace: knowsNone }, () => [tracing(["a"], true), knowsNone]);
  const { lines } = await ask(known, { do: "trace", id: "x" });
  assertEquals(lines.map(({ type }) => type), ["following", "line"]);
  const unknown = mergedCommands({ trace: knowsNone }, () => [knowsNone]);
  await assertRejects(() => ask(unknown, { do: "trace", id: "x" }), ControlError, "no such");
});

Deno.test("what is about the station itself is asked of the first alone", async () => {
  // deno-lint-ignore require-yield
  const own: ControlCommand = async function* () {
    return { by: "first" };
  };
  const commands = mergedCommands({ reload: own }, () => [knowsNone]);
  assertEquals((await ask(commands, { do: "reload" })).end, { by: "first" });
});
