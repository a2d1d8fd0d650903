import { assert, assertEquals, assertThrows } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import { ClientSession } from "../../src/smtp/client_session.ts";
import { clientSettings } from "../../src/smtp/client_settings.ts";
import { reply } from "../../src/smtp/reply.ts";
import {
  type ClientStep,
  ends,
  gives,
  greeted,
  isSilent,
  playClient,
  sends,
  transactionTo,
} from "../support/client_dialogue.ts";

const MAIL = "C: MAIL FROM:<a@a.example>";
const RCPT = (index: number) => `C: RCPT TO:<b${index}@b.example>`;
const PIPELINED = greeted("PIPELINING");

Deno.test("send() waits for each reply without PIPELINING", () => {
  playClient([
    ...greeted(),
    sends(transactionTo(2)),
    MAIL,
    "W: reply",
    "S: 250 ok",
    RCPT(0),
    "S: 250 ok",
    RCPT(1),
    "S: 251 will forward",
    "C: DATA",
    "S: 354 go ahead",
    "E: body",
    "W: body",
    gives("Subject: x\r\n\r\n.dot"),
    "C: Subject: x",
    "C: ",
    "C: ..dot",
    "C: .",
    "W: reply",
    "S: 250 2.0.0 queued as 1",
    "E: outcomes 0+end 250 2.0.0 queued as 1; 1+end 250 2.0.0 queued as 1",
    "W: intent",
  ]);
});

Deno.test("send() says MAIL, RCPT and DATA in one group with PIPELINING (RFC 2920 §3.1)", () => {
  playClient([
    ...PIPELINED,
    sends(transactionTo(2)),
    MAIL,
    RCPT(0),
    RCPT(1),
    "C: DATA",
    "S: 250 2.1.0 ok",
    "S: 250 2.1.5 ok",
    "S: 550-5.1.1 no such user",
    "S: 550 5.1.1 here",
    "S: 354 go ahead",
    "E: body",
    gives("x\r\n"),
    "C: x",
    "C: .",
    "S: 250 2.0.0 ok",
    "E: outcomes 0+end 250 2.0.0 ok; 1-rcpt 550 5.1.1 no such user here",
    // the end of the message has cleared the transaction: no RSET
    sends(transactionTo(1)),
    MAIL,
    RCPT(0),
    "C: DATA",
  ]);
});

Deno.test("send() sends a lone dot when DATA is granted for nobody, and believes no 250", () => {
  playClient([
    ...PIPELINED,
    sends(transactionTo(1)),
    MAIL,
    RCPT(0),
    "C: DATA",
    "S: 250 ok",
    "S: 450 4.2.1 try later",
    "S: 354 go ahead",
    "C: .",
    "W: reply",
    "S: 250 2.0.0 ok",
    "E: outcomes 0-rcpt 450 4.2.1 try later",
    "W: intent",
  ]);
});

Deno.test("send() reads the rest of the group when MAIL is refused", () => {
  for (const [answer, more] of [["503 5.5.1 no", []], ["354 go ahead", ["C: .", "S: 554 no"]]]) {
    playClient([
      ...PIPELINED,
      sends(transactionTo(2)),
      MAIL,
      RCPT(0),
      RCPT(1),
      "C: DATA",
      "S: 550 5.7.1 not you",
      "S: 503 5.5.1 MAIL first",
      "S: 503 5.5.1 MAIL first",
      `S: ${answer}`,
      ...more as string[],
      "E: outcomes 0-mail 550 5.7.1 not you; 1-mail 550 5.7.1 not you",
      "W: intent",
      sends(transactionTo(1)),
      MAIL, // nothing was begun: no RSET
      RCPT(0),
      "C: DATA",
    ]);
  }
});

Deno.test("send() ends after MAIL is refused without PIPELINING", () => {
  playClient([
    ...greeted(),
    sends(transactionTo(2)),
    MAIL,
    "S: 451 4.3.0 later",
    "E: outcomes 0-mail 451 4.3.0 later; 1-mail 451 4.3.0 later",
    "W: intent",
  ]);
});

Deno.test("send() says no DATA for nobody without PIPELINING, and RSET before the next message", () => {
  playClient([
    ...greeted(),
    sends(transactionTo(1)),
    MAIL,
    "S: 250 ok",
    RCPT(0),
    "S: 550 no",
    "E: outcomes 0-rcpt 550 no",
    "W: intent",
    sends(transactionTo(1)),
    "C: RSET",
    "S: 250 ok",
    MAIL,
    "S: 250 ok",
    RCPT(0),
    "S: 250 ok",
    "C: DATA",
    "S: 452 4.3.1 full",
    "E: outcomes 0-data 452 4.3.1 full",
    (session) => session.reset(),
    "C: RSET",
    "S: 250 ok",
    "E: done RSET 250 ok",
    sends(transactionTo(1)),
    MAIL,
  ]);
});

Deno.test("send() says RSET in the group with PIPELINING, and gives up where it is refused", () => {
  const refused: ClientStep[] = [
    ...PIPELINED,
    sends(transactionTo(1)),
    MAIL,
    RCPT(0),
    "C: DATA",
    "S: 250 ok",
    "S: 550 5.1.1 no",
    "S: 554 5.5.1 no valid recipients",
    "E: outcomes 0-rcpt 550 5.1.1 no",
    sends(transactionTo(1)),
    "C: RSET",
    MAIL,
    RCPT(0),
    "C: DATA",
  ];
  playClient([...refused, "S: 250 ok", "S: 250 ok", "S: 250 ok", "S: 354 go", "E: body"]);
  playClient([
    ...refused,
    "S: 502 what",
    "E: outcomes 0-mail own 451 4.5.0 the server does not reset: 502 what",
    "E: failed refused at RSET: own 451 4.5.0 the server does not reset: 502 what",
  ]);
});

Deno.test("send() keeps no more commands ahead than it is set to", () => {
  playClient([
    ...PIPELINED,
    sends(transactionTo(4)),
    MAIL,
    RCPT(0),
    RCPT(1),
    "S: 250 ok",
    RCPT(2),
    "S: 550 no",
    RCPT(3),
    "S: 550 no",
    "C: DATA", // two may still be taken
    "S: 550 no",
    "S: 550 no",
    "S: 503 no recipients",
    "E: outcomes 0-rcpt 550 no; 1-rcpt 550 no; 2-rcpt 550 no; 3-rcpt 550 no",
  ], { limits: { commandsAhead: 3 } });
});

Deno.test("421 ends the session wherever it comes, and is the answer of all that wait", () => {
  playClient([
    ...PIPELINED,
    sends(transactionTo(3)),
    MAIL,
    RCPT(0),
    RCPT(1),
    RCPT(2),
    "C: DATA",
    "S: 250 ok",
    "S: 550 5.1.1 no",
    "S: 421 4.3.2 going down",
    "S: 250 not any more",
    "E: outcomes 0-rcpt 550 5.1.1 no; 1-rcpt 421 4.3.2 going down; 2-rcpt 421 4.3.2 going down",
    "E: failed shutting-down at RCPT: 421 4.3.2 going down",
    "W: closed",
    ends,
    isSilent,
  ]);
  playClient([
    ...PIPELINED,
    "S: 421 idle too long",
    "E: failed shutting-down at idle: 421 idle too long",
    "W: closed",
  ]);
});

Deno.test("421 to the end of a message is an answer: nobody may have got it", () => {
  playClient([
    ...greeted("PIPELINING"),
    sends(transactionTo(1)),
    MAIL,
    RCPT(0),
    "C: DATA",
    "S: 250 ok",
    "S: 250 ok",
    "S: 354 go",
    "E: body",
    gives("x\r\n"),
    "C: x",
    "C: .",
    "S: 421 4.3.0 no",
    "E: outcomes 0-end 421 4.3.0 no",
    "E: failed shutting-down at end: 421 4.3.0 no",
  ]);
});

const ENVELOPE: readonly ClientStep[] = [
  ...PIPELINED,
  sends(transactionTo(2)),
  MAIL,
  RCPT(0),
  RCPT(1),
  "C: DATA",
  "S: 250 ok",
  "S: 250 ok",
  "S: 550 no",
  "S: 354 go",
  "E: body",
];

Deno.test("a connection that ends after the final dot leaves it open who has the message (RFC 1047)", () => {
  for (const [how, step] of [["closed", ends], ["timeout", isSilent]] as const) {
    playClient([
      ...ENVELOPE,
      gives("x\r\n"),
      "C: x",
      "C: .",
      step,
      "E: outcomes 0-end maybe own 451 4.4.2 *; 1-rcpt 550 no",
      `E: failed ${how} at end maybe: own 451 4.4.2 *`,
    ]);
  }
});

Deno.test("a connection that ends before the final dot was written leaves nothing open", () => {
  playClient([
    ...ENVELOPE,
    (session) => {
      session.writeBody(encode("x\r\n"));
      session.endBody();
      session.receiveEnd();
    },
    "C: x",
    "C: .",
    "E: outcomes 0-end own 451 4.4.2 *; 1-rcpt 550 no",
    "E: failed closed at end: own 451 4.4.2 *",
  ]);
  playClient([
    ...ENVELOPE,
    (session) => session.writeBody(encode("x\r\n")),
    "C: x",
    ends,
    "E: outcomes 0-data own 451 4.4.2 *; 1-rcpt 550 no",
    "E: failed closed at message: own 451 4.4.2 *",
  ]);
});

Deno.test("a refusal in the middle of a message is its outcome, and the session is over", () => {
  playClient([
    ...ENVELOPE,
    (session) => session.writeBody(encode("x\r\n")),
    "C: x",
    "S: 552 5.3.4 too big",
    "E: outcomes 0-data 552 5.3.4 too big; 1-rcpt 550 no",
    "E: failed refused at message: 552 5.3.4 too big",
    "W: closed",
  ]);
});

Deno.test("a success in the middle of a message is garbage, not success", () => {
  playClient([
    ...ENVELOPE,
    "S: 250 ok",
    "E: outcomes 0-data own 451 4.5.0 *; 1-rcpt 550 no",
    "E: failed garbage at message: own 451 4.5.0 *",
  ]);
});

Deno.test("codes that answer something else are garbage", () => {
  const answers = ["354 go", "199 wait", "300 hm", "999 x", "220-x", "hello"];
  for (const answer of answers) {
    playClient([
      ...greeted(),
      sends(transactionTo(1)),
      MAIL,
      `S: ${answer}`,
      ...(answer === "220-x" ? ["S: 221 x"] : []),
      "E: outcomes 0-mail own 451 4.5.0 *",
      "E: failed garbage at MAIL: own 451 4.5.0 *",
      "W: closed",
    ]);
  }
  for (const answer of ["199 wait", "334 ok"]) {
    playClient([
      ...greeted(),
      sends(transactionTo(1)),
      MAIL,
      "S: 250 ok",
      RCPT(0),
      `S: ${answer}`,
      "E: outcomes 0-rcpt own 451 4.5.0 *",
      "E: failed garbage at RCPT: own 451 4.5.0 *",
    ]);
  }
  const beforeData = [...PIPELINED, sends(transactionTo(1)), MAIL, RCPT(0), "C: DATA", "S: 250 ok"];
  playClient([
    ...beforeData,
    "S: 354 go",
    "E: outcomes 0-rcpt own 451 4.5.0 *",
    "E: failed garbage at RCPT: own 451 4.5.0 *",
  ]);
  for (const answer of ["250 ok", "334 ok"]) {
    playClient([
      ...beforeData,
      "S: 250 ok",
      `S: ${answer}`,
      "E: outcomes 0-data own 451 4.5.0 *",
      "E: failed garbage at DATA: own 451 4.5.0 *",
    ]);
  }
  playClient([
    ...ENVELOPE,
    gives("x\r\n"),
    "C: x",
    "C: .",
    "S: 354 more",
    "E: outcomes 0-end maybe own 451 4.5.0 *; 1-rcpt 550 no",
    "E: failed garbage at end maybe: own 451 4.5.0 *",
  ]);
});

Deno.test("a reply to nothing is garbage", () => {
  playClient([
    ...greeted(),
    "S: 250 ok",
    "E: failed garbage at idle: own 451 4.5.0 *",
    "W: closed",
  ]);
});

Deno.test("abandonBody() within DATA closes without a word", () => {
  playClient([
    ...ENVELOPE,
    (session) => session.writeBody(encode("x\r\n")),
    "C: x",
    (session) => session.abandonBody(reply(451, "4.3.0", "cannot read the message")),
    "E: outcomes 0-data own 451 4.3.0 cannot read the message; 1-rcpt 550 no",
    "E: failed abandoned at message: own 451 4.3.0 cannot read the message",
    "W: closed",
  ]);
});

Deno.test("bare newlines are made CRLF, or end the session, as set; none goes out", () => {
  playClient([...ENVELOPE, gives("a\n.\nb\r"), "C: a", "C: ..", "C: b", "C: ."]);
  const refused = [
    "E: outcomes 0-data own 554 5.6.0 *; 1-rcpt 550 no",
    "E: failed abandoned at message: own 554 5.6.0 *",
  ];
  const refuse = { newlines: "refuse" } as const;
  playClient([...ENVELOPE, (s) => s.writeBody(encode("a\nb")), ...refused], refuse);
  const writesCrAndEnds: ClientStep = (session) => {
    session.writeBody(encode("a\r"));
    assertEquals(decode(session.take()), "a\r");
    session.endBody();
  };
  playClient([...ENVELOPE, writesCrAndEnds, ...refused], refuse);
});

Deno.test("LMTP answers each recipient that was taken, in order (RFC 2033 §4.2)", () => {
  const hello: ClientStep[] = [
    "S: 220 lmtp.example LMTP",
    "C: LHLO mta.example",
    "S: 250-lmtp.example",
    "S: 250 PIPELINING",
    "E: ready LHLO",
    sends(transactionTo(3)),
    MAIL,
    RCPT(0),
    RCPT(1),
    RCPT(2),
    "C: DATA",
    "S: 250 ok",
  ];
  const envelope: ClientStep[] = [
    ...hello,
    "S: 250 ok",
    "S: 550 5.1.1 no",
    "S: 250 ok",
    "S: 354 go",
    "E: body",
    gives("x\r\n"),
    "C: x",
    "C: .",
  ];
  const lmtp = { protocol: "lmtp" } as const;
  playClient([
    ...envelope,
    "S: 250 2.0.0 for b0",
    "S: 452 4.2.2 b2 is full",
    "E: outcomes 0+end 250 2.0.0 for b0; 1-rcpt 550 5.1.1 no; 2-end 452 4.2.2 b2 is full",
    "W: intent",
  ], lmtp);
  playClient([
    ...envelope,
    "S: 250 2.0.0 for b0",
    ends,
    "E: outcomes 0+end 250 2.0.0 for b0; 1-rcpt 550 5.1.1 no; 2-end maybe own 451 4.4.2 *",
    "E: failed closed at end maybe: own *",
  ], lmtp);
  playClient([
    ...envelope,
    "S: 421 4.3.2 bye",
    "E: outcomes 0-end 421 4.3.2 bye; 1-rcpt 550 5.1.1 no; 2-end maybe 421 4.3.2 bye",
    "E: failed shutting-down at end maybe: 421 4.3.2 bye",
  ], lmtp);
  playClient([
    ...hello,
    "S: 550 no",
    "S: 550 no",
    "S: 550 no",
    "S: 354 go",
    "C: .",
    "C: QUIT",
    "E: outcomes 0-rcpt 550 no; 1-rcpt 550 no; 2-rcpt 550 no",
    "E: failed abandoned at DATA: own 451 *",
  ], lmtp);
});

const CHUNKED: readonly ClientStep[] = [
  ...greeted("PIPELINING", "CHUNKING", "BINARYMIME", "8BITMIME"),
  sends(transactionTo(2)),
  MAIL,
  RCPT(0),
  RCPT(1),
  "S: 250 ok",
  "S: 250 ok",
  "S: 550 no",
  "E: body",
  "W: body",
];

Deno.test("send() uses BDAT with CHUNKING, once it is known that somebody is taken", () => {
  playClient([
    ...CHUNKED,
    gives("x\r\n.\r\n"),
    "C: BDAT 6 LAST",
    "C: x",
    "C: .",
    "S: 250 2.0.0 ok",
    "E: outcomes 0+end 250 2.0.0 ok; 1-rcpt 550 no",
    sends(transactionTo(1)),
    MAIL,
    RCPT(0),
    "S: 250 ok",
    "S: 550 no",
    "E: outcomes 0-rcpt 550 no",
  ]);
});

Deno.test("send() sends chunks ahead of their replies, as many as it is set to", () => {
  playClient([
    ...CHUNKED,
    (s) => s.writeBody(encode("ab\r\n")),
    "C: BDAT 4",
    "C: ab",
    "W: body",
    (s) => s.writeBody(encode("cd\r\n")),
    "C: BDAT 4",
    "C: cd",
    "W: reply",
    "S: 250 4 octets",
    "W: body",
    gives("e\r\n"),
    "C: BDAT 3 LAST",
    "C: e",
    "S: 250 4 octets",
    "S: 250 2.0.0 ok",
    "E: outcomes 0+end 250 2.0.0 ok; 1-rcpt 550 no",
  ], { limits: { chunk: 4, chunksAhead: 2 } });
});

Deno.test("send() waits for the reply to each chunk without PIPELINING (RFC 2920 §3.1)", () => {
  const chunked: ClientStep[] = [
    ...greeted("CHUNKING"),
    sends(transactionTo(1)),
    MAIL,
    "S: 250 ok",
    RCPT(0),
    "S: 250 ok",
    "E: body",
    (s) => s.writeBody(encode("ab\r\n")),
    "C: BDAT 4",
    "C: ab",
    "W: reply",
    gives("cd\r\n"),
  ];
  playClient([
    ...chunked,
    "S: 250 4 octets",
    "C: BDAT 4",
    "C: cd",
    "S: 250 4 octets",
    "C: BDAT 0 LAST",
    "S: 250 2.0.0 ok",
    "E: outcomes 0+end 250 2.0.0 ok",
  ], { limits: { chunk: 4 } });
  playClient([
    ...chunked,
    "S: 452 4.3.1 full",
    "E: outcomes 0-data 452 4.3.1 full",
    "W: intent",
  ], { limits: { chunk: 4 } });
  playClient([
    ...chunked,
    ends,
    "E: outcomes 0-data own 451 4.4.2 *",
    "E: failed closed at BDAT: own 451 4.4.2 *",
  ], { limits: { chunk: 4 } });
});

Deno.test("a refused chunk is the outcome once the other chunks are answered; RSET follows", () => {
  const chunks = { limits: { chunk: 4 } };
  const sent: ClientStep[] = [
    ...CHUNKED,
    (s) => s.writeBody(encode("ab\r\n")),
    "C: BDAT 4",
    "C: ab",
  ];
  const after: ClientStep[] = [
    "E: outcomes 0-data 452 4.3.1 full; 1-rcpt 550 no",
    sends(transactionTo(1)),
    "C: RSET",
    MAIL,
    RCPT(0),
  ];
  playClient([...sent, "S: 452 4.3.1 full", ...after], chunks);
  playClient([
    ...sent,
    gives("cd\r\n"),
    "C: BDAT 4",
    "C: cd",
    "C: BDAT 0 LAST",
    "S: 452 4.3.1 full",
    "W: reply",
    "S: 503 5.5.1 no",
    "S: 250 what a lie",
    ...after,
  ], chunks);
});

Deno.test("what is left of a message that is decided already goes nowhere", () => {
  playClient([
    ...CHUNKED,
    (s) => s.writeBody(encode("ab\r\n")),
    "C: BDAT 4",
    "C: ab",
    "S: 452 4.3.1 full",
    "E: outcomes 0-data 452 4.3.1 full; 1-rcpt 550 no",
    "W: intent",
    gives("cd\r\n"),
    (s) => s.abandonBody(reply(451, "4.3.0", "x")),
    "W: intent",
  ], { limits: { chunk: 4 } });
  playClient([
    ...ENVELOPE,
    "S: 421 4.3.2 bye",
    "E: outcomes 0-data 421 4.3.2 bye; 1-rcpt 550 no",
    "E: failed shutting-down at message: 421 4.3.2 bye",
    gives("x\r\n"),
    "W: closed",
  ]);
  // a message is given once
  playClient([
    ...ENVELOPE,
    gives("x\r\n"),
    "C: x",
    "C: .",
    (s) => assertThrows(() => s.endBody(), Error),
    (s) => assertThrows(() => s.writeBody(encode("x")), Error),
  ]);
});

Deno.test("the end of a message may be given though replies to chunks are awaited", () => {
  playClient([
    ...CHUNKED,
    gives("ab\r\n"),
    "C: BDAT 4",
    "C: ab",
    "C: BDAT 0 LAST",
    "W: reply",
    "S: 250 4 octets",
    "S: 250 2.0.0 ok",
    "E: outcomes 0+end 250 2.0.0 ok; 1-rcpt 550 no",
  ], { limits: { chunk: 4, chunksAhead: 1 } });
});

Deno.test("abandonBody() within BDAT keeps the session", () => {
  playClient([
    ...CHUNKED,
    (s) => s.writeBody(encode("ab\r\n")),
    "C: BDAT 4",
    "C: ab",
    (s) => s.abandonBody(reply(451, "4.3.0", "cannot read")),
    "W: reply",
    "S: 250 ok",
    "E: outcomes 0-data own 451 4.3.0 cannot read; 1-rcpt 550 no",
    "W: intent",
    sends(transactionTo(1)),
    "C: RSET",
    MAIL,
    RCPT(0),
  ], { limits: { chunk: 4 } });
});

Deno.test("BINARYMIME goes out as it is, text with its newlines mended", () => {
  const binary: ClientStep[] = [
    ...greeted("CHUNKING", "BINARYMIME"),
    sends(transactionTo(1, { body: "BINARYMIME" })),
    "C: MAIL FROM:<a@a.example> BODY=BINARYMIME",
    "S: 250 ok",
    RCPT(0),
    "S: 250 ok",
    "E: body",
  ];
  playClient([...binary, gives("a\nb\r\n"), "C: BDAT 5 LAST", "C: a\nb"]);
  playClient([...CHUNKED, gives("a\nb\r\n"), "C: BDAT 6 LAST", "C: a", "C: b"]);
});

Deno.test("a refused chunk in LMTP ends the session where the number of replies is not known", () => {
  playClient([
    "S: 220 lmtp.example LMTP",
    "C: LHLO mta.example",
    "S: 250-lmtp.example",
    "S: 250-PIPELINING",
    "S: 250 CHUNKING",
    "E: ready LHLO",
    sends(transactionTo(2)),
    MAIL,
    RCPT(0),
    RCPT(1),
    "S: 250 ok",
    "S: 250 ok",
    "S: 250 ok",
    "E: body",
    (s) => s.writeBody(encode("ab\r\n")),
    "C: BDAT 4",
    "C: ab",
    gives("c\r\n"),
    "C: BDAT 3 LAST",
    "C: c",
    "S: 451 4.3.0 no",
    "C: QUIT",
    "E: outcomes 0-data 451 4.3.0 no; 1-data 451 4.3.0 no",
    "E: failed abandoned at BDAT: 451 4.3.0 no",
    "W: closed",
  ], { protocol: "lmtp", limits: { chunk: 4 } });
});

Deno.test("what the peer cannot take is refused by ourselves, with nothing said", () => {
  const cases: [string[], Parameters<typeof transactionTo>[1], string][] = [
    [["SIZE 1000"], { size: 1001 }, "552 5.3.4"],
    [["8BITMIME"], { body: "BINARYMIME" }, "554 5.6.1"],
    [["BINARYMIME"], { body: "BINARYMIME" }, "554 5.6.1"],
    [[], { body: "8BITMIME" }, "554 5.6.3"],
    [[], { smtputf8: true }, "554 5.6.9"],
    [[], { smtputf8: true, sender: { local: "用户", domain: "a.example" } }, "553 5.6.7"],
    [["SMTPUTF8"], { sender: { local: "用户", domain: "a.example" } }, "553 5.6.7"],
    [["REQUIRETLS"], { requireTls: true }, "550 5.7.30"],
    [[], { sender: { local: "a", domain: "x> SIZE=1" } }, "553 5.1.7"],
  ];
  for (const [keywords, more, refusal] of cases) {
    playClient([
      ...greeted(...keywords),
      sends(transactionTo(2, more)),
      `E: outcomes 0-mail own ${refusal} *; 1-mail own ${refusal} *`,
      "W: intent",
    ]);
  }
});

Deno.test("a recipient that cannot be said is refused by ourselves, the others are not", () => {
  const recipients = [
    { address: { local: "a\r\nRSET", domain: "b.example" } },
    { address: { local: "用户", domain: "b.example" } },
    { address: { local: "b", domain: "b.example> NOTIFY=NEVER" } },
    { address: { local: "b0", domain: "b.example" } },
  ];
  playClient([
    ...PIPELINED,
    sends(transactionTo(0, { recipients })),
    MAIL,
    RCPT(0),
    "C: DATA",
    "S: 250 ok",
    "S: 250 ok",
    "S: 354 go",
    "E: body",
    gives(""),
    "C: .",
    "S: 250 ok",
    "E: outcomes 0-rcpt own 553 5.1.3 *; 1-rcpt own 553 5.6.7 *; 2-rcpt own 553 5.1.3 *; 3+end 250 ok",
  ]);
});

Deno.test("DSN is handed on where it is offered and the message taken (RFC 3461 §5.2.2)", () => {
  const recipients = [{
    address: { local: "b0", domain: "b.example" },
    notify: ["SUCCESS"],
  }] as const;
  playClient([
    ...greeted("PIPELINING", "DSN", "SIZE"),
    sends(transactionTo(0, { recipients, dsnReturn: "HDRS", dsnEnvelopeId: "QQ=1", size: 10 })),
    `${MAIL} SIZE=10 RET=HDRS ENVID=QQ+3D1`,
    `${RCPT(0)} NOTIFY=SUCCESS`,
    "C: DATA",
    "S: 250 ok",
    "S: 250 ok",
    "S: 354 go",
    "E: body",
    gives(""),
    "C: .",
    "S: 250 ok",
    "E: outcomes 0+end dsn 250 ok",
    sends(transactionTo(1)),
    MAIL,
    RCPT(0),
    "C: DATA",
    "S: 250 ok",
    "S: 550 no",
    "S: 503 no",
    "E: outcomes 0-rcpt 550 no", // refused: the notice is ours to make
  ]);
});

Deno.test("what a server says is kept short and clean", () => {
  const long = "x".repeat(3000);
  const lines = Array.from({ length: 60 }, (_, index) => `S: 550-${index}`);
  const session = new ClientSession(clientSettings("mta.example"), { nonce: () => "n" });
  session.receive(encode("220 x\r\n250 x\r\n"));
  session.take();
  session.next();
  session.send(transactionTo(1));
  session.receive(
    encode(
      `550-a\x1b[2J\tb\0\u009b\u202e${long}\r\n${
        lines.map((line) => `${line.slice(3)}\r\n`).join("")
      }550 end\r\n`,
    ),
  );
  const event = session.next();
  assert(event?.type === "outcomes");
  const { lines: kept } = event.outcomes[0]!.reply;
  assertEquals(kept.length, 20);
  assertEquals(kept[0]!.length, 500);
  assertEquals(kept[0]!.slice(0, 12), "a?[2J b???xx");
});

Deno.test("recipientLimit and messagesLeft are the peer's LIMITS (RFC 9422), or our own", () => {
  const limits = { recipients: 7, messages: 5 };
  const check = (recipients: number, messages: number) => (session: ClientSession) =>
    assertEquals([session.recipientLimit, session.messagesLeft], [recipients, messages]);
  playClient([...greeted(), check(7, 5)], { limits });
  playClient([
    ...greeted("LIMITS RCPTMAX=2 MAILMAX=1"),
    check(2, 1),
    (session) => assertThrows(() => session.send(transactionTo(3)), RangeError),
    (session) => assertThrows(() => session.send(transactionTo(0)), RangeError),
    sends(transactionTo(1, { body: "8BITMIME" })),
    "E: outcomes *",
    check(2, 1), // nothing was said
    sends(transactionTo(2)),
    MAIL,
    "S: 550 no",
    "E: outcomes *",
    check(2, 0),
    (session) => assertThrows(() => session.send(transactionTo(1)), RangeError),
  ], { limits });
});
