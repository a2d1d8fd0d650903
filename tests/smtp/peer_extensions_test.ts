import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  parsePeerExtensions,
  type PeerExtensions,
  peerWithoutExtensions,
} from "../../src/smtp/peer_extensions.ts";

const NOTHING: PeerExtensions = {
  name: "mx.example",
  extended: true,
  pipelining: false,
  size: false,
  eightBitMime: false,
  smtputf8: false,
  enhancedStatusCodes: false,
  chunking: false,
  binaryMime: false,
  dsn: false,
  startTls: false,
  auth: [],
  requireTls: false,
  etrn: false,
  limits: {},
};

function offer(lines: readonly string[], secure = false): PeerExtensions {
  return parsePeerExtensions({ code: 250, lines: ["mx.example at your service", ...lines] }, {
    secure,
  });
}

// The keywords as their RFCs write them.
const cases: [line: string, offered: Partial<PeerExtensions>][] = [
  ["PIPELINING", { pipelining: true }],
  ["pipelining ", { pipelining: true }],
  ["SIZE", { size: 0 }],
  ["SIZE 0", { size: 0 }],
  ["SIZE 1000000", { size: 1000000 }],
  ["SIZE 99999999999999999999", { size: Number.MAX_SAFE_INTEGER }],
  ["SIZE many", {}],
  ["SIZE -1", {}],
  ["8BITMIME", { eightBitMime: true }],
  ["SMTPUTF8", { smtputf8: true }],
  ["ENHANCEDSTATUSCODES", { enhancedStatusCodes: true }],
  ["CHUNKING", { chunking: true }],
  ["BINARYMIME", {}],
  ["DSN", { dsn: true }],
  ["STARTTLS", { startTls: true }],
  ["AUTH PLAIN scram-sha-256 LOGIN", { auth: ["PLAIN", "SCRAM-SHA-256", "LOGIN"] }],
  ["AUTH=LOGIN PLAIN", { auth: ["LOGIN", "PLAIN"] }],
  ["AUTH", {}],
  ["AUTH A\0B PLAIN", { auth: ["PLAIN"] }],
  ["ETRN", { etrn: true }],
  ["REQUIRETLS", {}],
  ["LIMITS MAILMAX=10 RCPTMAX=20 RCPTDOMAINMAX=1 OTHER=3", {
    limits: { mailMax: 10, rcptMax: 20, rcptDomainMax: 1 },
  }],
  ["LIMITS MAILMAX=0 RCPTMAX=x RCPTDOMAINMAX=9999999", {}],
  ["X-PIPELINING", {}],
  ["PIPELININGS", {}],
  ["", {}],
  ["HELP", {}],
];

for (const [line, offered] of cases) {
  Deno.test(`parsePeerExtensions() reads ${JSON.stringify(line)}`, () => {
    assertEquals(offer([line]), { ...NOTHING, ...offered });
  });
}

Deno.test("parsePeerExtensions() reads BINARYMIME only together with CHUNKING (RFC 3030 §3)", () => {
  assertEquals(offer(["BINARYMIME", "CHUNKING"]).binaryMime, true);
});

Deno.test("parsePeerExtensions() joins AUTH and AUTH=", () => {
  assertEquals(offer(["AUTH PLAIN LOGIN", "AUTH=LOGIN XOAUTH2"]).auth, [
    "PLAIN",
    "LOGIN",
    "XOAUTH2",
  ]);
});

Deno.test("parsePeerExtensions() reads REQUIRETLS over TLS only, STARTTLS in clear only", () => {
  const { requireTls, startTls } = offer(["REQUIRETLS", "STARTTLS"], true);
  assertEquals([requireTls, startTls], [true, false]);
});

Deno.test("parsePeerExtensions() takes no keyword from the first line", () => {
  const answer = { code: 250, lines: ["PIPELINING"] };
  assertEquals(parsePeerExtensions(answer, { secure: false }).pipelining, false);
});

Deno.test("peerWithoutExtensions() offers nothing", () => {
  assertEquals(peerWithoutExtensions({ code: 250, lines: ["mx.example", "PIPELINING"] }), {
    ...NOTHING,
    extended: false,
  });
});

Deno.test("parsePeerExtensions() never throws", () => {
  fc.assert(fc.property(fc.array(fc.string()), fc.boolean(), (lines, secure) => {
    parsePeerExtensions({ code: 250, lines }, { secure });
  }));
});
