/**
 * Fuzzing of what guards the road and reports of it: the records and policies of MTA-STS, the records of TLS-RPT, and the
 * responses of web servers that have policies.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { decode, encode, isPrintable } from "../../../src/bytes.ts";
import { HttpResponseDecoder } from "../../../src/delivery/https/response_decoder.ts";
import {
  formatStsPolicy,
  parseStsPolicy,
  STS_LONGEST,
  stsCovers,
} from "../../../src/delivery/sts/policy.ts";
import { parseStsRecord } from "../../../src/delivery/sts/record.ts";
import { parseReportRecord } from "../../../src/delivery/tls_reports/record.ts";
import type { FuzzTarget } from "../engine/target.ts";

const LINES = [
  ...["version: STSv1", "mode: enforce", "mode: testing", "mode: none", "max_age: 86400"],
  ...["mx: mx.example.org", "mx: *.example.org", "mx: *", "mx:", "max_age: 99999999999", "x: y"],
  ...[
    "version: STSv2",
    "mx: *.*.example",
    "é: é",
    "mx: é.example",
    " mode: none",
    "max_age: -1",
    "",
  ],
];
const RECORDS = [
  ...["v=STSv1; id=1;", "v=STSv1", "v=STSv1; id=a; x=y", "v=STSv1; id=a; id=b", "v=STSv1;;"],
  ...["v=TLSRPTv1; rua=mailto:a@example.org", "v=TLSRPTv1; rua=https://a.example/x?y", "v=spf1"],
  ...[
    "v=TLSRPTv1;rua=mailto:%0d@a.example,https://[::1]/",
    "v=TLSRPTv1; rua=",
    "https://u:p@a.example",
  ],
];

const sts: FuzzTarget = {
  name: "sts",
  about: "records and policies of MTA-STS and TLS-RPT: read, written and read again, and bounded",
  words: [...LINES, ...RECORDS, "\r\n", "\n", ";", ",", "=", ":", "%", " ", "\t"],
  generate: (chance) =>
    encode(
      chance.oneIn(3)
        ? chance.many(1, 3, () => chance.pick(RECORDS), "\n")
        : chance.many(1, 8, () => chance.pick(LINES), chance.pick(["\n", "\r\n"])),
    ),
  run(input) {
    const policy = parseStsPolicy(input);
    if ("fault" in policy) {
      assert(policy.fault !== "" && isPrintable(policy.fault), policy.fault);
    } else {
      assert(policy.maxAge >= 0 && policy.maxAge <= STS_LONGEST);
      assert(policy.mode === "none" || policy.mx.length > 0);
      assertEquals(parseStsPolicy(formatStsPolicy(policy)), policy);
      for (const mx of policy.mx) assert(stsCovers(policy, mx.replace(/^\*/, "a")), mx);
      assert(!stsCovers(policy, "nowhere.invalid") || policy.mx.some((mx) => /invalid/i.test(mx)));
    }
    const texts = decode(input).split("\n");
    for (const some of [texts, ...texts.map((text) => [text])]) {
      const record = parseStsRecord(some);
      if (record !== null && "id" in record) assert(/^[A-Za-z0-9]{1,32}$/.test(record.id));
      else if (record !== null) assert(isPrintable(record.fault));
      for (const target of parseReportRecord(some) ?? []) {
        const said = target.kind === "mail" ? target.address : `${target.host}${target.target}`;
        assert(!/[\p{Cc}\s]/u.test(said) || target.kind === "mail" && said.includes('"'), said);
      }
    }
  },
};

const HEADS = [
  ...[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 404\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 204 x\r\n",
  ],
  ...[
    "Content-Length: 5\r\n",
    "Content-Length: 05\r\n",
    "Transfer-Encoding: chunked\r\n",
    "A: b\r\n",
  ],
  ...[
    "\r\n",
    "\n",
    "5\r\nhello\r\n",
    "3;x=y\r\nabc\r\n",
    "0\r\n\r\n",
    "hello",
    "ffffffff\r\n",
    "x",
  ],
];
const LIMIT = 64;

/** What comes of a response in pieces. */
function read(input: Uint8Array, size: number): string {
  const decoder = new HttpResponseDecoder(LIMIT);
  for (let at = 0; at < input.length; at += size) {
    const fault = decoder.receive(input.subarray(at, at + size));
    if (fault !== null) {
      assert(isPrintable(fault));
      return fault;
    }
  }
  const { done } = decoder;
  if (done === null) return "more";
  assert(done.body.length <= LIMIT && done.status >= 200 && done.status <= 999);
  return JSON.stringify([done.status, [...done.headers], decode(done.body)]);
}

const response: FuzzTarget = {
  name: "http-response",
  about: "responses of HTTP: the same however they come, and bounded",
  words: HEADS,
  generate: (chance) => encode(chance.many(1, 9, () => chance.pick(HEADS))),
  run(input) {
    const whole = read(input, Infinity);
    for (const size of [1, 2, 7]) assertEquals(read(input, size), whole);
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [sts, response];
