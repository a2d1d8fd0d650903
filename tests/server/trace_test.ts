import { assert, assertEquals, assertMatch } from "@std/assert";
import type { TraceListener } from "../../src/observe/trace_listener.ts";
import { MemoryStation } from "../support/memory_station.ts";
import { assertNoSecret, base64 } from "../support/secrets.ts";

/** What a listener has heard, a line each. */
async function heard(listener: TraceListener): Promise<string[]> {
  const found = await listener.next(AbortSignal.abort());
  return found.map((one) => {
    assert("text" in one, "nothing was lost");
    return `${one.kind} ${one.text}`;
  });
}

Deno.test("a session is overheard from its opening to its end, over TLS too, and no password in it", async () => {
  await using station = await MemoryStation.start({ listener: { role: "submission" } });
  using listener = station.mta.tracer.listen({ by: "listener", name: "submission" })!;
  const peer = await station.greeted();
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
  await peer.say(`AUTH PLAIN ${base64("\0alice@example.test\0wonderland")}`, 235);
  await peer.mail({ sender: "alice@example.test", to: ["bob@example.test"] });
  await peer.say("QUIT", 221);
  assertEquals(await peer.reply(), null);
  peer.close();
  await station.runtime.clock.settle();
  const lines = await heard(listener);
  const replies = /^reply (?!220|235|221)/; // those that say more, or are told elsewhere
  assertEquals(lines.filter((line) => !replies.test(line) && !line.startsWith("tls ")), [
    "opened connection to submission",
    "reply 220 mx.example.test ESMTP",
    "command EHLO client.example",
    "command STARTTLS",
    "reply 220 2.0.0 go ahead",
    "command EHLO client.example",
    "command AUTH PLAIN […]",
    "reply 235 2.7.0 welcome",
    "command MAIL FROM:<alice@example.test>",
    "command RCPT TO:<bob@example.test>",
    "command DATA",
    "message [… 23 octets]",
    "command QUIT",
    "reply 221 2.0.0 bye",
    "closed quit",
  ]);
  assertEquals(lines.filter((line) => line.startsWith("reply 354")).length, 1);
  assertMatch(lines.find((line) => line.startsWith("tls "))!, /^tls TLS: TLSv1\.\d, TLS_\w+$/);
  assertNoSecret(lines.join("\n"), "alice@example.test", "wonderland");
  assert(!lines.join("\n").includes("Hello"), "no content");
});

Deno.test("a session that breaks within a message is overheard with how far it came", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  using listener = station.mta.tracer.listen({ by: "all" })!;
  await peer.begin();
  await peer.send("x".repeat(3000) + "\r\n");
  peer.close();
  await station.runtime.clock.settle();
  const lines = await heard(listener);
  assertMatch(lines[0]!, /^opened connection, open for \d+ s$/);
  assertEquals(lines.at(-1), "closed closed by peer, 3002 octets into a message");
});

Deno.test("only whoever was asked for is overheard", async () => {
  await using station = await MemoryStation.start();
  const networks = [{ address: Uint8Array.of(203, 0, 113, 0), prefix: 24 }];
  using listener = station.mta.tracer.listen({ by: "peer", networks })!;
  await station.greeted("198.51.100.7");
  await station.greeted("203.0.113.5");
  const found = await listener.next(AbortSignal.abort());
  assertEquals(new Set(found.map((one) => "peer" in one && one.peer)), new Set(["203.0.113.5"]));
});

Deno.test("a TLS handshake that fails is overheard", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  using listener = station.mta.tracer.listen({ by: "all" })!;
  await peer.say("STARTTLS", 220);
  await station.runtime.clock.advance(62_000);
  const lines = await heard(listener);
  assert(lines.some((line) => line.startsWith("note TLS failed: ")), lines.join("\n"));
});
