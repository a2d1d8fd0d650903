import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { encode } from "../../src/bytes.ts";
import { type Role, type RoleOverrides, settingsOf } from "../../src/server/roles.ts";
import { ClientSession } from "../../src/smtp/client_session.ts";
import { type ClientOptions, clientSettings } from "../../src/smtp/client_settings.ts";
import type { ClientMechanism } from "../../src/smtp/client_auth.ts";
import { parseCommand } from "../../src/smtp/command.ts";
import { reply } from "../../src/smtp/reply.ts";
import type { ServerAnswer, ServerEvent } from "../../src/smtp/server_event.ts";
import { ServerSession } from "../../src/smtp/server_session.ts";
import { showCommand } from "../../src/smtp/session_tap.ts";
import { NotingTap } from "../support/noting_tap.ts";
import { assertNoSecret, base64 } from "../support/secrets.ts";
import { SessionPair } from "../support/session_pair.ts";

const USER = "zqxuserjw";
const PASSWORD = "Hx7-vQ_kzW9!pyG";
const PLAIN = base64(`\0${USER}\0${PASSWORD}`);

const show = (line: string) => showCommand(encode(line), parseCommand(encode(line)));

Deno.test("showCommand() shows commands as they came, and of those that may hold a secret only the verb", () => {
  const table: [string, string][] = [
    ["ehlo client.example", "ehlo client.example"],
    ["MAIL FROM:<a@b.example> SIZE=9", "MAIL FROM:<a@b.example> SIZE=9"],
    ["MAIL FROM: a@b.example", "MAIL FROM: a@b.example"],
    ["RCPT TO:<\u00fc@b.example>", "RCPT TO:<\u00fc@b.example>"],
    ["BDAT 12 LAST", "BDAT 12 LAST"],
    ["VRFY alice", "VRFY alice"],
    ["STARTTLS", "STARTTLS"],
    ["STARTTLS now", "STARTTLS […]"],
    ["NOOP", "NOOP"],
    [`NOOP ${PASSWORD}`, "NOOP […]"],
    [`HELP ${PASSWORD}`, "HELP […]"],
    ["AUTH PLAIN", "AUTH PLAIN"],
    [`auth plain ${PLAIN}`, "AUTH PLAIN […]"],
    ["AUTH PLAIN =", "AUTH PLAIN […]"],
    ["AUTH CRAM-MD5", "AUTH CRAM-MD5"],
    ["AUTH Secret77", "AUTH […]"],
    [`AUTH PLAIN ${USER} ${PASSWORD}`, "AUTH […]"],
    [`AUTH ${PASSWORD}`, "AUTH […]"],
    [`XCLIENT LOGIN=${USER} PASS=${PASSWORD}`, "XCLIENT […]"],
    [`PASS ${PASSWORD}`, "PASS […]"],
    [base64(PASSWORD), "[no command]"],
    ["hunter2", "[no command]"],
    ["Hunter2 is it", "[no command]"],
    ["", "[no command]"],
    [`POST /?p=${PASSWORD} HTTP/1.1`, "[HTTP, no SMTP]"],
  ];
  for (const [line, shown] of table) assertEquals(show(line), shown, line);
});

Deno.test("a server session tells what is said, in order, and never what logs in", () => {
  const tap = new NotingTap();
  const session = drive(tap, "submissions");
  session.feed(
    "EHLO client.example\r\n",
    `AUTH PLAIN ${PLAIN}\r\n`,
    "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n",
    "Subject: quiet\r\n\r\nHello\r\n.\r\nQUIT\r\n",
  );
  assertEquals(tap.lines, [
    "S: 220 mx.example ESMTP",
    "C: EHLO client.example",
    ...session.hello,
    "C: AUTH PLAIN […]",
    "S: 235 2.7.0 welcome",
    "C: MAIL FROM:<a@b.example>",
    "S: 250 2.0.0 OK",
    "C: RCPT TO:<c@d.example>",
    "S: 250 2.0.0 OK",
    "C: DATA",
    "S: 354 go",
    "C: [25 octets]", // "Subject: quiet", an empty line, "Hello", with their CRLF
    "S: 250 2.0.0 OK",
    "C: QUIT",
    "S: 221 2.0.0 bye",
  ]);
});

Deno.test("a server session tells of faults that are no reply", () => {
  const tap = new NotingTap();
  drive(tap, "mx").feed("EHLO client.example\r\n", "STARTTLS\r\nMAIL FROM:<x@y.example>\r\n");
  assertEquals(tap.lines.slice(-3), [
    "C: STARTTLS",
    "-- plaintext-after-starttls: 25 octets dropped",
    "S: 220 2.0.0 go ahead",
  ]);
});

/** Everything a client may do with a password, right and wrong; what comes before it is EHLO. */
const ATTEMPTS: readonly (readonly [name: string, role: Role, ...said: string[]])[] = [
  ["PLAIN at once", "submissions", `AUTH PLAIN ${PLAIN}\r\n`],
  ["PLAIN when asked", "submissions", "AUTH PLAIN\r\n", `${PLAIN}\r\n`],
  ["LOGIN", "submissions", "AUTH LOGIN\r\n", `${base64(USER)}\r\n`, `${base64(PASSWORD)}\r\n`],
  [
    "LOGIN with the name at once",
    "submissions",
    `AUTH LOGIN ${base64(USER)}\r\n`,
    `${base64(PASSWORD)}\r\n`,
  ],
  [
    "LOGIN in one piece",
    "submissions",
    `AUTH LOGIN\r\n${base64(USER)}\r\n${base64(PASSWORD)}\r\nNOOP\r\n`,
  ],
  [
    "the password again",
    "submissions",
    `AUTH PLAIN ${base64("\0x\0y")}\r\n`,
    `${PLAIN}\r\n${base64(PASSWORD)}\r\n`,
  ],
  ["twice at once", "submissions", `AUTH PLAIN ${PLAIN}\r\nAUTH PLAIN ${PLAIN}\r\n`],
  ["given up", "submissions", "AUTH LOGIN\r\n", "*\r\n", `${base64(PASSWORD)}\r\n${PASSWORD}\r\n`],
  ["no base64", "submissions", "AUTH PLAIN\r\n", `${USER} ${PASSWORD}\r\n`],
  ["no base64 at once", "submissions", `AUTH PLAIN ${PASSWORD}\r\n`],
  [
    "in clear, which is refused",
    "submission",
    `AUTH LOGIN\r\n${base64(USER)}\r\n${base64(PASSWORD)}\r\n`,
  ],
  ["where there is no AUTH", "mx", `AUTH PLAIN ${PLAIN}\r\n${PLAIN}\r\n`],
  ["an unknown mechanism", "submissions", "AUTH CRAM-MD5\r\n", `${base64(PASSWORD)}\r\n`],
  ["as the mechanism", "submissions", `AUTH ${PASSWORD}\r\n`, `AUTH ${base64(PASSWORD)}\r\n`],
  ["too long a line", "submissions", "AUTH PLAIN\r\n", `${PLAIN.repeat(900)}\r\n`],
  ["a bare LF", "submissions", "AUTH LOGIN\r\n", `${base64(PASSWORD)}\n`],
  [
    "other commands",
    "mx",
    `XCLIENT LOGIN=${PASSWORD}\r\nUSER ${USER}\r\nPASS ${PASSWORD}\r\n${PASSWORD}\r\n`,
  ],
  [
    "as arguments",
    "mx",
    `NOOP ${PASSWORD}\r\nRSET ${PASSWORD}\r\nHELP ${PASSWORD}\r\nQUIT ${PASSWORD}\r\n`,
  ],
  ["after STARTTLS in clear", "mx", `STARTTLS\r\nAUTH PLAIN ${PLAIN}\r\n`],
  [
    "in a browser's words",
    "mx",
    `POST /${PASSWORD} HTTP/1.1\r\nAuthorization: Basic ${base64(`${USER}:${PASSWORD}`)}\r\n`,
  ],
  [
    "in a message",
    "mx",
    "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n",
    `Subject: ${PASSWORD}\r\n\r\n${PASSWORD}\r\n.\r\n`,
  ],
  [
    "in a chunk",
    "mx",
    `MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nBDAT ${PASSWORD.length} LAST\r\n${PASSWORD}`,
  ],
  [
    "in a message nobody asked for",
    "mx",
    `DATA\r\nSubject: ${PASSWORD}\r\n\r\n${PASSWORD}\r\n.\r\n`,
  ],
];

for (const [name, role, ...said] of ATTEMPTS) {
  Deno.test(`a server session tells no secret, however it is cut: ${name}`, () => {
    const all = said.join("");
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 }),
        fc.boolean(),
        (cuts, letIn) => {
          const tap = new NotingTap();
          const session = drive(tap, role, letIn);
          session.feed("EHLO client.example\r\n", ...cut(all, cuts));
          assert(tap.lines.length > 3, tap.text);
          assertNoSecret(tap.text, USER, PASSWORD);
        },
      ),
      { numRuns: 40 },
    );
  });
}

const MECHANISMS: readonly ClientMechanism[] = ["PLAIN", "LOGIN", "SCRAM-SHA-256"];

for (const mechanism of MECHANISMS) {
  for (const password of ["tanstaaftanstaaf", "wrongWRONG-77q"]) {
    Deno.test(`neither side tells what is said for ${mechanism} with ${password}`, () => {
      for (const size of [1, 7, 4096]) {
        const taps = { client: new NotingTap(), server: new NotingTap() };
        const pair = new SessionPair({ role: "submission", size, taps });
        pair.client.startTls();
        pair.run();
        pair.client.authenticate({ user: "tim", password }, { mechanisms: [mechanism] });
        pair.run();
        for (const { lines, text } of [taps.client, taps.server]) {
          assertNoSecret(text, "tim", password);
          const begin = lines.findIndex((line) => line.startsWith("C: AUTH "));
          const exchange = lines.slice(begin);
          const initial = mechanism === "LOGIN" ? "" : " […]";
          assertEquals(exchange[0], `C: AUTH ${mechanism}${initial}`);
          for (const line of exchange.slice(1, -1)) {
            assert(["C: […]", "S: 334 […]", "C: *"].includes(line), line);
          }
        }
      }
    });
  }
}

Deno.test("a client session hides what a server says back of its password", () => {
  const echoes = [
    `535 5.7.8 wrong: ${PASSWORD}\r\n`,
    `535-5.7.8 wrong\r\n535 5.7.8 you said ${PLAIN}\r\n`,
    `334 ${PLAIN}\r\n`,
    `235 welcome, ${PASSWORD}\r\n`,
    `535 5.7.8 you said ${PLAIN.replace(/=+$/, "")}\r\n`,
    `535-5.7.8 you said ${PLAIN.slice(0, 9)}\r\n535 5.7.8 ${PLAIN.slice(9)}\r\n`,
  ];
  for (const echo of echoes) {
    const tap = new NotingTap();
    const session = client(tap);
    session.receive(encode("220 x\r\n250-x\r\n250 AUTH PLAIN\r\n"));
    while (session.next() !== null);
    session.authenticate({ user: USER, password: PASSWORD });
    session.receive(encode(echo));
    assertNoSecret(tap.text, USER, PASSWORD);
    assertEquals(
      tap.lines.at(-1)?.startsWith(`S: ${echo.slice(0, 3)} `),
      echo[0] !== "3",
      tap.text,
    );
  }
});

Deno.test("a client session keeps what a server says back of its password out of the log too", () => {
  for (const mechanism of ["PLAIN", "LOGIN"] as const) {
    const session = new ClientSession(clientSettings("client.example"), {
      secure: true,
      nonce: () => "n",
    });
    session.receive(encode(`220 x\r\n250-x\r\n250 AUTH ${mechanism}\r\n`));
    while (session.next() !== null);
    session.authenticate({ user: USER, password: PASSWORD });
    if (mechanism === "LOGIN") session.receive(encode("334 x\r\n334 y\r\n"));
    session.receive(encode(`535 5.7.8 ${USER}: wrong password "${PASSWORD}"\r\n`));
    const told = session.next();
    assert(told?.type === "auth-failed" && told.remote);
    assertEquals(told.reply, { code: 535, enhanced: "5.7.8", lines: ["[…]"] });
  }
});

Deno.test("a client session tells a chunk by its head and its size", () => {
  const tap = new NotingTap();
  const session = client(tap);
  session.receive(encode("220 x\r\n250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n"));
  while (session.next() !== null);
  session.send({
    sender: null,
    recipients: [{ address: { local: "c", domain: "d.example" } }],
    body: "7BIT",
    smtputf8: false,
    requireTls: false,
  });
  session.receive(encode("250 ok\r\n250 ok\r\n"));
  while (session.next() !== null);
  session.writeBody(encode("secret\r\n"));
  session.endBody();
  assertEquals(tap.lines.slice(-6), [
    "C: MAIL FROM:<>",
    "C: RCPT TO:<c@d.example>",
    "S: 250 ok",
    "S: 250 ok",
    "C: BDAT 8 LAST",
    "C: [8 octets]",
  ]);
});

/** A client of a server that is secured. */
function client(tap: NotingTap, options: ClientOptions = {}): ClientSession {
  const settings = clientSettings("mta.example", options);
  return new ClientSession(settings, { secure: true, nonce: () => "nonce", tap });
}

/** Text in pieces of these lengths, the rest in one. */
function cut(text: string, lengths: readonly number[]): string[] {
  const pieces: string[] = [];
  let at = 0;
  for (const length of lengths) {
    pieces.push(text.slice(at, at + length));
    at += length;
  }
  return [...pieces, text.slice(at)].filter((piece) => piece !== "");
}

/** A server session that takes everything, and lets in or does not. */
function drive(tap: NotingTap, role: Role, letIn = true, overrides: RoleOverrides = {}) {
  const session = new ServerSession(settingsOf(role, "mx.example", overrides), {
    secure: role === "submissions",
    nonce: () => "server-nonce",
    tap,
  });
  const run = () => {
    for (let event; (event = session.next()) !== null;) {
      const given = answer(event, letIn);
      if (given !== null) session.answer(given);
    }
    session.take();
  };
  run();
  let hello: string[] = [];
  return {
    /** The reply to EHLO. */
    get hello() {
      return hello;
    },
    feed(...pieces: string[]) {
      for (const piece of pieces) {
        if (session.waiting !== "bytes") return;
        const octets = encode(piece);
        session.receive(octets);
        run();
        octets.fill(0xaa);
        if (hello.length === 0) hello = tap.lines.filter((line) => line.startsWith("S: 250"));
      }
    },
  };
}

function answer(event: ServerEvent, letIn: boolean): ServerAnswer | null {
  switch (event.type) {
    case "connect":
      return { reply: reply(220, undefined, "mx.example ESMTP") };
    case "auth":
    case "authenticated":
      return letIn ? { identity: event.name } : { reply: reply(535, "5.7.8", "wrong") };
    case "body":
      return { reply: reply(354, undefined, "go") };
    case "chunk":
    case "abort":
    case "fault":
    case "starttls":
    case "auth-failed":
    case "quit":
      return null;
    case "scram":
      throw new Error("no attempt here uses SCRAM");
    default:
      return { reply: reply(250, "2.0.0", "OK") };
  }
}
