import { assert, assertEquals } from "@std/assert";
import { concat, decode, encode } from "../../src/bytes.ts";
import type { Transaction } from "../../src/smtp/client_event.ts";
import type { ClientMechanism } from "../../src/smtp/client_session.ts";
import { showEvent, transactionTo } from "../support/client_dialogue.ts";
import { type PairOptions, SessionPair } from "../support/session_pair.ts";

const MESSAGE = "Subject: x\r\n\r\n.dot\r\n..\r\n.\r\n\r\nend\r\n";

/** Sends a message through a pair, and gives what the client told of it. */
function send(pair: SessionPair, transaction: Transaction, message = encode(MESSAGE)): string[] {
  pair.events.length = 0;
  pair.client.send(transaction);
  pair.run();
  for (let at = 0; pair.client.waiting === "body" && at < message.length; at += 7) {
    pair.client.writeBody(message.slice(at, at + 7));
    pair.run();
  }
  if (pair.client.waiting === "body") pair.client.endBody();
  pair.run();
  return pair.events.map(showEvent);
}

function recipients(...locals: string[]): Partial<Transaction> {
  return { recipients: locals.map((local) => ({ address: { local, domain: "b.example" } })) };
}

const SIZES = [1, Infinity];

for (const role of ["mx", "lmtp"] as const) {
  for (const pipelining of [true, false]) {
    for (const chunking of [true, false]) {
      for (const size of SIZES) {
        const title = `${role}, ${pipelining ? "" : "no "}PIPELINING, ${
          chunking ? "" : "no "
        }CHUNKING, ${size} at a time`;
        Deno.test(`client and server agree on messages: ${title}`, () => {
          const server = { extensions: { pipelining, chunking } };
          const client = { limits: { chunk: 10 } };
          const pair = new SessionPair({ role, server, client, size });
          assertEquals(pair.events.map(showEvent), [role === "lmtp" ? "ready LHLO" : "ready EHLO"]);

          const two = transactionTo(0, { ...recipients("b", "none", "c"), size: MESSAGE.length });
          const taken = (local: string) => role === "lmtp" ? `taken for ${local}` : "taken";
          assertEquals(send(pair, two), [
            "body",
            `outcomes 0+end 250 2.0.0 ${taken("b")}; 1-rcpt 550 5.1.1 no; 2+end 250 2.0.0 ${
              taken("c")
            }`,
          ]);
          assertEquals(send(pair, transactionTo(0, recipients("none", "no"))), [
            "outcomes 0-rcpt 550 5.1.1 no; 1-rcpt 550 5.1.1 no",
          ]);
          assertEquals(send(pair, transactionTo(0, { ...recipients("d"), sender: null })), [
            "body",
            `outcomes 0+end 250 2.0.0 ${taken("d")}`,
          ]);
          assertEquals(pair.messages.map(({ content }) => decode(content)), [MESSAGE, MESSAGE]);
          assertEquals(
            pair.messages.map(({ recipients }) => recipients.map((r) => r.recipient.local)),
            [["b", "c"], ["d"]],
          );
          assertEquals(pair.messages[0]!.command, chunking ? "BDAT" : "DATA");
          assertEquals(pair.messages[0]!.sender.parameters.size, MESSAGE.length);

          pair.client.quit();
          pair.run();
          assertEquals([pair.client.waiting, pair.server.waiting], ["closed", "closed"]);
          const bad = pair.faults.filter((f) => f.type === "fault" && f.kind !== "refused");
          assertEquals(bad, []);
        });
      }
    }
  }
}

Deno.test("client and server agree on binary content, which BDAT carries as it is", () => {
  const content = Uint8Array.from({ length: 1000 }, (_, index) => index % 256);
  for (const size of SIZES) {
    const server = { extensions: { chunking: true, binaryMime: true } };
    const pair = new SessionPair({ server, client: { limits: { chunk: 100 } }, size });
    const told = send(pair, transactionTo(1, { body: "BINARYMIME" }), content);
    assertEquals(told, ["body", "outcomes 0+end 250 2.0.0 taken"]);
    assertEquals(pair.messages[0]!.content, content);
    assertEquals(pair.messages[0]!.sender.parameters.body, "BINARYMIME");
  }
});

Deno.test("the server reads every parameter as the client meant it", () => {
  for (const size of SIZES) {
    const server = { extensions: { dsn: true, requireTls: true }, tls: "optional" } as const;
    const pair = new SessionPair({ server, size });
    pair.client.startTls();
    pair.run();
    const transaction: Transaction = {
      sender: { local: "用户", domain: "a.example" },
      recipients: [{
        address: { local: 'b "b', domain: "例子.广告" },
        notify: ["SUCCESS", "DELAY"],
        originalRecipient: { type: "utf-8", address: "豪=x@例子.广告" },
      }, {
        address: { local: "c", domain: "[IPv6:2001:db8::1]" },
        originalRecipient: { type: "rfc822", address: "c+d=e@f.example" },
      }],
      size: 37,
      body: "8BITMIME",
      smtputf8: true,
      requireTls: true,
      dsnReturn: "HDRS",
      dsnEnvelopeId: "a b+c=d",
    };
    assert(send(pair, transaction)[1]?.startsWith("outcomes 0+end dsn 250"));
    const [{ sender, recipients }] = pair.messages as [typeof pair.messages[0]];
    assertEquals(sender.sender, transaction.sender);
    assertEquals(sender.parameters, {
      size: 37,
      body: "8BITMIME",
      smtputf8: true,
      requireTls: true,
      dsnReturn: "HDRS",
      dsnEnvelopeId: "a b+c=d",
    });
    assertEquals(
      recipients.map(({ recipient, parameters }) => ({ address: recipient, ...parameters })),
      transaction.recipients.map((recipient) => ({ ...recipient })),
    );
  }
});

const submission = { role: "submission", client: {} } as const satisfies PairOptions;

for (const mechanism of ["PLAIN", "LOGIN", "SCRAM-SHA-256"] as const) {
  Deno.test(`client and server agree on STARTTLS and AUTH ${mechanism}`, () => {
    for (const size of SIZES) {
      const server = { extensions: { auth: [mechanism] } };
      const pair = new SessionPair({ ...submission, server, size });
      pair.client.authenticate({ user: "tim", password: "tanstaaftanstaaf" });
      pair.client.startTls();
      pair.run();
      pair.client.authenticate({ user: "tim", password: "wrong" });
      pair.run();
      assertEquals(pair.identity, null);
      pair.client.authenticate({ user: "tim", password: "tanstaaftanstaaf" });
      pair.run();
      assertEquals(pair.identity, "tim");
      const derives = mechanism === "SCRAM-SHA-256" ? ["derive 4096"] : [];
      assertEquals(pair.events.map(showEvent), [
        "ready EHLO",
        "auth-failed null: own 538 5.7.11 not logged in: the connection is not secured",
        "start-tls",
        "ready EHLO",
        ...derives,
        `auth-failed ${mechanism}: 535 5.7.8 ${
          mechanism === "SCRAM-SHA-256" ? "authentication failed" : "no"
        }`,
        ...derives,
        `authenticated ${mechanism}`,
      ]);
    }
  });
}

Deno.test("the client takes the strongest mechanism of ours, and only what it is allowed", () => {
  const used = (mechanisms?: readonly ClientMechanism[]) => {
    const pair = new SessionPair(submission);
    pair.client.startTls();
    pair.run();
    pair.client.authenticate(
      { user: "tim", password: "tanstaaftanstaaf" },
      mechanisms === undefined ? {} : { mechanisms },
    );
    pair.run();
    const [event] = pair.events.slice(-1);
    return event?.type === "authenticated" ? event.mechanism : event?.type;
  };
  assertEquals(used(), "SCRAM-SHA-256");
  assertEquals(used(["LOGIN", "PLAIN"]), "PLAIN");
  assertEquals(used(["LOGIN"]), "LOGIN");
  assertEquals(used([]), "auth-failed");
});

Deno.test("a pipelined group is one write, and a small message another", () => {
  for (const chunking of [true, false]) {
    const pair = new SessionPair({ server: { extensions: { chunking } }, size: Infinity });
    pair.said.length = 0;
    pair.events.length = 0;
    pair.client.send(transactionTo(3));
    pair.run();
    pair.client.writeBody(encode("a\r\n"));
    pair.client.writeBody(encode("b\r\n"));
    pair.client.endBody();
    pair.run();
    assertEquals(pair.said.length, 2);
    assert(
      decode(concat(pair.said)).endsWith(chunking ? "BDAT 6 LAST\r\na\r\nb\r\n" : "b\r\n.\r\n"),
    );
  }
});
