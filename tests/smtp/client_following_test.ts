import { assertEquals, assertThrows } from "@std/assert";
import { encode } from "../../src/bytes.ts";
import {
  type ClientStep,
  ends,
  gives,
  greeted,
  playClient,
  sends,
  transactionTo,
} from "../support/client_dialogue.ts";

const MAIL = "C: MAIL FROM:<a@a.example>";
const RCPT = "C: RCPT TO:<b0@b.example>";
const GRANTED = ["S: 250 2.1.0 ok", "S: 250 2.1.5 ok", "S: 354 go ahead"];
const NEXT = transactionTo(1, { sender: { local: "next", domain: "a.example" } });
const NEXT_MAIL = "C: MAIL FROM:<next@a.example>";

/** A first message up to its octets. */
const BODY: readonly ClientStep[] = [
  ...greeted("PIPELINING"),
  sends(transactionTo(1)),
  MAIL,
  RCPT,
  "C: DATA",
  ...GRANTED,
  "E: body",
];

/** Ends the first message, and sends another behind it. */
const givesAndSends: ClientStep = (session) => {
  session.writeBody(encode("x\r\n"));
  session.endBody();
  assertEquals(session.mayFollow, true);
  session.send(NEXT);
  assertEquals(session.mayFollow, false);
};
const BOTH = ["C: x", "C: .", NEXT_MAIL, RCPT, "C: DATA", "W: reply"];

Deno.test("send() goes along with the end of the message before (RFC 2920 §3.1)", () => {
  playClient([
    ...BODY,
    givesAndSends,
    ...BOTH,
    "S: 250 2.0.0 first",
    "E: outcomes 0+end 250 2.0.0 first",
    ...GRANTED,
    "E: body",
    gives("y\r\n"),
    "C: y",
    "C: .",
    "S: 250 2.0.0 second",
    "E: outcomes 0+end 250 2.0.0 second",
    "W: intent",
  ]);
});

Deno.test("a message that follows has its own outcome, whatever the one before came to", () => {
  playClient([
    ...BODY,
    givesAndSends,
    ...BOTH,
    "S: 554 5.7.1 no",
    "S: 250 2.1.0 ok",
    "S: 550 5.1.1 who?",
    "S: 503 5.5.1 no recipients",
    "E: outcomes 0-end 554 5.7.1 no",
    "E: outcomes 0-rcpt 550 5.1.1 who?",
    "W: intent",
  ]);
});

Deno.test("a connection that ends says nothing of the message that follows", () => {
  playClient([
    ...BODY,
    givesAndSends,
    ...BOTH,
    ends,
    "E: outcomes 0-end maybe own 451 4.4.2 *",
    "E: outcomes 0-mail own 451 4.4.2 the connection ended before the message was asked about",
    "E: failed closed at end maybe: own 451 4.4.2 *",
  ]);
  for (
    const [answer, kind] of [["421 4.3.2 going down", "shutting-down"], ["nonsense", "garbage"]]
  ) {
    playClient([
      ...BODY,
      givesAndSends,
      ...BOTH,
      `S: ${answer}`,
      "E: outcomes 0-end *",
      "E: outcomes 0-mail own 451 4.4.2 the connection ended before the message was asked about",
      `E: failed ${kind} at end*`,
    ]);
  }
});

Deno.test("421 to the commands that went along is about them", () => {
  playClient([
    ...BODY,
    givesAndSends,
    ...BOTH,
    "S: 250 2.0.0 first",
    "E: outcomes 0+end 250 2.0.0 first",
    "S: 421 4.7.0 enough for one connection",
    "E: outcomes 0-mail 421 4.7.0 enough for one connection",
    "E: failed shutting-down at MAIL: 421 4.7.0 enough for one connection",
  ]);
});

Deno.test("a message that ended is maybe delivered, though commands wait behind it", () => {
  playClient([
    ...BODY,
    gives("x\r\n"),
    "C: x",
    "C: .",
    (session) => {
      session.send(NEXT);
      session.receiveEnd();
    },
    NEXT_MAIL,
    RCPT,
    "C: DATA",
    "E: outcomes 0-end maybe own 451 4.4.2 *",
    "E: outcomes 0-mail own 451 4.4.2 *",
    "E: failed closed at end maybe: own 451 4.4.2 *",
  ]);
});

Deno.test("what follows a chunk begins with RSET: the chunk may be refused and leave a transaction", () => {
  const chunk = ["C: BDAT 3 LAST", "C: x", "C: RSET", NEXT_MAIL, RCPT];
  const begun: readonly ClientStep[] = [
    ...greeted("PIPELINING", "CHUNKING"),
    sends(transactionTo(1)),
    MAIL,
    RCPT,
    "S: 250 ok",
    "S: 250 ok",
    "E: body",
    givesAndSends,
    ...chunk,
  ];
  for (const [answer, told] of [["250 2.0.0 taken", "0+end"], ["554 5.6.0 no", "0-end"]]) {
    playClient([
      ...begun,
      `S: ${answer}`,
      `E: outcomes ${told} ${answer}`,
      "S: 250 reset",
      "S: 250 ok",
      "S: 250 ok",
      "E: body",
      gives("y\r\n"),
      "C: BDAT 3 LAST",
      "C: y",
      "S: 250 2.0.0 second",
      "E: outcomes 0+end 250 2.0.0 second",
      // Nothing is left open.
      sends(transactionTo(1)),
      MAIL,
      RCPT,
    ]);
  }
});

Deno.test("a message that follows and cannot be said is told of in its turn", () => {
  const unsayable = transactionTo(1, { requireTls: true });
  for (const end of ["S: 250 2.0.0 first", ends]) {
    const told = end === ends ? ["E: outcomes 0-end maybe own *"] : ["E: outcomes 0+end 250 *"];
    playClient([
      ...BODY,
      (session) => {
        session.writeBody(encode("x\r\n"));
        session.endBody();
        session.send(unsayable);
      },
      "C: x",
      "C: .",
      end,
      ...told,
      "E: outcomes 0-mail own 550 5.7.30 *",
      ...(end === ends ? ["E: failed closed at end maybe: own *"] : ["W: intent"]),
    ]);
  }
});

Deno.test("what a refused chunk leaves is reset, though what followed could not be said", () => {
  playClient([
    ...greeted("PIPELINING", "CHUNKING"),
    sends(transactionTo(1)),
    MAIL,
    RCPT,
    "S: 250 ok",
    "S: 250 ok",
    "E: body",
    (session) => {
      session.writeBody(encode("x\r\n"));
      session.endBody();
      session.send(transactionTo(1, { requireTls: true }));
    },
    "C: BDAT 3 LAST",
    "C: x",
    "S: 554 5.6.0 no",
    "E: outcomes 0-end 554 5.6.0 no",
    "E: outcomes 0-mail own 550 5.7.30 *",
    "W: intent",
    sends(transactionTo(1)),
    "C: RSET",
    MAIL,
    RCPT,
  ]);
});

Deno.test("mayFollow is false before the end, without PIPELINING, and in LMTP", () => {
  const mayNot: ClientStep = (session) => {
    assertEquals(session.mayFollow, false);
    assertThrows(() => session.send(NEXT), Error);
  };
  playClient([...BODY, mayNot]);
  playClient([
    ...greeted(),
    sends(transactionTo(1)),
    MAIL,
    "S: 250 ok",
    RCPT,
    "S: 250 ok",
    "C: DATA",
    "S: 354 go",
    "E: body",
    gives("x\r\n"),
    "C: x",
    "C: .",
    mayNot,
  ]);
  const lmtp: readonly ClientStep[] = [
    "S: 220 lmtp",
    "C: LHLO mta.example",
    "S: 250-lmtp",
    "S: 250 PIPELINING",
    "E: ready LHLO",
    ...BODY.slice(greeted("PIPELINING").length),
    gives("x\r\n"),
    "C: x",
    "C: .",
    mayNot,
  ];
  playClient(lmtp, { protocol: "lmtp" });
  playClient([...BODY, gives("x\r\n"), "C: x", "C: .", mayNot], { limits: { messages: 1 } });
});
