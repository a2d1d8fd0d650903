import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { encode } from "../../src/bytes.ts";
import {
  type Command,
  parseCommand,
  parseRawParameters,
  startsTls,
} from "../../src/smtp/command.ts";

function parse(line: string): Command {
  return parseCommand(encode(line), { smtputf8: true });
}

/** `verb code enhanced` of a command that was refused. */
function refusal(line: string | Uint8Array, smtputf8 = true): string {
  const command = parseCommand(typeof line === "string" ? encode(line) : line, { smtputf8 });
  if (!("reply" in command)) return JSON.stringify(command);
  return `${command.verb} ${command.reply.code} ${command.reply.enhanced}`;
}

const smith = { local: "Smith", domain: "bar.com" };

Deno.test("parseCommand() reads every command", () => {
  const cases: [string, Command][] = [
    // RFC 5321 appendix D
    ["EHLO bar.com", { verb: "EHLO", name: "bar.com" }],
    ["MAIL FROM:<Smith@bar.com>", { verb: "MAIL", sender: smith, parameters: [] }],
    ["RCPT TO:<Jones@foo.com>", {
      verb: "RCPT",
      recipient: { local: "Jones", domain: "foo.com" },
      parameters: [],
    }],
    ["DATA", { verb: "DATA" }],
    ["RSET", { verb: "RSET" }],
    ["QUIT", { verb: "QUIT" }],
    ["HELO mymachine", { verb: "HELO", name: "mymachine" }],
    ["LHLO foo.edu", { verb: "LHLO", name: "foo.edu" }],
    // as clients say it
    ["ehlo [127.0.0.1]", { verb: "EHLO", name: "[127.0.0.1]" }],
    ["EHLO [IPv6:::1]", { verb: "EHLO", name: "[IPv6:::1]" }],
    ["EHLO my_pc", { verb: "EHLO", name: "my_pc" }],
    ["EHLO -", { verb: "EHLO", name: "-" }],
    ["EHLO localhost   ", { verb: "EHLO", name: "localhost" }],
    ["quit \t ", { verb: "QUIT" }],
    ["Data ", { verb: "DATA" }],
    ["mail from: <Smith@bar.com>", { verb: "MAIL", sender: smith, parameters: [] }],
    ["MAIL FROM:<>", { verb: "MAIL", sender: null, parameters: [] }],
    ["MAIL FROM:<Smith@bar.com>  size=10  BODY=8bitmime ", {
      verb: "MAIL",
      sender: smith,
      parameters: [{ keyword: "SIZE", value: "10" }, { keyword: "BODY", value: "8bitmime" }],
    }],
    ["RCPT TO:<Postmaster> X-Y=\u00fc", {
      verb: "RCPT",
      recipient: { local: "Postmaster", domain: "" },
      parameters: [{ keyword: "X-Y", value: "ü" }],
    }],
    ["RCPT TO:<用户@例子.广告>", {
      verb: "RCPT",
      recipient: { local: "用户", domain: "例子.广告" },
      parameters: [],
    }],
    ["NOOP", { verb: "NOOP" }],
    ["NOOP anything = goes", { verb: "NOOP" }],
    ["HELP", { verb: "HELP", argument: "" }],
    ["HELP MAIL", { verb: "HELP", argument: "MAIL" }],
    ["VRFY Crispin", { verb: "VRFY", argument: "Crispin" }],
    ["VRFY Jörg SMTPUTF8", { verb: "VRFY", argument: "Jörg" }],
    ["EXPN staff smtputf8", { verb: "EXPN", argument: "staff" }],
    ["EXPN Example-People", { verb: "EXPN", argument: "Example-People" }],
    ["STARTTLS", { verb: "STARTTLS" }],
    // RFC 4954 §4
    ["AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=", {
      verb: "AUTH",
      mechanism: "PLAIN",
      initialResponse: "dGVzdAB0ZXN0ADEyMzQ=",
    }],
    ["auth scram-sha-256", { verb: "AUTH", mechanism: "SCRAM-SHA-256", initialResponse: null }],
    ["AUTH EXTERNAL =", { verb: "AUTH", mechanism: "EXTERNAL", initialResponse: "" }],
    // RFC 3030 §4
    ["BDAT 86 LAST", { verb: "BDAT", size: 86, last: true }],
    ["BDAT 100000", { verb: "BDAT", size: 100000, last: false }],
    ["BDAT 0 last", { verb: "BDAT", size: 0, last: true }],
    ["BDAT 9007199254740991", { verb: "BDAT", size: 9007199254740991, last: false }],
    // RFC 1985 §5
    ["ETRN example.com", { verb: "ETRN", domain: "example.com" }],
    ["ETRN @example.com", { verb: "ETRN", domain: "@example.com" }],
    ["ETRN #queue_1", { verb: "ETRN", domain: "#queue_1" }],
  ];
  for (const [line, expected] of cases) assertEquals(parse(line), expected, line);
});

Deno.test("parseCommand() refuses each wrong form with its codes", () => {
  const cases: [string, string][] = [
    ["", "invalid 500 5.5.2"],
    [" ", "invalid 500 5.5.2"],
    [" QUIT", "invalid 500 5.5.2"],
    [".", "invalid 500 5.5.2"],
    ["From: a@b", "invalid 500 5.5.2"],
    ["MAIL\tFROM:<a@b>", "invalid 500 5.5.2"],
    ["QUIT\0", "invalid 500 5.5.2"],
    ["XYZZY", "unknown 500 5.5.1"],
    ["constructor", "unknown 500 5.5.1"],
    ["TURN", "unknown 500 5.5.1"],
    ["GET", "unknown 500 5.5.1"],
    ["X".repeat(33), "invalid 500 5.5.2"],
    ["EHLO", "invalid 501 5.5.4"],
    ["EHLO ", "invalid 501 5.5.4"],
    ["HELO two words", "invalid 501 5.5.4"],
    ["EHLO a\x07b", "invalid 501 5.5.2"],
    ["EHLO a\rb", "invalid 501 5.5.2"],
    ["EHLO bücher.example", "invalid 501 5.5.2"],
    [`EHLO ${"a".repeat(256)}`, "invalid 501 5.5.4"],
    ["MAIL", "invalid 501 5.5.2"],
    ["MAIL FROM", "invalid 501 5.5.2"],
    ["MAIL TO:<a@b>", "invalid 501 5.5.2"],
    ["MAIL FROM :<a@b>", "invalid 501 5.5.2"],
    ["MAIL  FROM:<a@b>", "invalid 501 5.5.2"],
    ["MAIL FROM:", "invalid 501 5.1.7"],
    ["MAIL FROM:a@b", "invalid 501 5.1.7"],
    ["MAIL FROM:<a@b>SIZE=1", "invalid 501 5.1.7"],
    ["MAIL FROM:<a@b> SIZE=", "invalid 501 5.5.4"],
    ["MAIL FROM:<a@b> =1", "invalid 501 5.5.4"],
    ["MAIL FROM:<a@b> -X=1", "invalid 501 5.5.4"],
    ["MAIL FROM:<a@b> A=b=c", "invalid 501 5.5.4"],
    ["MAIL FROM:<a@b> SIZE=1 size=2", "invalid 501 5.5.4"],
    ["MAIL FROM:<a\0@b>", "invalid 501 5.5.2"],
    ["RCPT TO:", "invalid 501 5.1.3"],
    ["RCPT TO:<>", "invalid 501 5.1.3"],
    ["RCPT TO:<a@b> A A", "invalid 501 5.5.4"],
    ["RCPT FROM:<a@b>", "invalid 501 5.5.2"],
    ["DATA now", "invalid 501 5.5.4"],
    ["RSET x", "invalid 501 5.5.4"],
    ["QUIT x", "invalid 501 5.5.4"],
    ["STARTTLS x", "invalid 501 5.5.4"],
    ["VRFY", "invalid 501 5.5.4"],
    ["EXPN", "invalid 501 5.5.4"],
    ["NOOP \x01", "invalid 501 5.5.2"],
    ["NOOP ü", "invalid 501 5.5.2"],
    ["AUTH", "invalid 501 5.5.4"],
    ["AUTH PLAIN two words", "invalid 501 5.5.4"],
    ["AUTH PL@IN", "invalid 501 5.5.4"],
    [`AUTH ${"A".repeat(21)}`, "invalid 501 5.5.4"],
    ["BDAT", "invalid 501 5.5.4"],
    ["BDAT LAST", "invalid 501 5.5.4"],
    ["BDAT -1", "invalid 501 5.5.4"],
    ["BDAT 1.5", "invalid 501 5.5.4"],
    ["BDAT 0x10", "invalid 501 5.5.4"],
    ["BDAT 1e3", "invalid 501 5.5.4"],
    ["BDAT 5 FIRST", "invalid 501 5.5.4"],
    ["BDAT 9007199254740992", "invalid 501 5.5.4"],
    [`BDAT ${"9".repeat(400)}`, "invalid 501 5.5.4"],
    ["ETRN", "invalid 501 5.5.4"],
    ["ETRN @", "invalid 501 5.5.4"],
    ["ETRN a b", "invalid 501 5.5.4"],
  ];
  for (const [line, expected] of cases) assertEquals(refusal(line), expected, JSON.stringify(line));
});

Deno.test("parseCommand() decodes strictly and wants SMTPUTF8 beyond ASCII", () => {
  const latin1 = Uint8Array.from("MAIL FROM:<J\xf6rg@b>", (c) => c.charCodeAt(0));
  assertEquals(refusal(latin1), "invalid 501 5.5.2");
  const overlong = Uint8Array.of(...encode("RCPT TO:<a"), 0xc0, 0xbc, ...encode("@b>"));
  assertEquals(refusal(overlong), "invalid 501 5.5.2");
  assertEquals(refusal("MAIL FROM:<Jörg@b>", false), "invalid 553 5.6.7");
  assertEquals(refusal("RCPT TO:<Jörg@b>", false), "invalid 553 5.6.7");
  assertEquals(refusal(Uint8Array.of(0xff, 0xfe, 0x0d)), "invalid 500 5.5.2");
});

Deno.test("parseCommand() names the verb it refused, fit for a log", () => {
  const name = (line: string) => (parse(line) as { name: string }).name;
  assertEquals(name("xyzzy\u0020\x1b[2J"), "XYZZY");
  assertEquals(name("mail to:"), "MAIL");
  assertEquals(name("\x1b[2J"), "");
});

Deno.test("parseCommand() recognizes clients that speak something else", () => {
  const cases: [string, string][] = [
    ["GET / HTTP/1.1", "HTTP"],
    ["POST /x?y=z HTTP/1.0", "HTTP"],
    ["CONNECT example.org:25 HTTP/1.1", "HTTP"],
    ["PRI * HTTP/2.0", "HTTP"],
    ["OPTIONS sip:nm SIP/2.0", "SIP"],
    ["OPTIONS / RTSP/1.0", "RTSP"],
  ];
  for (const [line, protocol] of cases) assertEquals(parse(line), { verb: "not-smtp", protocol });
  const hello = Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01);
  assertEquals(parseCommand(hello), { verb: "not-smtp", protocol: "TLS" });
  assertEquals(startsTls(hello), true);
  assertEquals(startsTls(hello.subarray(0, 1)), false);
  assertEquals(startsTls(encode("EHLO x")), false);
});

Deno.test("parseRawParameters() bounds its work by the text", () => {
  const many = Array.from({ length: 20_000 }, (_, index) => `K${index}=v`).join(" ");
  assertEquals(parseRawParameters(many)?.length, 20_000);
  assertEquals(parseRawParameters(" ".repeat(200_000)), []);
  assertEquals(parse(`NOOP ${" ".repeat(200_000)}x`), { verb: "NOOP" });
});

Deno.test("parseRawParameters() reads what the grammar's regular expression does", () => {
  // esmtp-param of RFC 5321 §4.1.2, beyond ASCII by RFC 6531 §3.3
  const grammar = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\u{10ffff}]+))?$/u;
  const reference = (text: string) => {
    const matches = text.split(" ").filter((word) => word !== "").map((word) => grammar.exec(word));
    const read = matches.map((match) => ({
      keyword: match?.[1]?.toUpperCase(),
      value: match?.[2] ?? null,
    }));
    const names = new Set(read.map(({ keyword }) => keyword));
    return matches.includes(null) || names.size < read.length ? null : read;
  };
  const piece = fc.constantFrom(
    "A",
    "b",
    "SIZE",
    "size",
    "-",
    "=",
    " ",
    " ",
    "1",
    "é",
    "\t",
    "\x7f",
    "\0",
    "用",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 9 }), (pieces) => {
      const text = pieces.join("");
      assertEquals(parseRawParameters(text), reference(text));
      assertEquals(parseRawParameters(`MAIL${text}`, 4), reference(text));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("parseCommand() reads verbs in any case, and no others for them", () => {
  const verbs = "EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN HELP AUTH ETRN";
  for (const verb of verbs.split(" ")) {
    const named = (line: Uint8Array) => {
      const command = parseCommand(line);
      return "name" in command && "reply" in command ? command.name : command.verb;
    };
    const lower = encode(verb.toLowerCase());
    assertEquals([named(lower), named(encode(`${verb} `))], [verb, verb]);
    for (let at = 0; at < 4; at++) {
      for (const bit of [0x01, 0x40, 0x80]) {
        const wrong = lower.slice();
        wrong[at]! ^= bit;
        assertEquals(named(wrong) === verb, false, String(wrong));
      }
    }
  }
});
