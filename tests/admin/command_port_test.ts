import { assert, assertEquals, assertRejects } from "@std/assert";
import { CommandClient, type CommandRequest, CommandServer } from "../../src/admin/command_port.ts";
import { ControlError, type JsonObject } from "../../src/admin/control_protocol.ts";
import type { ControlCommand } from "../../src/admin/control_server.ts";

/** Two sides, with a turn of the event loop between them. */
function pair(commands: Record<string, ControlCommand>) {
  const sent: CommandRequest[] = [];
  const client = new CommandClient((message) => {
    sent.push(message);
    setTimeout(() => server.receive(structuredClone(message)));
  });
  const server = new CommandServer(() => commands, (message) => {
    setTimeout(() => client.receive(structuredClone(message)));
  });
  return { client, sent };
}

const forever = () => new AbortController().signal;

async function collect(lines: ReturnType<ControlCommand>) {
  const got: JsonObject[] = [];
  for (;;) {
    const { done, value } = await lines.next();
    if (done) return { got, end: value };
    got.push(value);
  }
}

const counting: ControlCommand = async function* ({ to }) {
  for (let count = 0; count < Number(to); count++) yield { type: "count", count };
  return { counted: to };
};

Deno.test("ask() gives the lines of the other side in order, and its end", async () => {
  const { client } = pair({ count: counting });
  const { got, end } = await collect(client.ask({ do: "count", to: 1000 }, forever()));
  assertEquals(got.map(({ count }) => count), Array.from({ length: 1000 }, (_, count) => count));
  assertEquals(end, { counted: 1000 });
});

Deno.test("ask() of several at once keeps their answers apart", async () => {
  const { client } = pair({ count: counting });
  const answers = await Promise.all(
    [3, 300, 0].map((to) => collect(client.ask({ do: "count", to }, forever()))),
  );
  assertEquals(answers.map(({ got, end }) => [got.length, end.counted]), [[3, 3], [300, 300], [
    0,
    0,
  ]]);
});

Deno.test("ask() throws the error of the command, with its code", async () => {
  const { client } = pair({
    // deno-lint-ignore require-yield
    async *refuse() {
      throw new ControlError("refused", "not now");
    },
    // deno-lint-ignore require-yield
    async *break() {
      throw new RangeError("too far");
    },
  });
  for (
    const [name, code, message] of [
      ["refuse", "refused", "not now"],
      ["break", "failed", "RangeError: too far"],
      ["nothing", "bad-request", 'there is no command "nothing"'],
    ] as const
  ) {
    const error = await assertRejects(
      () => collect(client.ask({ do: name }, forever())),
      ControlError,
      message,
    );
    assertEquals(error.code, code);
  }
});

Deno.test("an answer that nobody reads waits, and ends when who asked leaves", async () => {
  let made = 0;
  const ended = Promise.withResolvers<void>();
  const { client } = pair({
    async *endless() {
      try {
        for (;;) yield { type: "line", made: ++made };
      } finally {
        ended.resolve();
      }
    },
  });
  const lines = client.ask({ do: "endless" }, forever());
  await lines.next();
  // As long as the other side could go on without being read, it does.
  let before = -1;
  while (made !== before) {
    before = made;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert(made < 1000, `${made} lines were made for nobody`);
  await lines.return({});
  await ended.promise;
});

Deno.test("aborting the signal leaves, also while nothing comes", async () => {
  const seen = Promise.withResolvers<void>();
  const { client, sent } = pair({
    // deno-lint-ignore require-yield
    async *wait(_, signal) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      seen.resolve();
      return {};
    },
  });
  const leaving = new AbortController();
  const waiting = client.ask({ do: "wait" }, leaving.signal).next();
  await new Promise((resolve) => setTimeout(resolve));
  leaving.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  await seen.promise;
  assertEquals(sent.map(({ type }) => type), ["ask", "leave"]);
});

Deno.test("end() fails who waits, and whoever asks later", async () => {
  const client = new CommandClient(() => {});
  const waiting = client.ask({ do: "status" }, forever()).next();
  client.end(new ControlError("busy", "it is gone"));
  await assertRejects(() => waiting, ControlError, "it is gone");
  await assertRejects(() => client.ask({ do: "status" }, forever()).next(), ControlError, "gone");
});
