/**
 * Fuzzing of the small grammars: commands, addresses, paths, parameters, xtext, dates, mailbox lists, encoded words.
 * Most say: what was read can be written, and reads as the same.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  type Address,
  formatAddress,
  mailboxKey,
  parseAddress,
  toAsciiDomain,
} from "../../../src/address.ts";
import { decode, encode, isAscii } from "../../../src/bytes.ts";
import { formatDate, parseDate } from "../../../src/message/date.ts";
import { decodeEncodedWords } from "../../../src/message/encoded_word.ts";
import {
  parseFromAddresses,
  parseRecipientAddresses,
  rewriteAddresses,
} from "../../../src/message/mailbox_list.ts";
import { formatIp, networkContains, parseIp, parseNetwork } from "../../../src/net_address.ts";
import { parseCommand } from "../../../src/smtp/command.ts";
import type { Extensions } from "../../../src/smtp/extensions.ts";
import { parseMailParameters, parseRcptParameters } from "../../../src/smtp/parameters.ts";
import { formatPath, parsePath } from "../../../src/smtp/path.ts";
import { formatReply, type Reply } from "../../../src/smtp/reply.ts";
import { decodeUnitext, decodeXtext, encodeUnitext, encodeXtext } from "../../../src/smtp/xtext.ts";
import type { Chance } from "../engine/chance.ts";
import type { FuzzTarget } from "../engine/target.ts";

const LOCALS = [
  "a",
  "Bob",
  "a.b",
  '"a b"',
  '"a\\"b"',
  '"a\\\\b"',
  '"\\\\"',
  '"@"',
  "ü",
  "用",
  "x".repeat(64),
  "a..b",
  "",
];
const DOMAINS = [
  ...["a.example", "b-c.example", "[192.0.2.1]", "[IPv6:2001:db8::1]", "[IPv6:::ffff:192.0.2.1]"],
  ...[
    "ü.example",
    "xn--tda.example",
    "-a.example",
    "a..b",
    `${"x".repeat(63)}.example`,
    "１.２",
    "",
  ],
];
/** Pieces of addresses. */
export const ADDRESS_WORDS = [
  ...LOCALS,
  ...DOMAINS,
  "@",
  "<",
  ">",
  '"',
  "\\",
  "(",
  ")",
  "\r\n",
  "\0",
];

/** Near an address. */
export const nearAddress = (chance: Chance): string =>
  chance.oneIn(6)
    ? chance.many(0, 8, () => chance.pick(ADDRESS_WORDS))
    : `${chance.pick(LOCALS)}@${chance.pick(DOMAINS)}`;

function assertOneReply({ code, enhanced, ...rest }: Reply): void {
  assert([500, 501, 503, 504, 530, 552, 553, 555].includes(code), `${code}`);
  const line = decode(formatReply({ code, enhanced, ...rest }));
  assert(/^[^\r\n]+\r\n$/.test(line), JSON.stringify(line));
}

/** RFC 5321 §4.1.2, of ASCII alone: whether a local part and a `@` begin as they must. */
const LOCAL =
  /^(?:[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*|"(?:[ !#-[\]-~]|\\[ -~])*")@/;

function checkAddress(address: Address, smtputf8: boolean): void {
  const written = formatAddress(address);
  assert(!/[\p{Cc}\p{Cs}]/u.test(written), JSON.stringify(written));
  assertEquals(parseAddress(written, { smtputf8, localLimit: 256 }), address);
  assert(smtputf8 || /^[ -~]+$/.test(written));
  assert(address.domain.startsWith("[") || toAsciiDomain(address.domain) !== null);
  const key = mailboxKey(address);
  const at = key.lastIndexOf("@");
  assertEquals(mailboxKey({ local: key.slice(0, at), domain: key.slice(at + 1) }), key);
}

const address: FuzzTarget = {
  name: "address",
  about: "addresses, paths and IP addresses: what is read can be written and read again",
  words: ADDRESS_WORDS,
  generate: (chance) => encode(nearAddress(chance)),
  run(input) {
    const text = decode(input);
    for (const smtputf8 of [false, true]) {
      const read = parseAddress(text, { smtputf8 });
      if (read !== null) {
        checkAddress(read, smtputf8);
        if (isAscii(text)) assert(LOCAL.test(text), JSON.stringify(text));
      }
      for (const kind of ["reverse", "forward"] as const) {
        const result = parsePath(text, kind, { smtputf8 });
        if ("reply" in result) assertOneReply(result.reply);
        else {
          assert(result.rest === "" || result.rest.startsWith(" "));
          const again = parsePath(formatPath(result.path), kind, { smtputf8 });
          assertEquals(again, { path: result.path, rest: "" });
        }
      }
    }
    const at = text.indexOf("@");
    const forged = formatAddress({
      local: text.slice(0, Math.max(0, at)),
      domain: text.slice(at + 1),
    });
    assert(!/\p{Cc}/u.test(forged) && forged.isWellFormed(), JSON.stringify(forged));
    const ip = parseIp(text);
    if (ip !== null) assertEquals(parseIp(formatIp(ip)), ip);
    const network = parseNetwork(text);
    if (network !== null) networkContains(network, "2001:db8::1");
  },
};

const OFFER: Extensions = {
  ...{ pipelining: true, size: 1000, eightBitMime: true, smtputf8: true, chunking: true },
  ...{ enhancedStatusCodes: true, binaryMime: true, dsn: true, startTls: true, auth: ["PLAIN"] },
  ...{ limits: true, requireTls: true, etrn: true, verify: true, expand: true },
};

const VERBS = "EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN HELP STARTTLS AUTH ETRN";
const PARAMETERS = [
  ...["SIZE=1", "SIZE=18446744073709551616", "BODY=8BITMIME", "BODY=BINARYMIME", "SMTPUTF8"],
  ...["RET=FULL", "ENVID=a+0D", "AUTH=<>", "AUTH=a+3Db@c", "REQUIRETLS", "NOTIFY=NEVER", "X=Y"],
  ...["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;a@b", "ORCPT=utf-8;\\x{7528}@b", "=", "A=", "-A"],
];

/** Every string in a value, however deep. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

const command: FuzzTarget = {
  name: "command",
  about: "command lines with their parameters: a command or one reply, no control character let in",
  words: [...VERBS.split(" "), ...PARAMETERS, ...ADDRESS_WORDS, " FROM:", " TO:", "HTTP/1.1", "+"],
  generate(chance) {
    const parameters = chance.many(0, 3, () => ` ${chance.pick(PARAMETERS)}`);
    switch (chance.below(4)) {
      case 0:
        return encode(`MAIL FROM:<${nearAddress(chance)}>${parameters}`);
      case 1:
        return encode(`RCPT TO:<${nearAddress(chance)}>${parameters}`);
      case 2:
        return encode(`${chance.pick(VERBS.split(" "))} ${nearAddress(chance)}`);
      default:
        return encode(
          `${chance.pick(VERBS.split(" "))} ${chance.below(99)} ${chance.pick(["LAST", ""])}`,
        );
    }
  },
  run(input) {
    for (const smtputf8 of [false, true]) {
      const command = parseCommand(input, { smtputf8 });
      if ("reply" in command) assertOneReply(command.reply);
      if (command.verb === "unknown" || command.verb === "invalid") {
        assert(/^[A-Z0-9-]{0,32}$/.test(command.name), command.name);
      }
      if (command.verb === "BDAT") assert(Number.isSafeInteger(command.size) && command.size >= 0);
      if (command.verb !== "MAIL" && command.verb !== "RCPT") continue;
      const path = command.verb === "MAIL" ? command.sender : command.recipient;
      if (path !== null && path.domain !== "") checkAddress(path, smtputf8);
      for (const extended of [false, true]) {
        const offer = { extensions: { ...OFFER, smtputf8 }, extended, secure: extended };
        const read = command.verb === "MAIL"
          ? parseMailParameters(command.parameters, offer)
          : parseRcptParameters(command.parameters, offer);
        if ("reply" in read) assertOneReply(read.reply);
        else for (const text of textsIn(read)) assert(!/\p{Cc}/u.test(text), JSON.stringify(text));
      }
    }
  },
};

const xtext: FuzzTarget = {
  name: "xtext",
  about: "xtext and unitext (RFC 3461, RFC 6533): undone by their decoders, never a space or `=`",
  words: ["+0D", "+0A", "+3D", "+2B", "+", "\\x{D}", "\\x{7528}", "\\x{D800}", "\\x{110000}", "="],
  generate: (chance) =>
    encode(chance.many(0, 12, () => chance.pick([...(xtext.words as string[]), "a"]))),
  run(input) {
    const text = decode(input);
    assertEquals(decodeXtext(encodeXtext(text)), text);
    assert(/^[!-*,-<>-~+]*$/.test(encodeXtext(text)));
    if (!text.includes("\0")) assertEquals(decodeUnitext(encodeUnitext(text)), text);
    for (
      const [read, write] of [[decodeXtext, encodeXtext], [decodeUnitext, encodeUnitext]] as const
    ) {
      const plain = read(text);
      if (plain !== null) assertEquals(read(write(plain)), plain);
    }
  },
};

const DATES = [
  "Mon",
  ",",
  " ",
  "1",
  "31",
  "Feb",
  "2024",
  "10:11:12",
  ":",
  "+0000",
  "GMT",
  "(c)",
  "-1200",
  "EST",
  "99",
];

const date: FuzzTarget = {
  name: "date",
  about: "dates of header fields: a whole second or none, the same when written again",
  words: DATES,
  generate: (chance) =>
    encode(
      chance.oneIn(3)
        ? chance.many(0, 12, () => chance.pick(DATES))
        : `${chance.pick(["Tue, ", ""])}${chance.below(33)} ${chance.pick(["Jan", "Feb", "Dec"])} ${
          chance.pick(["2024", "99", "1", "9999", "0"])
        } ${chance.below(25)}:${chance.below(61)}:${chance.below(62)} ${
          chance.pick(["+0100", "GMT", "-0000", "Z", "+9999", "PDT"])
        }`,
    ),
  run(input) {
    const time = parseDate(decode(input));
    if (time === null) return;
    assert(Number.isSafeInteger(time) && time % 1000 === 0, `${time}`);
    if (time >= Date.UTC(1900, 0) && time < Date.UTC(10000, 0)) {
      assertEquals(parseDate(formatDate(time)), time);
    }
  },
};

const MAILBOX_WORDS = [
  ...ADDRESS_WORDS,
  ",",
  ";",
  ":",
  "Name",
  " ",
  "\t",
  "undisclosed-recipients:;",
  "(c(d))",
];

const mailboxes: FuzzTarget = {
  name: "mailboxes",
  about:
    "address lists of header fields: only mailboxes that can be written; all else stays as it is",
  words: MAILBOX_WORDS,
  generate: (chance) =>
    encode(chance.many(1, 4, () => {
      const one = nearAddress(chance);
      return chance.pick([
        one,
        `<${one}>`,
        `Name <${one}>`,
        `"N, m" (c) <${one}>`,
        `g: ${one};`,
        "root",
      ]);
    }, chance.pick([", ", ",", " ", ";"]))),
  run(input) {
    const text = decode(input);
    for (const read of [parseFromAddresses(text), parseRecipientAddresses(text, "a.test")]) {
      for (const found of read ?? []) {
        assertEquals(parseAddress(formatAddress(found), { smtputf8: true }), found);
      }
    }
    assertEquals(rewriteAddresses(text, () => null), text);
    const others = rewriteAddresses(text, () => ({ local: "x", domain: "y.test" }));
    const expected = parseRecipientAddresses(text, "a.test")?.map(() => ({
      local: "x",
      domain: "y.test",
    }));
    if (expected !== undefined) assertEquals(parseRecipientAddresses(others, "a.test"), expected);
  },
};

const WORDS = [
  "=?",
  "?=",
  "?",
  "utf-8",
  "utf-16",
  "iso-8859-1",
  "gb2312",
  "B",
  "Q",
  "=0A",
  "=C3=BC",
  "AA==",
  "_",
  " ",
  "=?utf-8?B?",
  "=?utf-8?Q?",
];

const words: FuzzTarget = {
  name: "encoded-word",
  about: "encoded words (RFC 2047): no control character comes out, and not more than went in",
  words: WORDS,
  generate: (chance) =>
    encode(
      chance.many(1, 5, () =>
        `=?${chance.pick(["utf-8", "iso-8859-1", "x", "utf-16le", "iso-2022-jp"])}?${
          chance.pick(["B", "Q", "q", "z"])
        }?${
          chance.many(0, 6, () => chance.pick(WORDS))
        }?=`, chance.pick([" ", "", "\t ", "a"])),
    ),
  run(input) {
    const text = decode(input);
    const plain = decodeEncodedWords(text);
    assert(!/\p{Cc}/u.test(plain), JSON.stringify(plain));
    assert(plain.length <= 2 * text.length + 2, "longer");
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [address, command, xtext, date, mailboxes, words];
