import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { encode } from "../src/bytes.ts";
import { startMta } from "../src/mta.ts";
import { denoRuntime } from "../src/runtime/deno.ts";
import { DIRECTORY } from "./support/memory_station.ts";
import { memoryRuntime } from "../src/runtime/memory.ts";
import { describeSent, sendMail, type SendMailOptions } from "../src/send_mail.ts";
import { mxCertificate, otherCertificate, testAuthority } from "./support/certificates.ts";
import { CLOSE, type PeerBehaviour, ScriptedPeer, SILENCE } from "./delivery/scripted_peer.ts";

const MESSAGE = "From: a@example.com\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n" +
  "Message-ID: <1@example.com>\nBcc: secret@example.org\n\nHello.\n";
const SENT = "From: a@example.com\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n" +
  "Message-ID: <1@example.com>\r\n\r\nHello.\r\n";
const ENVELOPE = { sender: "a@example.com", recipients: ["bob@example.org"] };
const SERVER = { host: "mx.example.test" };

/** A world with one peer, and a way to send mail in it. */
async function world(behaviour: PeerBehaviour = {}) {
  const runtime = memoryRuntime({ address: "192.0.2.1" });
  const machine = memoryRuntime({ address: "192.0.2.25", beside: runtime });
  const peers: ScriptedPeer[] = [];
  for (const port of [25, 465, 587]) {
    const address = { transport: "tcp", hostname: "0.0.0.0", port } as const;
    const implicit = port === 465;
    const tls = runtime.network.tlsServer({ certificates: [mxCertificate] });
    const with465 = implicit ? { ...behaviour, tls, implicit } : behaviour;
    peers.push(await ScriptedPeer.start(machine, with465, address));
  }
  runtime.resolver.set("mx.example.test", { a: ["192.0.2.25"] });
  runtime.resolver.set("example.org", { mx: ["10 mx.example.test"] });
  const send = (
    message: Parameters<typeof sendMail>[1],
    options: Partial<SendMailOptions> = {},
    envelope: Parameters<typeof sendMail>[0] = ENVELOPE,
  ) => runtime.clock.runUntil(sendMail(envelope, message, { runtime, ...options }));
  return { runtime, peers, send };
}

Deno.test("sendMail() takes text, octets and streams, and mends line ends", async () => {
  const { peers, send } = await world();
  async function* stream() {
    for (const octet of encode(MESSAGE)) {
      await Promise.resolve();
      yield Uint8Array.of(octet);
    }
  }
  for (const message of [MESSAGE, encode(MESSAGE), stream(), MESSAGE.trimEnd(), SENT]) {
    const { ok } = await send(message, { server: SERVER });
    assertEquals([ok, peers[0]!.messages.pop()?.text], [true, SENT]);
  }
});

Deno.test("sendMail() adds what a message may lack", async () => {
  const { peers, send } = await world();
  await send("\nHello.\n", { server: SERVER, hostname: "app.example.com" });
  assertMatch(
    peers[0]!.messages[0]!.text,
    /^Date: Thu, 01 Jan 2026 00:00:00 \+0000\r\nMessage-ID: <\w+@app\.example\.com>\r\n\r\nHello\.\r\n$/,
  );
});

Deno.test("sendMail() goes straight to the mail hosts of each domain", async () => {
  const { runtime, peers, send } = await world();
  runtime.resolver.set("null.example", { mx: ["0 ."] });
  const recipients = ["bob@example.org", "eve@null.example", "joe@example.org"];
  const result = await send(MESSAGE, {}, { sender: null, recipients });
  assertEquals(describeSent(result).map((line) => line.replace(/: .*/, "")), [
    "bob@example.org sent",
    "eve@null.example failed",
    "joe@example.org sent",
  ]);
  assertEquals(result.ok, false);
  assertMatch(describeSent(result)[1]!, /5\.1\.10/);
  assertEquals(peers[0]!.messages.map(({ mail, rcpt }) => [mail, rcpt.length]), [["<>", 2]]);
});

Deno.test("sendMail() tells recipients apart, and what is the matter with a server", async () => {
  const { send } = await world({
    on: (line) => line.includes("<eve") ? "550 5.1.1 no such user" : undefined,
  });
  const recipients = ["bob@example.org", "eve@example.org"];
  const result = await send(MESSAGE, { server: SERVER }, { sender: "a@example.com", recipients });
  assertEquals(describeSent(result), [
    "bob@example.org sent: 250 2.0.0 taken (mx.example.test [192.0.2.25]:25)",
    "eve@example.org failed: 550 5.1.1 no such user (mx.example.test [192.0.2.25]:25)",
  ]);
  const gone = await send(MESSAGE, { server: { host: "192.0.2.99", port: 26 } });
  assertMatch(
    describeSent(gone)[0]!,
    /deferred: 451 4\.4\.1 cannot connect to \[192\.0\.2\.99\]:26: /,
  );
  const unknown = await send(MESSAGE, { server: { host: "nowhere.example" } });
  assertMatch(describeSent(unknown)[0]!, /deferred: .*nowhere\.example/);
});

Deno.test("sendMail() logs in over verified TLS, on the usual ports", async () => {
  const { peers, send } = await world({
    extensions: ["AUTH PLAIN"],
    on: (line) => line.startsWith("AUTH") ? "235 2.7.0 welcome" : undefined,
  });
  const auth = { user: "alice", password: "wonderland" };
  const server = { ...SERVER, auth, authorities: [testAuthority] };
  const sent = await send(MESSAGE, { server: { ...server, tls: "implicit" } });
  assertEquals([sent.ok, sent.recipients[0]!.tls], [true, "TLSv1.3"]);
  assertEquals([peers[1]!.messages.length, peers[1]!.said("AUTH").length], [1, 1]);
  // Port 587 has no STARTTLS here.
  const clear = await send(MESSAGE, { server });
  assertMatch(describeSent(clear)[0]!, /deferred: 451 4\.7\.4 .*not offered/);
  assertEquals([peers[2]!.connections, peers[2]!.said("AUTH").length], [1, 0]);
});

Deno.test("sendMail() knows localhost by its name, and tries both its addresses", async () => {
  for (const hostname of ["::1", "127.0.0.1"]) {
    const runtime = memoryRuntime();
    // Whoever asks for no name, or another, gets a certificate for other.test.
    const tls = runtime.network.tlsServer({ certificates: [otherCertificate, mxCertificate] });
    await ScriptedPeer.start(runtime, { tls, implicit: true }, {
      transport: "tcp",
      hostname,
      port: 465,
    });
    const server = { host: "localhost", port: 465, authorities: [testAuthority] };
    const result = await runtime.clock.runUntil(sendMail(ENVELOPE, MESSAGE, { runtime, server }));
    assertEquals(describeSent(result), [
      `bob@example.org sent: 250 2.0.0 taken (localhost [${hostname}]:465)`,
    ]);
  }
});

Deno.test("sendMail() says SMTPUTF8 and 8BITMIME where the mail needs them", async () => {
  const { peers, send } = await world({ extensions: ["8BITMIME", "SMTPUTF8"] });
  await send("Subject: hi\n\nnaïve\n", { server: SERVER });
  await send("Subject: 你好\n\nx\n", { server: SERVER });
  assertEquals(peers[0]!.messages.map(({ mail }) => mail), [
    "<a@example.com> BODY=8BITMIME",
    "<a@example.com> BODY=8BITMIME SMTPUTF8",
  ]);
});

Deno.test("sendMail() says where mail may have arrived, and promises nothing (RFC 1047)", async () => {
  const recipients = ["bob@example.org", "eve@example.org"];
  const envelope = { sender: "a@example.com", recipients };
  const lost = await world({
    on: (line) => line === "." ? CLOSE : line.includes("<eve") ? "451 4.2.1 later" : undefined,
  });
  const result = await lost.send(MESSAGE, { server: SERVER }, envelope);
  assertEquals(result.recipients.map(({ status, maybeDelivered }) => [status, maybeDelivered]), [
    ["deferred", true],
    ["deferred", undefined],
  ]);
  assertMatch(describeSent(result)[0]!, /the whole message was sent.*\): it may have arrived$/);

  const giveUp = new AbortController();
  const silent = await world({
    on: (line) => {
      if (line !== ".") return undefined;
      giveUp.abort();
      return SILENCE;
    },
  });
  const aborted = await silent.send(MESSAGE, { server: SERVER, signal: giveUp.signal });
  assertEquals(aborted.recipients[0]!.maybeDelivered, true);
  const server = { host: "192.0.2.25" };
  const before = await silent.send(MESSAGE, { server, signal: giveUp.signal });
  assertEquals(describeSent(before), [
    "bob@example.org deferred: 451 4.3.2 delivery was interrupted",
  ]);
  assertEquals(before.recipients[0]!.maybeDelivered, undefined);
});

Deno.test("sendMail() sends to twenty domains at once and to the others after that", async () => {
  let most = 0;
  const { runtime, send, peers } = await world({
    on: (_, peer) => void (most = Math.max(most, peer.open)),
  });
  const domains = Array.from({ length: 50 }, (_, at) => `d${at}.example`);
  for (const domain of domains) runtime.resolver.set(domain, { mx: ["10 mx.example.test"] });
  const recipients = domains.map((domain) => `bob@${domain}`);
  const { ok } = await send(MESSAGE, {}, { sender: null, recipients });
  assertEquals([ok, peers[0]!.messages.length, most], [true, 50, 20]);
});

Deno.test("sendMail() ends when it is aborted", async () => {
  const { send } = await world({ greeting: "220-and so on" });
  const result = await send(MESSAGE, { server: SERVER, signal: AbortSignal.abort() });
  assertMatch(describeSent(result)[0]!, /deferred: /);
});

Deno.test("sendMail() ends when it is aborted while a message is read", async () => {
  const { send, peers } = await world();
  async function* stuck(giveUp: AbortController) {
    yield encode("Subject: hi\n");
    giveUp.abort();
    await new Promise(() => {});
  }
  let ended = false;
  async function* endless(giveUp: AbortController) {
    try {
      for (let read = 0;; read++) {
        if (read === 3) giveUp.abort();
        yield await Promise.resolve(encode("X: y\n"));
      }
    } finally {
      ended = true;
    }
  }
  for (const message of [stuck, endless]) {
    const giveUp = new AbortController();
    const { signal } = giveUp;
    const result = await send(message(giveUp), { server: SERVER, signal });
    assertEquals(describeSent(result), [
      "bob@example.org deferred: 451 4.3.2 delivery was interrupted",
    ]);
  }
  assertEquals([peers[0]!.connections, ended], [0, true]);
});

Deno.test("sendMail() throws for arguments that make no sense, and says which", async () => {
  const runtime = memoryRuntime();
  const cases: readonly [RegExp, () => Promise<unknown>][] = [
    [/recipients: at least one/, () => sendMail({ ...ENVELOPE, recipients: [] }, "", { runtime })],
    [
      /recipient: "bob" is not/,
      () => sendMail({ sender: null, recipients: ["bob"] }, "", { runtime }),
    ],
    [/sender: "a" is not/, () => sendMail({ ...ENVELOPE, sender: "a" }, MESSAGE, { runtime })],
    [/hostname: /, () => sendMail(ENVELOPE, MESSAGE, { runtime, hostname: "a b" })],
    [/server\.host: /, () => sendMail(ENVELOPE, MESSAGE, { runtime, server: { host: "" } })],
    [
      /server\.port: /,
      () => sendMail(ENVELOPE, MESSAGE, { runtime, server: { host: "a", port: 65536 } }),
    ],
    [/allowAddresses: /, () => sendMail(ENVELOPE, "", { runtime, allowAddresses: ["x"] })],
    [/message: .*no header field/, () => sendMail(ENVELOPE, "Hello, Bob!\n", { runtime })],
  ];
  for (const [expected, call] of cases) {
    assertMatch((await assertRejects(call, TypeError)).message, expected);
  }
  await assertRejects(() => sendMail(ENVELOPE, MESSAGE, { runtime, limit: 10 }), RangeError);
});

Deno.test("sendMail() secures and logs in over real sockets", async () => {
  const root = await Deno.makeTempDir();
  const runtime = denoRuntime();
  const address = { transport: "tcp", hostname: "127.0.0.1", port: 0 } as const;
  const mta = await startMta({
    runtime,
    hostname: "mx.example.test",
    directory: DIRECTORY,
    delivery: { maildirRoot: root },
    certificates: [mxCertificate],
    listeners: [{ role: "mx", address }, { role: "submission", address }, {
      role: "submissions",
      address,
    }],
  });
  const ports = mta.addresses.map((each) => each.transport === "tcp" ? each.port : 0);
  const host = "127.0.0.1";
  const authorities = [testAuthority];
  const auth = { user: "alice@example.test", password: "wonderland" };
  const large = `Subject: hi\n\n${".x\n".repeat(300_000)}`;
  const envelope = { sender: "alice@example.test", recipients: ["bob@example.test"] };
  const servers = [
    { host, port: ports[0]! },
    { host, port: ports[1]!, authorities, auth },
    { host, port: ports[2]!, authorities, auth, tls: "implicit" },
  ] as const;
  for (const server of servers) {
    const { recipients } = await sendMail(envelope, large, { runtime, server });
    assertEquals([recipients[0]!.status, recipients[0]!.tls], ["sent", "TLSv1.3"]);
  }
  const unknown = await sendMail(envelope, MESSAGE, {
    runtime,
    server: { host, port: ports[1]!, auth },
  });
  assertMatch(describeSent(unknown)[0]!, /deferred: 451 4\.7\.5 /);
  const wrong = await sendMail(envelope, MESSAGE, {
    runtime,
    server: { host, port: ports[1]!, authorities, auth: { ...auth, password: "x" } },
  });
  assertMatch(describeSent(wrong)[0]!, /deferred: 535 5\.7\.8 /);
  const files = await Array.fromAsync(Deno.readDir(`${root}/example.test/bob/new`));
  assertEquals(files.length, 3);
  const text = await Deno.readTextFile(`${root}/example.test/bob/new/${files[0]!.name}`);
  assertEquals(text.split("\n\n")[1], ".x\n".repeat(300_000));
  await mta.stop();
  await Deno.remove(root, { recursive: true });
});
