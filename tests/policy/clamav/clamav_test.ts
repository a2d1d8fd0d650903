import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { clamav, type ClamavOptions } from "../../../src/policy/clamav/clamav.ts";
import { queueMatcher } from "../../../src/queue/operator/queue_filter.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation, type StationSetup } from "../../support/memory_station.ts";
import { CLAMD, type ClamdBehaviour, ScriptedClamd } from "./scripted_clamd.ts";

/** A station, and the daemon beside it on the same machine; `null`: there is none. */
async function start(
  behaviour: ClamdBehaviour | null = {},
  options: Partial<ClamavOptions> = {},
  setup: StationSetup = {},
) {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const clamd = behaviour && await ScriptedClamd.start(runtime, behaviour, options.address);
  const heard: string[] = [];
  const policy = clamav({ address: CLAMD, ...options }, {
    ...runtime,
    emit: (fact) => void (fact.type === "policy.failed" && heard.push(fact.error)),
  });
  const station = await MemoryStation.start({ runtime, policies: [policy], ...setup });
  return { station, clamd: clamd!, heard, runtime };
}

/** What the daemon makes of messages with the word "virus" in it. */
const SCANNER: ClamdBehaviour = {
  on: (message) => ({
    answer: message.includes("virus") ? "stream: Test.Virus-1 FOUND\0" : "stream: OK\0",
  }),
};
const VIRUS = "Subject: hi\r\n\r\na virus\r\n";
const FIELD = "X-Virus-Scanned";

Deno.test("attack: clamav() refuses mail with malware by 554 5.7.1, and lets an honest one pass", async () => {
  const { station, clamd } = await start(SCANNER);
  await using _ = station;
  const peer = await station.greeted();
  assertStringIncludes(await peer.mail({ text: VIRUS }, 554, "5.7.1"), "malware: Test.Virus-1");
  await peer.mail({ text: "Subject: hi\r\n\r\nHello.\r\n" });
  assertEquals((await station.mailbox("alice")).length, 1);
  assertEquals(station.of("policy.failed"), []);
  const [, honest] = clamd.messages;
  assert(honest!.startsWith("Received: from client.example"), honest);
  assert(honest!.endsWith("\r\nSubject: hi\r\n\r\nHello.\r\n"), honest);
  const [mail] = await station.mailbox("alice");
  assert(!mail!.includes(FIELD), "a mail that was looked at is not changed");
});

Deno.test("clamav() asks over a unix socket too", async () => {
  const address = { transport: "unix", path: "/run/clamd.ctl" } as const;
  const { station } = await start(SCANNER, { address });
  await using _ = station;
  const peer = await station.greeted();
  await peer.mail({ text: VIRUS }, 554, "5.7.1");
  await peer.mail({});
});

Deno.test("attack: clamav() looks at mail of whoever has logged in", async () => {
  const { station } = await start(SCANNER, {}, {
    listener: { role: "submission", extensions: { auth: ["PLAIN"] } },
  });
  await using _ = station;
  const peer = await station.greeted();
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
  await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wonderland")}`, 235);
  const mail = { sender: "alice@example.test", to: ["bob@example.test"] };
  const head = "From: alice@example.test\r\nSubject: hi\r\n\r\n";
  await peer.mail({ ...mail, text: `${head}a virus\r\n` }, 554, "5.7.1");
  await peer.mail({ ...mail, text: `${head}Hello.\r\n` });
});

Deno.test("clamav() sends a large body in pieces, every octet once", async () => {
  const { station, clamd } = await start();
  await using _ = station;
  const peer = await station.greeted();
  const line = "0123456789".repeat(7);
  const body = Array.from({ length: 4000 }, (_, index) => `${index} ${line}\r\n`).join("");
  await peer.mail({ text: `Subject: hi\r\n\r\n${body}` });
  assert(clamd.messages[0]!.endsWith(`Subject: hi\r\n\r\n${body}`));
  assertEquals(clamd.longest, 65_536);
});

Deno.test("clamav() with onInfected quarantine takes the mail and has it held in the queue", async () => {
  const { station } = await start(SCANNER, { onInfected: "quarantine" }, {
    queue: { directory: "/queue" },
  });
  await using _ = station;
  const peer = await station.greeted();
  await peer.mail({ text: VIRUS });
  assertEquals(await station.mailbox("alice"), []);
  const matcher = queueMatcher({});
  if ("wrong" in matcher) throw new Error(matcher.wrong);
  const { signal } = new AbortController();
  const held = await Array.fromAsync(station.mta.queue!.list(matcher, signal));
  assertEquals(held.map(({ state, reason }) => [state, reason]), [
    ["held", "malware: Test.Virus-1"],
  ]);
});

/** What a daemon may do instead of its work, and what is told of it. */
const TROUBLES: Record<string, readonly [ClamdBehaviour | null, RegExp]> = {
  "is not there": [null, /nobody listens|ECONNREFUSED/],
  "never reads": [{ deaf: true }, /no answer in time/],
  "never answers": [{ on: () => ({ end: "silence" }) }, /no answer in time/],
  "closes without an answer": [{ on: () => ({ end: "close" }) }, /closed without an answer/],
  "answers with half a line": [{ on: () => ({ answer: "stream: O" }) }, /no end/],
  "has an error": [
    { on: () => ({ answer: "stream: Can't open file or directory ERROR\0" }) },
    /it says: stream: Can't open/,
  ],
  "speaks another language": [{ on: () => ({ answer: "HTTP/1.1 200 OK\0" }) }, /it says: HTTP/],
  "talks without end": [{ on: () => ({ answer: "x".repeat(100_000) }) }, /longer than 2048/],
  "gives octets that are no text": [
    { on: () => ({ answer: Uint8Array.of(0xff, 0x1b, 0x0a, 0x00) }) },
    /it says: \?\?$/,
  ],
  "says OK at once and hears no message": [
    { limit: { octets: 10, answer: "stream: OK" } },
    /no end/,
  ],
};

for (const [name, [behaviour, words]] of Object.entries(TROUBLES)) {
  Deno.test(`clamav() defers by 451 4.7.1 where the daemon ${name}, or takes the mail`, async () => {
    for (const onTrouble of ["defer", "accept"] as const) {
      const { station, heard } = await start(behaviour, { onTrouble });
      await using _ = station;
      const peer = await station.greeted();
      const deferred = onTrouble === "defer";
      await peer.mail({}, deferred ? 451 : 250, deferred ? "4.7.1" : undefined);
      assertEquals(heard.length, 1);
      assert(words.test(heard[0]!), heard[0]);
      const mails = await station.mailbox("alice");
      assertEquals(mails.length, deferred ? 0 : 1);
      if (deferred) continue;
      assertStringIncludes(mails[0]!, `${FIELD}: no: the scanner could not be asked\r\n`);
    }
  });
}

Deno.test("clamav() defers when the connection is reset in the middle, and nothing is left open", async () => {
  const { station, heard, runtime } = await start();
  await using _ = station;
  const { wires } = runtime.network;
  wires.conditions = (_, server) =>
    server.transport === "tcp" && server.port === 3310
      ? { fault: { after: 100_000, kind: "reset" } }
      : {};
  const peer = await station.greeted();
  const text = `Subject: hi\r\n\r\n${"0123456789\r\n".repeat(20_000)}`;
  await peer.mail({ text }, 451, "4.7.1");
  assertEquals(heard.length, 1);
  assertEquals(wires.links.length, 1, "only the client's");
});

Deno.test("clamav() takes, defers or refuses a message that is larger than the daemon takes", async () => {
  const limit = { octets: 70_000, answer: "INSTREAM size limit exceeded. ERROR\0" };
  const answers = { accept: [250, ""], defer: [451, "4.7.1"], reject: [552, "5.3.4"] } as const;
  const text = `Subject: hi\r\n\r\n${"0123456789\r\n".repeat(20_000)}`;
  for (const [onTooLarge, [code, enhanced]] of Object.entries(answers)) {
    for (const maxSize of [undefined, 100_000]) {
      const { station, clamd, heard } = await start({ limit }, {
        onTooLarge: onTooLarge as keyof typeof answers,
        ...(maxSize !== undefined && { maxSize }),
      });
      await using _ = station;
      const peer = await station.greeted();
      await peer.mail({ text }, code, enhanced || undefined);
      await peer.mail({});
      const mails = await station.mailbox("alice");
      assertEquals(mails.length, onTooLarge === "accept" ? 2 : 1);
      const marked = mails.filter((mail) => mail.includes(`${FIELD}: no: larger than`));
      assertEquals(marked.length, mails.length - 1);
      assertEquals(heard, []);
      assertEquals(clamd.messages.length, 1);
    }
  }
});

Deno.test("clamav() asks about so many messages at once, and the others wait for their turn", async () => {
  const { station, clamd, runtime } = await start(SCANNER, { connections: 2 });
  await using _ = station;
  runtime.network.wires.conditions = (_, server) =>
    server.transport === "tcp" && server.port === 3310 ? { delay: 50 } : {};
  const peers = [];
  for (let index = 0; index < 6; index++) peers.push(await station.greeted(`198.51.100.${index}`));
  for (const peer of peers) await peer.begin();
  for (const peer of peers) await peer.send("Subject: hi\r\n\r\nHello.\r\n.\r\n");
  for (const peer of peers) await peer.expect(250);
  assertEquals(clamd.most, 2);
  assertEquals(clamd.messages.length, 6);
  await runtime.clock.advance(1000);
});
