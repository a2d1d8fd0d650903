import { assertEquals, assertMatch } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import { MessageCarrier, type Sent } from "../../src/delivery/message_carrier.ts";
import { SessionPump } from "../../src/delivery/session_pump.ts";
import { Deadlines } from "../../src/runtime/deadlines.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import type { Connection } from "../../src/runtime/network.ts";
import { ClientSession } from "../../src/smtp/client_session.ts";
import { clientSettings } from "../../src/smtp/client_settings.ts";
import { transactionTo } from "../support/client_dialogue.ts";
import { sourceOf } from "./support.ts";

/** A socket whose buffer can be full: then a write takes its octets when there is room again. */
class FullSocket {
  said = "";
  #room: Promise<void> | null = null;
  #heard = Promise.withResolvers<string>();

  async write(octets: Uint8Array): Promise<void> {
    await this.#room;
    this.said += decode(octets);
  }

  async read(into: Uint8Array): Promise<number> {
    const text = await this.#heard.promise;
    this.#heard = Promise.withResolvers();
    into.set(encode(text));
    return text.length;
  }

  close(): void {}

  /** Is full from here on; gives what makes room. */
  fill(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#room = promise;
    return resolve;
  }

  /** The peer says it; resolves when all that comes of it has happened. */
  async hear(text: string): Promise<void> {
    this.#heard.resolve(text);
    await new Promise((resolve) => setTimeout(resolve));
  }
}

Deno.test("what is written while a reply is awaited stays as it is, whatever is heard meanwhile", async () => {
  const { clock } = memoryRuntime();
  const deadlines = new Deadlines(clock);
  const socket = new FullSocket();
  const session = new ClientSession(
    clientSettings("mta.example", { limits: { commandsAhead: 4 } }),
    {
      nonce: () => "nonce",
    },
  );
  const pump = new SessionPump(
    { clock, deadlines, emit: () => {} },
    session,
    socket as unknown as Connection,
    "mx",
  );
  const carrier = new MessageCarrier(session, pump, clock, null);
  const opening = pump.next();
  await socket.hear("220 mx\r\n");
  await socket.hear("250-mx\r\n250 PIPELINING\r\n");
  assertEquals((await opening)?.type, "ready");

  const { signal } = new AbortController();
  const send = (recipients: number): Promise<Sent> =>
    carrier.send({
      transaction: transactionTo(recipients),
      source: sourceOf("Subject: hi\r\n", "x\r\n"),
      signal,
    });
  const first = send(1);
  await socket.hear("250 ok\r\n250 ok\r\n354 go\r\n");
  socket.said = "";
  const makeRoom = socket.fill();
  const second = send(6);
  await socket.hear("250 taken\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n");
  makeRoom();
  await first;
  await socket.hear("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  await socket.hear("250 taken\r\n");
  assertEquals((await second).outcomes.map(({ accepted }) => accepted), Array(6).fill(true));
  assertEquals(socket.said.split("\r\n").slice(0, 8), [
    "MAIL FROM:<a@a.example>",
    ...Array.from({ length: 6 }, (_, index) => `RCPT TO:<b${index}@b.example>`),
    "DATA",
  ]);
  pump.close();
  deadlines.stop();
});

Deno.test("SessionPump.secure() says in one short line what a stranger's certificate is not for", async () => {
  const { clock } = memoryRuntime();
  const deadlines = new Deadlines(clock);
  const names = `mx.\u001b[2J\r\nevil.test, ${"DNS:harmless.evil.test, ".repeat(2000)}`;
  const socket = {
    startTlsClient: () => Promise.reject(new Error(`it is for ${names}`)),
    close: () => {},
  };
  const settings = clientSettings("mta.example", {});
  const pump = new SessionPump(
    { clock, deadlines, emit: () => {} },
    new ClientSession(settings, { nonce: () => "nonce" }),
    socket as unknown as Connection,
    "mx.example.org",
  );
  const failure = await pump.secure({ serverName: "mx.example.org", verify: true }, 1000);
  assertMatch(failure?.why ?? "", /^it is for mx\. \[2J evil\.test, [ -~]{250,300}\.\.\.$/);
  pump.close();
  deadlines.stop();
});
