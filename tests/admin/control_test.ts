import { assert, assertEquals, assertRejects } from "@std/assert";
import { askControl } from "../../src/admin/control_client.ts";
import {
  ControlError,
  type ControlLine,
  type JsonObject,
} from "../../src/admin/control_protocol.ts";
import { type ControlCommand, ControlServer } from "../../src/admin/control_server.ts";
import { decode, encode } from "../../src/bytes.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import type { Connection, Network } from "../../src/runtime/network.ts";
import { errorCode } from "../../src/runtime/system_error.ts";

const PATH = "/queue/control.sock";

/** What the commands below were up to. */
interface Watch {
  made: number;
  ended: number;
  aborted: boolean;
}

function commands(watch: Watch): Record<string, ControlCommand> {
  return {
    async *count({ to }) {
      try {
        for (let i = 1; i <= Number(to); i++) {
          watch.made = i;
          yield { type: "number", value: i, padding: "x".repeat(1000) };
        }
        return { total: to };
      } finally {
        watch.ended++;
      }
    },
    // deno-lint-ignore require-yield
    async *wait(_request, signal) {
      await new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      )
        .catch((error) => {
          watch.aborted = true;
          throw error;
        });
      return {};
    },
    // deno-lint-ignore require-yield
    async *refuse() {
      throw new ControlError("not-found", "there is none");
    },
    // deno-lint-ignore require-yield
    async *crash() {
      throw new TypeError("a bug");
    },
  };
}

async function start(runtime: MemoryRuntime = memoryRuntime()) {
  const watch: Watch = { made: 0, ended: 0, aborted: false };
  const faults: unknown[] = [];
  const server = await ControlServer.start({
    ...runtime,
    path: PATH,
    commands: commands(watch),
    onFault: (error) => faults.push(error),
  });
  return { ...runtime, server, watch, faults };
}

/** The whole answer: lines, and the end or the error. */
async function ask(network: Network, request: JsonObject, path = PATH) {
  const lines: ControlLine[] = [];
  const answer = askControl(network, path, request);
  for (;;) {
    const { done, value } = await answer.next();
    if (done) return { lines, end: value };
    lines.push(value);
  }
}

/** Everything a connection still says. */
async function readAll(connection: Connection): Promise<string> {
  const buffer = new Uint8Array(4096);
  let text = "";
  for (let n; (n = await connection.read(buffer)) !== null;) text += decode(buffer.subarray(0, n));
  return text;
}

Deno.test("askControl() yields the lines and returns the end", async () => {
  const { network, server } = await start();
  const { lines, end } = await ask(network, { do: "count", to: 3 });
  assertEquals(lines.map(({ value }) => value), [1, 2, 3]);
  assertEquals(end, { type: "end", ok: true, total: 3 });
  await server.stop();
});

Deno.test("ControlServer answers several clients at once", async () => {
  const { network, server, clock } = await start();
  const answers = await clock.runUntil(
    Promise.all([1, 2, 500].map((to) => ask(network, { do: "count", to }))),
  );
  assertEquals(answers.map(({ lines }) => lines.length), [1, 2, 500]);
  await server.stop();
});

const REFUSED: readonly (readonly [string, JsonObject, string, RegExp])[] = [
  ["a command's own refusal", { do: "refuse" }, "not-found", /there is none/],
  ["a command that crashes", { do: "crash" }, "failed", /a bug/],
  ["an unknown command", { do: "dance" }, "bad-request", /no command "dance"/],
  ["a name every object has", { do: "toString" }, "bad-request", /no command "toString"/],
  ["no command", {}, "bad-request", /no command/],
  ["another version", { do: "count", to: 1, yizhan: 2 }, "version", /speaks version 1/],
];

for (const [what, request, code, message] of REFUSED) {
  Deno.test(`askControl() throws a ControlError for ${what}`, async () => {
    const { network, server } = await start();
    const error = await assertRejects(() => ask(network, request), ControlError);
    assertEquals(error.code, code);
    assert(message.test(error.message), error.message);
    await server.stop();
  });
}

Deno.test("askControl() throws unavailable when nobody listens", async () => {
  const { network } = memoryRuntime();
  const error = await assertRejects(() => ask(network, { do: "count", to: 1 }), ControlError);
  assertEquals(error.code, "unavailable");
});

for (
  const [what, said] of [
    ["an end too early", '{"type":"number"}\n'],
    ["half a line", '{"type":"end","ok":tr'],
    ["no JSON", "hello\n"],
    ["a line without a type", "{}\n"],
    ["an end that makes no sense", '{"type":"end","ok":false}\n'],
    ["nothing at all", ""],
  ] as const
) {
  Deno.test(`askControl() throws garbled for ${what}`, async () => {
    const { network } = memoryRuntime();
    const listener = await network.listen({ transport: "unix", path: PATH });
    const serving = (async () => {
      const connection = await listener.accept();
      await connection!.write(encode(said));
      await connection!.closeWrite();
      await readAll(connection!);
    })();
    const error = await assertRejects(() => ask(network, { do: "count" }), ControlError);
    assertEquals(error.code, "garbled");
    await serving;
    listener.close();
  });
}

for (
  const [what, said] of [
    ["is no JSON", "hello\n"],
    ["is no object", "[1]\n"],
    ["is not UTF-8", "\u00ff\n"],
    ["has no end within the limit", "x".repeat(70_000)],
  ] as const
) {
  Deno.test(`ControlServer refuses a request that ${what}`, async () => {
    const { network, server } = await start();
    const connection = await network.connect({ transport: "unix", path: PATH });
    const octets = Uint8Array.from(said, (character) => character.charCodeAt(0));
    await connection.write(octets).catch(() => {});
    const end = JSON.parse(await readAll(connection));
    assertEquals([end.type, end.ok, end.error.code], ["end", false, "bad-request"]);
    connection.close();
    await server.stop();
  });
}

Deno.test("ControlServer makes an answer no faster than it is read", async () => {
  const { network, server, watch, clock } = await start();
  const answer = askControl(network, PATH, { do: "count", to: 100_000 });
  await answer.next();
  await clock.advance(1000);
  assert(watch.made < 10_000, `${watch.made} lines were made for one that was read`);
  await answer.return({});
  await clock.advance(1000);
  await server.stop();
});

Deno.test("ControlServer ends the work for a client that goes away", async () => {
  const { network, server, watch, faults } = await start();
  const waiting = await network.connect({ transport: "unix", path: PATH });
  await waiting.write(encode('{"yizhan":1,"do":"wait"}\n'));
  const streaming = askControl(network, PATH, { do: "count", to: 1_000_000 });
  await streaming.next();
  await streaming.return({});
  waiting.close();
  await server.stop();
  assertEquals([watch.aborted, watch.ended], [true, 1]);
  assert(watch.made < 1_000_000);
  assertEquals(faults, []);
});

Deno.test("ControlServer.stop() tells clients, and waits for none that reads no more", async () => {
  const { network, server, clock, watch } = await start();
  const waiting = assertRejects(() => ask(network, { do: "wait" }), ControlError);
  const deaf = await network.connect({ transport: "unix", path: PATH });
  await deaf.write(encode('{"yizhan":1,"do":"count","to":1000000}\n'));
  const silent = await network.connect({ transport: "unix", path: PATH });
  await clock.advance(100);
  await clock.runUntil(server.stop());
  assertEquals((await waiting).code, "stopping");
  assertEquals(watch.ended, 1);
  deaf.close();
  silent.close();
  await assertRejects(() => network.connect({ transport: "unix", path: PATH }));
});

Deno.test("ControlServer closes on a client that asks for nothing", async () => {
  const { network, server, clock } = await start();
  const silent = await network.connect({ transport: "unix", path: PATH });
  const said = readAll(silent).catch((error) => errorCode(error));
  await clock.advance(11_000);
  assert(["", "ECONNRESET"].includes(String(await clock.runUntil(said))));
  await clock.runUntil(server.stop());
});

Deno.test("ControlServer turns away what is over the limit of clients", async () => {
  const runtime = memoryRuntime();
  const watch: Watch = { made: 0, ended: 0, aborted: false };
  const server = await ControlServer.start({
    ...runtime,
    path: PATH,
    commands: commands(watch),
    clients: 1,
  });
  const first = await runtime.network.connect({ transport: "unix", path: PATH });
  const refused = await assertRejects(
    () => ask(runtime.network, { do: "count", to: 1 }),
    ControlError,
  );
  assertEquals(refused.code, "busy");
  first.close();
  await runtime.clock.advance(10);
  assertEquals((await ask(runtime.network, { do: "count", to: 1 })).lines.length, 1);
  await runtime.clock.runUntil(server.stop());
});

Deno.test("ControlServer.start() makes a socket that is the owner's alone, and takes over a stale one", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/control.sock`;
  const options = {
    ...denoRuntime(),
    path,
    commands: commands({ made: 0, ended: 0, aborted: false }),
  };
  // A process that was killed leaves its socket behind.
  const script = `Deno.listen({ transport: "unix", path: ${JSON.stringify(path)} }); Deno.exit(0);`;
  const args = ["eval", "--no-config", script];
  assertEquals((await new Deno.Command(Deno.execPath(), { args }).output()).code, 0);
  assert((await Deno.lstat(path)).isSocket);

  const server = await ControlServer.start(options);
  assertEquals((await Deno.lstat(path)).mode! & 0o777, 0o600);
  assertEquals((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), [
    "control.sock",
  ]);
  assertEquals((await ask(options.network, { do: "count", to: 2 }, path)).lines.length, 2);
  const second = await assertRejects(() => ControlServer.start(options));
  assertEquals(errorCode(second), "EADDRINUSE");
  assertEquals((await ask(options.network, { do: "count", to: 1 }, path)).lines.length, 1);
  await server.stop();
  const gone = await assertRejects(() => ask(options.network, { do: "count" }, path), ControlError);
  assertEquals(gone.code, "unavailable");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("ControlServer.start() says so when the path is too long for a socket", async () => {
  const runtime = memoryRuntime();
  const path = `/${"x".repeat(107)}`;
  const error = await assertRejects(() => ControlServer.start({ ...runtime, path, commands: {} }));
  assertEquals(errorCode(error), "ENAMETOOLONG");
});
