import { assertEquals, assertThrows } from "@std/assert";
import { encode } from "../../src/bytes.ts";
import { ClientSession } from "../../src/smtp/client_session.ts";
import { clientSettings } from "../../src/smtp/client_settings.ts";
import {
  ends,
  greeted,
  isSilent,
  playClient,
  sends,
  transactionTo,
} from "../support/client_dialogue.ts";

Deno.test("ClientSession waits for the greeting before it says anything (RFC 5321 §4.3.1)", () => {
  playClient([
    "W: reply",
    "S: 220-mx.example ESMTP",
    "S: 220 no spam",
    "C: EHLO mta.example",
    "S: 250-mx.example",
    "S: 250-SIZE 100",
    "S: 250 PIPELINING",
    "E: ready EHLO",
    "W: intent",
    (session) => assertEquals([session.peer?.size, session.peer?.pipelining], [100, true]),
    (session) => session.quit(),
    "C: QUIT",
    "W: reply",
    "S: 221 bye",
    "E: quit",
    "W: closed",
  ]);
});

Deno.test("ClientSession says QUIT to a greeting that turns it away (RFC 5321 §3.1)", () => {
  for (const greeting of ["554 no service", "450 4.7.1 greylisted", "521 no mail here"]) {
    playClient([
      `S: ${greeting}`,
      "C: QUIT",
      `E: failed greeting at greeting: ${greeting}`,
      "W: closed",
      "S: 221 bye",
    ]);
  }
  playClient(["S: 421 busy", "E: failed shutting-down at greeting: 421 busy", "W: closed"]);
});

Deno.test("ClientSession takes nothing but 220 for a greeting", () => {
  for (const greeting of ["250 hello", "354 go", "SSH-2.0-OpenSSH_9.2", "* OK IMAP4 ready", ""]) {
    playClient([`S: ${greeting}`, "E: failed garbage at greeting: own 451 4.5.0 *", "W: closed"]);
  }
});

Deno.test("ClientSession says HELO where EHLO is refused for good (RFC 5321 §3.2)", () => {
  for (const refusal of ["500 what", "502 5.5.1 what", "550 no"]) {
    playClient([
      "S: 220 old.example",
      "C: EHLO mta.example",
      `S: ${refusal}`,
      "C: HELO mta.example",
      "S: 250-old.example",
      "S: 250 PIPELINING",
      "E: ready HELO",
      (session) => {
        const { extended, pipelining, name } = session.peer!;
        assertEquals([extended, pipelining, name], [false, false, "old.example"]);
      },
      sends(transactionTo(1, { size: 5, dsnReturn: "FULL" })),
      "C: MAIL FROM:<a@a.example>",
    ]);
  }
});

Deno.test("ClientSession gives up where EHLO is refused for now, or HELO too, or LHLO", () => {
  playClient([
    "S: 220 x",
    "C: EHLO mta.example",
    "S: 451 4.3.0 later",
    "C: QUIT",
    "E: failed refused at EHLO: 451 4.3.0 later",
  ]);
  playClient([
    "S: 220 x",
    "C: EHLO mta.example",
    "S: 502 no",
    "C: HELO mta.example",
    "S: 550 5.7.1 not you",
    "C: QUIT",
    "E: failed refused at HELO: 550 5.7.1 not you",
  ]);
  playClient([
    "S: 220 x",
    "C: LHLO mta.example",
    "S: 500 this is SMTP",
    "C: QUIT",
    "E: failed refused at LHLO: 500 this is SMTP",
  ], { protocol: "lmtp" });
  playClient([
    "S: 220 x",
    "C: EHLO mta.example",
    "S: 220 x",
    "E: failed garbage at EHLO: own 451 4.5.0 *",
  ]);
});

Deno.test("ClientSession ends with the connection, or when its time is up", () => {
  playClient([ends, "E: failed closed at greeting: own 451 4.4.2 *", "W: closed"]);
  playClient([isSilent, "E: failed timeout at greeting: own 451 4.4.2 *", "W: closed"]);
  playClient([...greeted(), ends, "E: failed closed at idle: own 451 4.4.2 *"]);
  for (const step of [ends, isSilent, "S: 421 bye", "S: 500 what"]) {
    playClient([...greeted(), (s) => s.quit(), "C: QUIT", step, "E: quit", "W: closed"]);
  }
});

Deno.test("STARTTLS forgets what was offered and begins with EHLO again (RFC 3207 §4.2)", () => {
  playClient([
    ...greeted("STARTTLS", "SIZE 1", "REQUIRETLS"),
    (session) => {
      assertEquals([session.peer?.startTls, session.peer?.requireTls], [true, false]);
      session.startTls();
    },
    "C: STARTTLS",
    "S: 220 2.0.0 go ahead",
    "E: start-tls",
    "W: tls",
    (session) => session.tlsStarted(),
    "C: EHLO mta.example",
    "W: reply",
    (session) => assertEquals([session.peer, session.secure], [null, true]),
    "S: 250-mx.example",
    "S: 250-REQUIRETLS",
    "S: 250 STARTTLS",
    "E: ready EHLO",
    (session) => {
      const { size, requireTls, startTls } = session.peer!;
      assertEquals([size, requireTls, startTls], [false, true, false]);
      session.send(transactionTo(1, { requireTls: true }));
    },
    "C: MAIL FROM:<a@a.example> REQUIRETLS",
  ]);
});

Deno.test("octets in clear behind the reply to STARTTLS are dropped and told once", () => {
  playClient([
    ...greeted("STARTTLS"),
    (session) => session.startTls(),
    "C: STARTTLS",
    "S: 220 go ahead",
    "S: 250-evil.example",
    "S: 250 AUTH PLAIN",
    "S: 25<end>",
    "E: start-tls",
    "E: fault plaintext-after-starttls",
    "W: tls",
    (session) => session.tlsStarted(),
    "C: EHLO mta.example",
    "W: reply",
    "S: 250 mx.example",
    "E: ready EHLO",
    (session) => assertEquals(session.peer?.auth, []),
  ]);
});

Deno.test("STARTTLS may be refused, or not be offered, and the session goes on", () => {
  playClient([
    ...greeted("STARTTLS"),
    (session) => session.startTls(),
    "C: STARTTLS",
    "S: 454 4.7.0 no TLS now",
    "E: tls-refused 454 4.7.0 no TLS now",
    "W: intent",
  ]);
  playClient([
    ...greeted(),
    (session) => session.startTls(),
    "E: tls-refused own 502 5.7.4 *",
    "W: intent",
  ]);
  playClient([
    ...greeted("STARTTLS"),
    (session) => session.startTls(),
    "C: STARTTLS",
    "S: 250 go ahead",
    "E: failed garbage at STARTTLS: own 451 4.5.0 *",
  ]);
});

Deno.test("noop() and reset() are answered, whatever the answer", () => {
  playClient([
    ...greeted(),
    (session) => session.noop(),
    "C: NOOP",
    "S: 250 2.0.0 here",
    "E: done NOOP 250 2.0.0 here",
    (session) => session.reset(),
    "C: RSET",
    "S: 500 what",
    "E: done RSET 500 what",
    "W: intent",
    (session) => session.noop(),
    "C: NOOP",
    "S: 354 go",
    "E: failed garbage at NOOP: own 451 4.5.0 *",
  ]);
});

Deno.test("ignoredKeywords are as if they were not offered", () => {
  playClient([
    ...greeted("pipelining", "CHUNKING", "SIZE 10"),
    (session) => {
      const { pipelining, chunking, size } = session.peer!;
      assertEquals([pipelining, chunking, size], [false, false, 10]);
    },
  ], { ignoredKeywords: ["PIPELINING", "CHUNKING"] });
});

// RFC 5321 §4.5.3.2: greeting, MAIL, RCPT 5 minutes, DATA 2, block 3, end 10.
Deno.test("timeout is that of RFC 5321 §4.5.3.2 for each wait", () => {
  const session = new ClientSession(clientSettings("mta.example"), { nonce: () => "n" });
  const minutes: number[] = [];
  const note = () => minutes.push(session.timeout / 60_000);
  const hear = (line: string) => {
    session.receive(encode(`${line}\r\n`));
    note();
  };
  note();
  hear("220 x");
  hear("250 x");
  session.send(transactionTo(1));
  note();
  hear("250 ok");
  hear("250 ok");
  hear("354 go");
  session.endBody();
  note();
  assertEquals(minutes, [5, 5, Infinity, 5, 5, 2, 3, 10]);
});

Deno.test("intents out of turn are bugs and throw", () => {
  const session = new ClientSession(clientSettings("mta.example"), { nonce: () => "n" });
  assertThrows(() => session.send(transactionTo(1)), Error, 'waiting for "reply"');
  assertThrows(() => session.startTls(), Error);
  assertThrows(() => session.quit(), Error);
  assertThrows(() => session.writeBody(encode("x")), Error);
  assertThrows(() => session.endBody(), Error);
  assertThrows(() => session.tlsStarted(), Error);
  assertThrows(() => session.derived(new Uint8Array(32)), Error);
  session.receiveEnd();
  assertThrows(() => session.noop(), Error, 'waiting for "closed"');
});
