import { assertEquals } from "@std/assert";
import { pbkdf2Sync } from "node:crypto";
import { encode } from "../../src/bytes.ts";
import type { ClientMechanism, ClientSession } from "../../src/smtp/client_session.ts";
import { formatBase64, parseBase64 } from "../../src/smtp/sasl/base64.ts";
import { type ClientStep, greeted, playClient } from "../support/client_dialogue.ts";

const SECURE = { secure: true };

function logsIn(
  user: string,
  password: string,
  mechanisms?: readonly ClientMechanism[],
): ClientStep {
  return (session) =>
    session.authenticate({ user, password }, mechanisms === undefined ? {} : { mechanisms });
}

/** base64 of text. */
const b64 = (text: string) => formatBase64(encode(text));

// RFC 4954 §4.1 has "AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=" for another form; this is RFC 4616 §4's message.
const TIM = "AHRpbQB0YW5zdGFhZnRhbnN0YWFm";

Deno.test("authenticate() sends PLAIN with its initial response", () => {
  playClient(
    [
      ...greeted("AUTH LOGIN PLAIN"),
      logsIn("tim", "tanstaaftanstaaf"),
      `C: AUTH PLAIN ${TIM}`,
      "W: reply",
      "S: 235 2.7.0 welcome",
      "E: authenticated PLAIN",
      "W: intent",
    ],
    {},
    SECURE,
  );
});

Deno.test("authenticate() waits with what is too long for the command (RFC 4954 §4)", () => {
  const password = "x".repeat(400);
  playClient(
    [
      ...greeted("AUTH PLAIN"),
      logsIn("tim", password),
      "C: AUTH PLAIN",
      "S: 334 ",
      `C: ${b64(`\0tim\0${password}`)}`,
      "S: 235 ok",
      "E: authenticated PLAIN",
    ],
    {},
    SECURE,
  );
  const oneMore = "x".repeat(373 - 5);
  playClient([...greeted("AUTH PLAIN"), logsIn("tim", oneMore), "C: AUTH PLAIN"], {}, SECURE);
  // "AUTH PLAIN " and CRLF leave 499: 496 of base64, 372 octets
  const fits = "x".repeat(372 - 5);
  playClient(
    [
      ...greeted("AUTH PLAIN"),
      logsIn("tim", fits),
      `C: AUTH PLAIN ${b64(`\0tim\0${fits}`)}`,
    ],
    {},
    SECURE,
  );
});

Deno.test("authenticate() answers LOGIN's questions, whatever they are", () => {
  for (const questions of [["VXNlcm5hbWU6", "UGFzc3dvcmQ6"], ["who?", ""]]) {
    playClient(
      [
        ...greeted("AUTH LOGIN"),
        logsIn("tim", "secret"),
        "C: AUTH LOGIN",
        `S: 334 ${questions[0]}`,
        "C: dGlt",
        `S: 334 ${questions[1]}`,
        "C: c2VjcmV0",
        "S: 235 2.7.0 ok",
        "E: authenticated LOGIN",
      ],
      {},
      SECURE,
    );
  }
});

// RFC 7677 §3
const NONCE = { nonce: () => "rOprNGfwEbeRWgbNEkqO", ...SECURE };
const SERVER_FIRST =
  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const SCRAM: readonly ClientStep[] = [
  ...greeted("AUTH PLAIN SCRAM-SHA-256 LOGIN"),
  logsIn("user", "pencil"),
  `C: AUTH SCRAM-SHA-256 ${b64("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")}`,
  `S: 334 ${b64(SERVER_FIRST)}`,
  "E: derive 4096",
  "W: derive",
];
const derives = (session: ClientSession) => {
  const salt = parseBase64("W22ZaJ0SNY7soEsUEjb6gQ==")!;
  session.derived(pbkdf2Sync("pencil", salt, 4096, 32, "sha256"));
};
const PROVED: readonly ClientStep[] = [
  ...SCRAM,
  derives,
  `C: ${
    b64(
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," +
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    )
  }`,
];

Deno.test("authenticate() prefers SCRAM-SHA-256, and has the server prove itself", () => {
  playClient(
    [
      ...PROVED,
      `S: 334 ${b64("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")}`,
      "C: ",
      "S: 235 2.7.0 ok",
      "E: authenticated SCRAM-SHA-256",
      "W: intent",
    ],
    {},
    NONCE,
  );
});

Deno.test("authenticate() believes no 235 from a server that has proved nothing", () => {
  const end: ClientStep[] = [
    "C: QUIT",
    "E: auth-failed SCRAM-SHA-256: own 454 4.7.0 *not proved*",
    "E: failed garbage at AUTH: own 454 4.7.0 *not proved*",
    "W: closed",
  ];
  playClient([...PROVED, "S: 235 welcome", ...end], {}, NONCE);
  playClient(
    [
      ...PROVED,
      `S: 334 ${b64(`v=${formatBase64(new Uint8Array(32))}`)}`,
      "C: *",
      "S: 235 welcome",
      ...end,
    ],
    {},
    NONCE,
  );
});

Deno.test("authenticate() cancels SCRAM where it asks for too little or too much", () => {
  for (const rounds of [1, 4095, 20_001]) {
    playClient(
      [
        ...greeted("AUTH SCRAM-SHA-256"),
        logsIn("user", "pencil"),
        `C: AUTH SCRAM-SHA-256 ${b64("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")}`,
        `S: 334 ${b64(SERVER_FIRST.replace("4096", `${rounds}`))}`,
        "C: *",
        "S: 501 5.7.0 cancelled",
        "E: auth-failed SCRAM-SHA-256: own 454 4.7.0 *rounds*",
        "W: intent",
      ],
      { limits: { scramIterations: 20_000 } },
      NONCE,
    );
  }
});

Deno.test("authenticate() is told why it is refused, and tries nothing weaker", () => {
  playClient(
    [
      ...PROVED,
      "S: 535 5.7.8 no",
      "E: auth-failed SCRAM-SHA-256: 535 5.7.8 no",
      "W: intent",
      logsIn("user", "pencil", ["LOGIN"]),
      "C: AUTH LOGIN",
      "S: 454 4.7.0 later",
      "E: auth-failed LOGIN: 454 4.7.0 later",
      "W: intent",
    ],
    {},
    NONCE,
  );
});

Deno.test("authenticate() says nothing in clear, or where no mechanism is in common", () => {
  playClient([
    ...greeted("AUTH PLAIN"),
    logsIn("tim", "secret"),
    "E: auth-failed null: own 538 5.7.11 *",
    "W: intent",
  ]);
  playClient([
    ...greeted("AUTH PLAIN"),
    logsIn("tim", "tanstaaftanstaaf"),
    `C: AUTH PLAIN ${TIM}`,
  ], { authInClear: true });
  for (const keyword of ["AUTH CRAM-MD5", "AUTH LOGIN", "AUTH", "HELP"]) {
    playClient(
      [
        ...greeted(keyword),
        logsIn("tim", "secret", ["PLAIN", "SCRAM-SHA-256"]),
        "E: auth-failed null: own 504 5.5.4 *",
        "W: intent",
      ],
      {},
      SECURE,
    );
  }
});

Deno.test("authenticate() cancels what goes on without end", () => {
  playClient(
    [
      ...greeted("AUTH LOGIN"),
      logsIn("tim", "secret"),
      "C: AUTH LOGIN",
      "S: 334 ",
      "C: dGlt",
      "S: 334 ",
      "C: c2VjcmV0",
      "S: 334 ",
      "C: *",
      "S: 501 5.7.0 cancelled",
      "E: auth-failed LOGIN: own 454 4.7.0 *",
    ],
    {},
    SECURE,
  );
  const empty: ClientStep[] = [];
  const again = `C: ${b64("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")}`;
  for (let i = 0; i < 5; i++) empty.push("S: 334 ", again);
  playClient(
    [
      ...greeted("AUTH SCRAM-SHA-256"),
      logsIn("user", "pencil"),
      `C: AUTH SCRAM-SHA-256 ${again.slice(3)}`,
      ...empty,
      "S: 334 ",
      "C: *",
      "S: 334 ",
      "E: failed garbage at AUTH: own 451 4.5.0 *",
    ],
    {},
    NONCE,
  );
});

Deno.test("authenticate() takes other codes for garbage", () => {
  for (const answer of ["250 ok", "354 go"]) {
    playClient(
      [
        ...greeted("AUTH PLAIN"),
        logsIn("tim", "tanstaaftanstaaf"),
        `C: AUTH PLAIN ${TIM}`,
        `S: ${answer}`,
        "E: failed garbage at AUTH: own 451 4.5.0 *",
      ],
      {},
      SECURE,
    );
  }
});

Deno.test("a session that fails while a key is derived takes the key in silence", () => {
  playClient(
    [
      ...SCRAM,
      (session) => session.receiveEnd(),
      "E: failed closed at idle: own 451 4.4.2 *",
      (session) => {
        derives(session);
        assertEquals(session.waiting, "closed");
      },
    ],
    {},
    NONCE,
  );
});
