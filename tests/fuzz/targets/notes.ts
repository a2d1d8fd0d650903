/**
 * Fuzzing of small texts of operators and of DNS: lists of tags, patterns of DNS lists, rates, name servers,
 * the command line of sendmail.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { parseTagList } from "../../../src/mailauth/tag_list.ts";
import { decode, encode } from "../../../src/bytes.ts";
import { UsageError } from "../../../src/cli/exit.ts";
import { parseSendmailFlags } from "../../../src/cli/sendmail_flags.ts";
import { formatRate, parseRate } from "../../../src/config/fields.ts";
import { parseIp } from "../../../src/net_address.ts";
import { matchesAnswer, parseAnswerPattern } from "../../../src/policy/dns/answer_pattern.ts";
import {
  formatNameServer,
  parseNameServer,
  parseResolvConf,
} from "../../../src/runtime/resolv_conf.ts";
import type { FuzzTarget } from "../engine/target.ts";

const TAGS = ["v=DKIM1", "p=a b", "p", "a=b=c", " ", "", "k = rsa ", "p=none"];

const tags: FuzzTarget = {
  name: "tags",
  about: "lists of tags, a line each: what is read can be written, and is read as the same",
  words: ["; p=none", "v=DKIM1;", "\t", "\n", "\r\n "],
  generate: (chance) =>
    encode(chance.many(1, 3, () => chance.many(0, 6, () => chance.pick(TAGS), ";"), "\n")),
  run(input) {
    for (const line of decode(input).split("\n")) {
      const tags = parseTagList(line);
      if (tags === null) continue;
      const written = [...tags].map(([name, value]) => `${name}=${value}`).join(";");
      assertEquals([...parseTagList(written) ?? []], [...tags]);
      for (const [name, value] of tags) assert(/^[A-Za-z]\w*$/.test(name) && !value.includes(";"));
    }
  },
};

const OCTETS = ["127", "0", "x", "1-9", "255", "256", "9-1", "01", "", "-", "1-256", "X"];
const RATES = [
  "60/1h",
  "60/h",
  "1/1d12h",
  "0/1s",
  "1e3/1m",
  "5/366d",
  "5/1ms",
  "9999999999/1h",
  "/",
];
const SERVERS = [
  ...["nameserver 192.0.2.53", "nameserver\t::1 x", "nameserver 192.0.2.53#1", "search a.b"],
  ...["[2001:db8::53]:5353", "192.0.2.53:0", "[::1]", "::ffff:192.0.2.1", "fe80::1%eth0", "a:53"],
];

const patterns: FuzzTarget = {
  name: "pattern",
  about:
    "patterns of DNS lists, rates, name servers and resolv.conf: what is read can be written, and means what it says",
  words: [...OCTETS.map((octet) => `.${octet}`), ...RATES, ...SERVERS, "\n", "\r", ";", "#"],
  generate: (chance) =>
    encode(chance.many(1, 4, () =>
      chance.pick([
        `127.${chance.many(3, 3, () => chance.pick(OCTETS), ".")}`,
        chance.pick(RATES),
        chance.pick(SERVERS),
      ]), "\n")),
  run(input) {
    const text = decode(input);
    const servers = parseResolvConf(text);
    assert(servers.length <= 3);
    for (const line of text.split("\n")) {
      const rate = parseRate(line);
      if (rate !== null) {
        assert(Number.isSafeInteger(rate.count) && rate.count >= 1, `${rate.count}`);
        assert(rate.per >= 1000 && rate.per <= 365 * 86_400_000, `${rate.per}`);
        assertEquals(parseRate(formatRate(rate)), rate);
      }
      const server = parseNameServer(line);
      if (server !== null) servers.push(server);
      const pattern = parseAnswerPattern(line);
      if (pattern === null) continue;
      assertEquals(pattern.length, 4);
      const written = pattern.map(([least, greatest]) => `${least}-${greatest}`).join(".");
      assertEquals(parseAnswerPattern(written.replace(/^127-127/, "127")), pattern);
      for (const edge of [0, 1]) {
        assert(matchesAnswer(pattern, pattern.map((octet) => octet[edge]).join(".")), line);
        const beyond = pattern.map((octet, at) => octet[edge]! + (at === 3 ? 2 * edge - 1 : 0));
        assert(!matchesAnswer(pattern, beyond.join(".")), line);
      }
      for (const odd of ["10.0.0.1", "::1", "127.0.0", "", "127.0.0.x"]) {
        assert(!matchesAnswer(pattern, odd), `${line} fits ${odd}`);
      }
    }
    for (const server of servers) {
      assert(parseIp(server.address) !== null && server.port >= 1 && server.port <= 65535);
      assertEquals(parseNameServer(formatNameServer(server)), server);
    }
  },
};

const FLAGS = [
  ...[
    "-t",
    "-i",
    "-oi",
    "-ti",
    "-bm",
    "-bs",
    "-bp",
    "-bd",
    "-bi",
    "-q",
    "-qIx",
    "-q30m",
    "-qR",
    "-f",
  ],
  ...[
    "-fa@b.c",
    "-f<>",
    "-F",
    "-Nnever",
    "-Nnever,delay",
    "-Rfull",
    "-V",
    "-Vid",
    "-B8BITMIME",
    "-d0",
  ],
  ...[
    "--",
    "-",
    "--config=x",
    "--config",
    "--drop=",
    "--help",
    "--nothing",
    "-X",
    "-é",
    "a@b.c",
    "-om",
  ],
];

const sendmail: FuzzTarget = {
  name: "sendmail",
  about:
    "command lines of sendmail, a word a line: a request or one plain refusal; what is behind -- is never a flag",
  words: FLAGS.map((flag) => `\n${flag}`),
  generate: (chance) => encode(chance.many(0, 6, () => chance.pick(FLAGS), "\n")),
  run(input) {
    const words = decode(input).split("\n");
    const read = (words: readonly string[]) => {
      try {
        return parseSendmailFlags(words);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        assert(error.message !== "");
        return null;
      }
    };
    const request = read(words);
    if (request === null) return;
    const { sender, dsnEnvelopeId, notify, recipients, choice } = request;
    assertEquals(words.slice(words.length - recipients.length), recipients);
    if (sender !== undefined) assertEquals(sender, sender.trim());
    if (dsnEnvelopeId !== undefined) assert(/^[ -~]{1,100}$/.test(dsnEnvelopeId));
    if (notify?.includes("NEVER")) assertEquals(notify.length, 1);
    for (const value of Object.values(choice)) assert(value !== "");
    for (const name of request.long.keys()) assert(/^(?:config|drop|socket|help)$/.test(name));
    const flags = words.slice(0, words.length - recipients.length);
    // Perhaps the end of the flags, perhaps the value of one.
    if (flags.at(-1) === "--") return;
    const again = read([...flags, "--", "-t", "--help", ...recipients]);
    assertEquals(again, { ...request, recipients: ["-t", "--help", ...recipients] });
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [tags, patterns, sendmail];
