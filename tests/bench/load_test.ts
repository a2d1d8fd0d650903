import { assertEquals, assertRejects } from "@std/assert";
import { send } from "../../bench/load.ts";
import { sinkSession } from "../../bench/sink.ts";
import { transactionOf } from "../../bench/support/smtp_client.ts";

/** A sink on a free port, which counts messages and sessions. */
function startSink() {
  const counts = { messages: 0, sessions: 0 };
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const done = (async () => {
    for await (const connection of listener) {
      counts.sessions++;
      await sinkSession(connection, () => counts.messages++);
      connection.close();
    }
  })();
  return {
    counts,
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await done;
    },
  };
}

const LOAD = { messages: 7, sessions: 1, perSession: 0, rate: 0 };

for (const pipelined of [false, true]) {
  const name = pipelined ? "in groups" : "command by command";
  Deno.test(`send() sends every message in one session, ${name}`, async () => {
    await using sink = startSink();
    const transaction = transactionOf(3000, "foo@bench.test", pipelined);
    const result = await send({ ...LOAD, port: sink.port, transaction });
    assertEquals(sink.counts, { messages: 7, sessions: 1 });
    assertEquals(result.messages, 7);
  });
}

Deno.test("send() begins a session anew after so many messages", async () => {
  await using sink = startSink();
  const transaction = transactionOf(100, "foo@bench.test", false);
  await send({ ...LOAD, port: sink.port, transaction, perSession: 3 });
  assertEquals(sink.counts, { messages: 7, sessions: 3 });
});

Deno.test("send() at a rate is not sooner done than the last message is due", async () => {
  await using sink = startSink();
  const transaction = transactionOf(100, "foo@bench.test", false);
  const { seconds } = await send({ ...LOAD, port: sink.port, transaction, rate: 100 });
  assertEquals(seconds >= 0.059, true);
});

Deno.test("send() fails when a reply is another than it must be", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    const connection = await listener.accept();
    await connection.write(new TextEncoder().encode("421 4.3.2 not now\r\n"));
    connection.close();
  })();
  const transaction = transactionOf(100, "foo@bench.test", false);
  const load = { ...LOAD, port: listener.addr.port, transaction };
  await assertRejects(() => send(load), Error, "421 4.3.2 not now");
  await serving;
  listener.close();
});

Deno.test("transactionOf() makes about so many octets, which end in a line with a dot", () => {
  const { commands, body } = transactionOf(10_000, "foo@bench.test", true);
  assertEquals(Math.abs(body.length - 10_000) < 80, true);
  assertEquals(new TextDecoder().decode(body.slice(-5)), "\r\n.\r\n");
  assertEquals(commands.length, 1);
});
