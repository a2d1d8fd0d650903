/**
 * What must hold of the grammars whatever a stranger sends: they never throw, what they read can be
 * written and read again, and what they write cannot become two lines.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isIP } from "node:net";
import {
  type Address,
  formatAddress,
  mailboxKey,
  parseAddress,
  parseAddressLiteral,
  toAsciiDomain,
} from "../../src/address.ts";
import { concat, decode, encode, equal } from "../../src/bytes.ts";
import { formatDate, parseDate } from "../../src/message/date.ts";
import { decodeEncodedWords } from "../../src/message/encoded_word.ts";
import { HeadCollector } from "../../src/message/head_collector.ts";
import { fieldValue, formatFields, makeField, parseFields } from "../../src/message/header.ts";
import { parseFromAddresses } from "../../src/message/mailbox_list.ts";
import { formatReceived } from "../../src/message/received.ts";
import { lexStructured } from "../../src/message/structured.ts";
import {
  clientKey,
  formatIp,
  formatNetwork,
  isLoopback,
  networkContains,
  parseIp,
  parseNetwork,
} from "../../src/net_address.ts";
import { parseCommand, parseRawParameters } from "../../src/smtp/command.ts";
import type { Extensions } from "../../src/smtp/extensions.ts";
import { parseMailParameters, parseRcptParameters } from "../../src/smtp/parameters.ts";
import { formatPath, parsePath } from "../../src/smtp/path.ts";
import { formatReply, type Reply } from "../../src/smtp/reply.ts";
import { decodeUnitext, decodeXtext, encodeUnitext, encodeXtext } from "../../src/smtp/xtext.ts";

/** Any text, lone surrogates and controls included. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 100 }),
  fc.string({ unit: "grapheme", maxLength: 100 }),
  fc.array(fc.nat(0xffff), { maxLength: 30 }).map((units) => String.fromCharCode(...units)),
);

/** Text of the letters a grammar is made of: it comes close to being right. */
function textOf(...pieces: string[]): fc.Arbitrary<string> {
  return fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((parts) => parts.join(""));
}

const nearAddress = textOf(
  ...'ab.@"\\ -_[]:<>1,()'.split(""),
  "IPv6:",
  "192.0.2.1",
  "ü",
  "用",
  "\u202e",
  "\0",
);
/** Often an address, or one letter away from it. */
const nearerAddress = fc.tuple(
  fc.oneof(
    textOf("a", "B", ".", "ü"),
    textOf("a", " ", "\\\\", '\\"', ".", "ü").map((t) => `"${t}"`),
  ),
  fc.constantFrom("@", "@", "@", "@@", " @", ""),
  fc.oneof(
    textOf("a", "b", ".", "-", "_", "ü"),
    fc.domain(),
    fc.ipV6().map((ip) => `[IPv6:${ip}]`),
  ),
).map((parts) => parts.join(""));
const nearHeader = textOf("\r", "\n", "\r\n", "\r\n\r\n", ":", " ", "\t", "A", "From: ", "b", "\0");

/** A mailbox as the grammar allows it, local part of any printable text. */
const mailbox: fc.Arbitrary<Address> = fc.record({
  local: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 30 }),
  domain: fc.oneof(
    fc.array(fc.stringMatching(/^[a-z0-9_]([a-z0-9_-]{0,20}[a-z0-9_])?$/), {
      minLength: 1,
      maxLength: 5,
    })
      .map((labels) => labels.join(".")),
    fc.ipV4().map((ip) => `[${ip}]`),
    fc.ipV6().map((ip) => parseAddressLiteral(`[IPv6:${ip}]`)!),
  ),
});

const extensions: fc.Arbitrary<Extensions> = fc.record({
  pipelining: fc.boolean(),
  size: fc.oneof(fc.constant(false as const), fc.nat()),
  eightBitMime: fc.boolean(),
  smtputf8: fc.boolean(),
  enhancedStatusCodes: fc.boolean(),
  chunking: fc.boolean(),
  binaryMime: fc.boolean(),
  dsn: fc.boolean(),
  startTls: fc.boolean(),
  auth: fc.constantFrom([], ["PLAIN" as const]),
  limits: fc.boolean(),
  requireTls: fc.boolean(),
  etrn: fc.boolean(),
  verify: fc.boolean(),
  expand: fc.boolean(),
});

function assertOneReply(reply: Reply): void {
  assert([500, 501, 553, 555].includes(reply.code), `${reply.code}`);
  assert(/^5\.\d\.\d$/.test(reply.enhanced ?? ""), reply.enhanced);
  assert(/^[^\r\n]+\r\n$/.test(decode(formatReply(reply))), "one line");
}

/** Every string in a value, however deep. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

Deno.test("parseCommand() answers every octet string", () => {
  const verbs =
    "EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN HELP STARTTLS AUTH ETRN";
  const near = fc.tuple(
    fc.constantFrom(...verbs.split(" "), "mail from:", "RCPT TO:", "MAIL FROM:<", "GET"),
    fc.oneof(nearAddress, nearerAddress, anyText),
  ).map(([verb, text]) => encode(`${verb} ${text}`));
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 100 }), near),
      fc.boolean(),
      (line, smtputf8) => {
        const command = parseCommand(line, { smtputf8 });
        if ("reply" in command) assertOneReply(command.reply);
        if (command.verb === "unknown" || command.verb === "invalid") {
          assert(/^[A-Z0-9-]{0,32}$/.test(command.name));
        }
        const address = command.verb === "MAIL"
          ? command.sender
          : command.verb === "RCPT"
          ? command.recipient
          : null;
        if (address !== null) {
          assert(!/[\p{Cc}\p{Cs}]/u.test(formatPath(address)));
          assert(smtputf8 || /^[ -~]+$/.test(formatPath(address)));
        }
      },
    ),
    { numRuns: 1000 },
  );
});

Deno.test("parseAddress() of formatAddress() is the same mailbox", () => {
  fc.assert(fc.property(mailbox, (address) => {
    assertEquals(parseAddress(formatAddress(address)), address);
    assertEquals(parsePath(formatPath(address), "forward"), { path: address, rest: "" });
  }));
});

Deno.test("parseAddress() never throws, and what it reads can be written and read again", () => {
  fc.assert(
    fc.property(fc.oneof(nearAddress, nearerAddress, anyText), fc.boolean(), (text, smtputf8) => {
      const address = parseAddress(text, { smtputf8 });
      if (address === null) return;
      assertEquals(parseAddress(formatAddress(address), { smtputf8 }), address);
      assert(!/[\p{Cc}\p{Cs}]/u.test(formatAddress(address)));
      assert(address.domain.startsWith("[") || toAsciiDomain(address.domain) !== null);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("formatAddress() cannot be made to break a line or a path", () => {
  fc.assert(fc.property(anyText, anyText, (local, domain) => {
    const text = formatAddress({ local, domain });
    assert(!/\p{Cc}/u.test(text));
    assert(text.isWellFormed());
    const path = parsePath(`${formatPath({ local, domain })} X=Y`, "forward", { smtputf8: true });
    assert("reply" in path || path.rest === " X=Y");
  }));
});

Deno.test("mailboxKey() of what it folded is the same key", () => {
  fc.assert(
    fc.property(anyText, fc.domain(), (local, domain) => {
      const key = mailboxKey({ local, domain });
      const at = key.lastIndexOf("@");
      assertEquals(mailboxKey({ local: key.slice(0, at), domain: key.slice(at + 1) }), key);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("parsePath() never throws and reads what formatPath() writes", () => {
  const near = fc.oneof(nearAddress, nearerAddress).map((text) => `<${text}>`);
  fc.assert(
    fc.property(
      fc.oneof(near, nearAddress, anyText),
      fc.boolean(),
      fc.boolean(),
      (text, reverse, smtputf8) => {
        const kind = reverse ? "reverse" : "forward";
        const result = parsePath(text, kind, { smtputf8 });
        if ("reply" in result) return assertOneReply(result.reply);
        assertEquals(parsePath(formatPath(result.path), kind, { smtputf8 }), {
          path: result.path,
          rest: "",
        });
      },
    ),
    { numRuns: 1000 },
  );
});

Deno.test("decodeXtext() and decodeUnitext() undo their encoders", () => {
  fc.assert(fc.property(anyText, (text) => {
    const sound = text.toWellFormed();
    assertEquals(decodeXtext(encodeXtext(text)), sound);
    assert(/^[!-*,-<>-~+]*$/.test(encodeXtext(text)) && !/[=\s]/.test(encodeXtext(text)));
    assert(/^[!-*,-<>-~]*$/.test(encodeUnitext(text)));
    if (!text.includes("\0")) assertEquals(decodeUnitext(encodeUnitext(text)), sound);
    decodeXtext(text);
    decodeUnitext(text);
  }));
});

Deno.test("parseMailParameters() and parseRcptParameters() give values or a refusal", () => {
  const keyword = fc.constantFrom(
    "SIZE",
    "BODY",
    "SMTPUTF8",
    "RET",
    "ENVID",
    "AUTH",
    "REQUIRETLS",
    "NOTIFY",
    "ORCPT",
    "X",
  );
  const value = fc.oneof(
    anyText,
    textOf(
      "rfc822;",
      "utf-8;",
      "+0D",
      "+3D",
      "\\x{D}",
      "\\x{7528}",
      "a",
      "@",
      "1",
      ",",
      "NEVER",
      "FULL",
      "8BITMIME",
    ),
  );
  const parameters = fc.array(fc.record({ keyword, value: fc.option(value) }), { maxLength: 4 });
  fc.assert(
    fc.property(
      parameters,
      extensions,
      fc.boolean(),
      fc.boolean(),
      (raw, offered, extended, secure) => {
        const offer = { extensions: offered, extended, secure };
        for (const result of [parseMailParameters(raw, offer), parseRcptParameters(raw, offer)]) {
          if ("reply" in result) assertOneReply(result.reply);
          else assert(!textsIn(result).some((text) => /\p{Cc}/u.test(text)));
        }
      },
    ),
    { numRuns: 1000 },
  );
  fc.assert(fc.property(anyText, (text) => void parseRawParameters(text)));
});

Deno.test("formatFields() of parseFields() is the head, octet for octet", () => {
  fc.assert(fc.property(fc.oneof(fc.uint8Array(), nearHeader.map(encode)), (head) => {
    const fields = parseFields(head);
    assert(equal(formatFields(fields), head));
    for (const field of fields) assert(!/[\r\n]/.test(fieldValue(field)));
  }));
});

Deno.test("HeadCollector splits a message the same way however it is cut", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.oneof(nearHeader.map(encode), fc.uint8Array()), cuts, (message, sizes) => {
      const whole = new HeadCollector();
      const body = concat([whole.write(message) ?? new Uint8Array(), whole.end()]);
      const cut = new HeadCollector();
      const parts: Uint8Array[] = [];
      for (let at = 0; at < message.length;) {
        const size = sizes[parts.length % sizes.length]!;
        const piece = message.slice(at, at + size);
        parts.push(cut.write(piece)?.slice() ?? new Uint8Array());
        piece.fill(0xaa);
        at += size;
      }
      parts.push(cut.end());
      assert(equal(cut.head, whole.head));
      assert(equal(concat(parts), body));
      // Nothing is lost and nothing is added but what ends a line.
      const CRLF = encode("\r\n");
      const rewritten = [
        concat([whole.head, body]),
        concat([whole.head, CRLF, body]),
        whole.head.subarray(0, -2),
      ];
      assert(rewritten.some((form) => equal(form, message)));
      for (const field of parseFields(whole.head)) assert(field.name !== "");
    }),
    { numRuns: 1000 },
  );
});

Deno.test("makeField() makes one field of any value", () => {
  const value = fc.oneof(
    anyText,
    nearHeader,
    textOf("word ", " ", "x".repeat(70), "x".repeat(1000), "驿".repeat(400)),
  );
  fc.assert(fc.property(value, (text) => {
    const { raw } = makeField("X-Any", text);
    const fields = parseFields(raw);
    assertEquals(fields.map((field) => field.name), ["X-Any"]);
    const collector = new HeadCollector();
    assertEquals(collector.write(raw), null);
    collector.end();
    assert(equal(collector.head, raw));
    const lines = decode(raw).split("\r\n");
    assertEquals(lines.pop(), "");
    for (const line of lines) {
      assert(encode(line).length <= 998 && !/[\r\n\0]/.test(line));
      assert(line === "X-Any: " || /[^ \t]/.test(line.replace(/^X-Any:/, "")));
    }
    const words = (of: string) => of.replace(/[ \t\r\n]+/g, "");
    // deno-lint-ignore no-control-regex
    const clean = text.toWellFormed().replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g, "?");
    assertEquals(words(fieldValue(fields[0]!)), words(clean));
  }));
});

Deno.test("formatReceived() makes one field, whatever strangers are called", () => {
  const text = fc.oneof(anyText, nearAddress, nearHeader);
  const trace = fc.record({
    hello: fc.option(text),
    client: fc.oneof(text, fc.ipV4(), fc.ipV6()),
    clientName: fc.option(text),
    by: text,
    protocol: text,
    id: text,
    recipient: fc.option(fc.record({ local: text, domain: text })),
    tls: fc.option(fc.record({ protocol: text, cipher: text })),
    time: fc.integer({ min: 0, max: Date.UTC(9999, 0, 1) }),
  });
  fc.assert(
    fc.property(trace, (trace) => {
      const field = formatReceived(trace);
      assertEquals(parseFields(field.raw).map(({ name }) => name), ["Received"]);
      const value = fieldValue(field);
      const date = value.slice(value.lastIndexOf(";") + 1);
      assertEquals(parseDate(date), Math.floor(trace.time / 1000) * 1000);
      // Comments balance: nobody closes ours and goes on in the open.
      if (trace.recipient === null) {
        assert(lexStructured(value.slice(0, value.lastIndexOf(";"))) !== null, value);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("parseFromAddresses() never throws and gives only mailboxes that can be written", () => {
  fc.assert(
    fc.property(fc.oneof(nearAddress, nearerAddress, anyText), (text) => {
      for (const address of parseFromAddresses(text) ?? []) {
        assertEquals(parseAddress(formatAddress(address), { smtputf8: true }), address);
      }
    }),
    { numRuns: 2000 },
  );
  const name = fc.string({ unit: "grapheme-ascii", maxLength: 20 });
  fc.assert(
    fc.property(fc.array(fc.tuple(name, mailbox), { minLength: 1, maxLength: 4 }), (people) => {
      const list = people.map(([name, address]) =>
        `"${name.replace(/["\\]/g, "\\$&")}" (c) <${formatAddress(address)}>`
      );
      assertEquals(parseFromAddresses(list.join(", ")), people.map(([, address]) => address));
    }),
  );
});

Deno.test("decodeEncodedWords() never throws and lets no control character through", () => {
  const near = textOf(
    "=?",
    "?=",
    "?",
    "utf-8",
    "utf-16",
    "B",
    "Q",
    "=0A",
    "=C3",
    "AA==",
    "_",
    " ",
    "a",
    "\x1b",
  );
  fc.assert(
    fc.property(fc.oneof(near, anyText), (text) => {
      assert(!/\p{Cc}/u.test(decodeEncodedWords(text)));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("parseDate() of formatDate() is the same second, and never throws", () => {
  const time = fc.integer({ min: Date.UTC(1900, 0, 1), max: Date.UTC(9999, 11, 31) });
  fc.assert(fc.property(time, (time) => {
    assertEquals(parseDate(formatDate(time)), Math.floor(time / 1000) * 1000);
    assertEquals(Date.parse(formatDate(time)), Math.floor(time / 1000) * 1000);
  }));
  const near = textOf("Mon", ",", " ", "1", "31", "Feb", "2024", "10", ":", "+0000", "GMT", "(");
  fc.assert(fc.property(fc.oneof(near, anyText), (text) => {
    const read = parseDate(text);
    assert(read === null || Number.isSafeInteger(read));
  }));
});

Deno.test("parseIp() accepts exactly what node:net does, and formatIp() gives it back", () => {
  const near = textOf("0", "1", "255", "256", "f", "ffff", "10000", ":", "::", ".", "1.2.3.4");
  const groups = fc.array(fc.constantFrom("0", "1", "ab", "1.2.3.4", ""), { maxLength: 9 });
  const text = fc.oneof(near, groups.map((parts) => parts.join(":")), fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(text, (text) => {
      const address = parseIp(text);
      assertEquals(address === null, isIP(text) === 0, text);
      if (address !== null) assertEquals(parseIp(formatIp(address)), address);
    }),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (address) => {
    assertEquals(parseIp(formatIp(address)), address);
    // The URL standard writes IPv6 by RFC 5952 too, but for the dotted forms.
    if (!formatIp(address).includes(".")) {
      assertEquals(new URL(`http://[${formatIp(address)}]/`).hostname, `[${formatIp(address)}]`);
    }
  }));
});

Deno.test("networks hold their own addresses, and nothing throws", () => {
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (ip, prefix) => {
    const network = parseNetwork(`${ip}/${prefix}`);
    if (network === null) return;
    assert(networkContains(network, ip));
    assertEquals(parseNetwork(formatNetwork(network)), network);
  }));
  fc.assert(fc.property(anyText, (text) => {
    clientKey(text);
    isLoopback(text);
    parseNetwork(text);
  }));
});
