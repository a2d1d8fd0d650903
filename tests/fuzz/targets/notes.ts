/**
 * Fuzzing of small texts of operators and of DNS: SPF and lists of tags, patterns of DNS lists, rates, name servers,
 * the command line of sendmail.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { checkSpf } from "../../../src/admin/spf_check.ts";
import { isSpf, parseSpf } from "../../../src/admin/spf_record.ts";
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
import type { DnsAnswer, Resolver } from "../../../src/runtime/runtime.ts";
import type { FuzzTarget } from "../engine/target.ts";

const TERMS = [
  ...[
    "a",
    "mx",
    "-all",
    "~all",
    "?ptr",
    "include:a.example",
    "redirect=b.example",
    "exp=c.example",
  ],
  ...["ip4:192.0.2.0/24", "ip6:2001:db8::/32", "a:b.example/24//64", "mx//129", "exists:%{i}.x.y"],
  ...["ip4:192.0.2.1/33", "include:", "redirect=", "x=%", "+ALL", "all:x", "ip6:::ffff:1.2.3.4/96"],
];

/** A world of DNS in which each line is the record of a domain: `a.example`, `b.example` and so on. */
function dnsOf(lines: readonly string[], asked: string[]): Resolver {
  const noName = { status: "no-name", ttl: 1 } as unknown as DnsAnswer<never>;
  const found = <T>(records: T[]) => ({ status: "found", records, ttl: 1 }) as DnsAnswer<T>;
  const answer = <T>(name: string, records: (line: string) => T[]): Promise<DnsAnswer<T>> => {
    asked.push(name);
    const at = /^([a-z])\.example$/.exec(name)?.[1]?.charCodeAt(0);
    const line = at === undefined ? undefined : lines[at - 97];
    return Promise.resolve(line === undefined ? noName : found(records(line)));
  };
  return {
    txt: (name: string) => answer(name, (line) => line.split("|")),
    mx: (name: string) =>
      answer(name, (line) => line.split(" ").map((exchange) => ({ preference: 1, exchange }))),
    a: (name: string) => answer(name, (line) => [`192.0.2.${line.length % 256}`, line]),
    aaaa: (name: string) => answer(name, (line) => [`2001:db8::${line.length % 9}`, line]),
  } as unknown as Resolver;
}

const RESULTS = "pass fail softfail neutral none permerror temperror unclear".split(" ");

const spf: FuzzTarget = {
  name: "spf",
  about:
    "SPF records that ask for one another (a line each for a.example, b.example …), and tag lists: an end, few questions",
  words: [
    ...TERMS.map((term) => ` ${term}`),
    "\n",
    "|",
    "v=spf1",
    "; p=none",
    "v=DKIM1;",
    "%{s}",
    "\t",
  ],
  generate: (chance) =>
    encode(
      chance.many(1, 5, () =>
        chance.oneIn(6)
          ? chance.many(0, 6, () =>
            chance.pick(["v=DKIM1", "p=a b", "p", "a=b=c", " ", ""]), ";")
          : `v=spf1 ${
            chance.many(0, 12, () => chance.pick(TERMS), " ")
          }`, "\n"),
    ),
  async run(input) {
    const lines = decode(input).split("\n");
    for (const line of lines) {
      const read = parseSpf(line);
      if (!isSpf(line)) assertEquals(read.status, "bad");
      if (read.status === "bad") assert(read.reason !== "");
      else {for (const { prefix4, prefix6 } of read.record.terms) {
          assert(prefix4 >= 0 && prefix4 <= 32 && prefix6 >= 0 && prefix6 <= 128);
        }}
      const tags = parseTagList(line);
      if (tags === null) continue;
      const written = [...tags].map(([name, value]) => `${name}=${value}`).join(";");
      assertEquals([...parseTagList(written) ?? []], [...tags]);
      for (const [name, value] of tags) assert(/^[A-Za-z]\w*$/.test(name) && !value.includes(";"));
    }
    for (const ip of ["192.0.2.7", "2001:db8::7"]) {
      const asked: string[] = [];
      const checked = await checkSpf(dnsOf(lines, asked), "a.example", ip);
      assert(RESULTS.includes(checked.result));
      if ("reason" in checked) assert(checked.reason !== "");
      // RFC 7208 §4.6.4: ten terms that ask, an `mx` ten more each, and the record of each.
      assert(asked.length <= 1 + 10 * 11, `${asked.length} questions`);
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
export const targets: readonly FuzzTarget[] = [spf, patterns, sendmail];
