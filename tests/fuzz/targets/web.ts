/**
 * Fuzzing of what strangers say to the site of our domains: heads of requests, and the first flight of TLS.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { parseRequest } from "../../../src/admin/http_server.ts";
import { concat, decode, encode } from "../../../src/bytes.ts";
import { CLIENT_HELLO_LIMIT, readClientHello } from "../../../src/web/client_hello.ts";
import { answerInClear, answerSecurely, type Site } from "../../../src/web/site.ts";
import type { FuzzTarget } from "../engine/target.ts";

const ADDRESS = "alice@example.org";
const SITE: Site = {
  isOurs: (domain) => domain.toLowerCase() === "example.org",
  service: (domain) => ({
    domain,
    incoming: [{ kind: "imap", hostname: "mail.example.org", port: 993, tls: "implicit" }],
    outgoing: [{ kind: "smtp", hostname: "mail.example.org", port: 465, tls: "implicit" }],
  }),
  stsPolicy: () => "version: STSv1\r\n",
  challenge: (token) => token === "token" ? "token.print" : null,
};

const PATHS = [
  ...["/.well-known/mta-sts.txt", "/mail/config-v1.1.xml", "/autodiscover/autodiscover.xml"],
  ...[
    "/.well-known/acme-challenge/token",
    "/apple.mobileconfig",
    "/autodiscover/autodiscover.json",
  ],
];
const PARTS = [
  ...[
    "?emailaddress=",
    "?email=",
    "?Email=",
    "&Protocol=AutodiscoverV1",
    ADDRESS,
    "%22%3Cb%3E%22@",
  ],
  ...["/..", "//", "\\", "@", "%00", "%0d%0a", "#", "example.org", "evil.test", ":80"],
];
const HOSTS = ["", "mta-sts.", "autoconfig.", "autodiscover.", "x@"];

const site: FuzzTarget = {
  name: "site",
  about:
    "requests to the site: answered well, with no markup of strangers, and to no place of theirs",
  words: [...PATHS, ...PARTS, ...HOSTS, "Host: ", "\r\n", "GET ", "POST ", "<EMailAddress>"],
  generate: (chance) =>
    encode(
      `${chance.pick(["GET", "HEAD", "POST", "OPTIONS"])} ${chance.pick(PATHS)}` +
        `${chance.many(0, 4, () => chance.pick(PARTS))} HTTP/1.1\r\n` +
        `Host: ${chance.pick(HOSTS)}${chance.pick(["example.org", "evil.test", "EXAMPLE.org.:1"])}`,
    ),
  async run(input) {
    const head = Array.from(input, (octet) => String.fromCharCode(octet)).join("");
    const request = parseRequest(head);
    if (typeof request === "number") return assert([400, 505].includes(request));
    const body = `<EMailAddress>${decode(input)}</EMailAddress>`;
    const { url, method, headers } = request;
    const posted = new Request(url, { method, headers, ...(method === "POST" && { body }) });
    const secure = await answerSecurely(SITE, posted);
    assert([200, 404, 405].includes(secure.status));
    const text = await secure.text();
    assert(!/<b>|<script/i.test(text), text);
    if (/xml|apple/.test(secure.headers.get("content-type")!)) {
      assert(!/&(?!(?:amp|lt|gt|quot|apos);)/.test(text), text);
    }
    const clear = await answerInClear(SITE, request);
    assert([200, 301, 404].includes(clear.status));
    const place = clear.headers.get("location");
    if (place !== null) assert(/(?:^|\.)example\.org$/.test(new URL(place).hostname), place);
  },
};

function vector(prefix: number, ...octets: readonly Uint8Array[]): Uint8Array {
  const whole = concat(octets);
  const length = Array.from(
    { length: prefix },
    (_, at) => whole.length >> 8 * (prefix - 1 - at) & 255,
  );
  return concat([Uint8Array.from(length), whole]);
}

const hello: FuzzTarget = {
  name: "client-hello",
  about: "the first flight of TLS: the same in any pieces, and bounded",
  words: [Uint8Array.of(22, 3, 1), Uint8Array.of(0, 16), Uint8Array.of(255, 255), "acme-tls/1"],
  generate(chance) {
    const number = (value: number) => Uint8Array.of(value >> 8, value & 255);
    const name = encode(chance.many(1, 4, () => chance.pick(["a", "example.org", "ü", "."])));
    const names = concat([number(0), vector(2, vector(2, Uint8Array.of(0), vector(2, name)))]);
    const protocols = concat([number(16), vector(2, vector(2, vector(1, encode("acme-tls/1"))))]);
    const extensions = chance.pick([[names, protocols], [protocols], [names], []]);
    const message = concat([
      ...[number(0x303), new Uint8Array(32), vector(1), vector(2, number(0x1301))],
      ...[vector(1, Uint8Array.of(0)), vector(2, ...extensions)],
    ]);
    const handshake = concat([Uint8Array.of(1), vector(3, message)]);
    const cut = chance.between(1, handshake.length);
    const records = [handshake.subarray(0, cut), handshake.subarray(cut)]
      .filter(({ length }) => length > 0)
      .map((part) => concat([Uint8Array.of(22, 3, 1), vector(2, part)]));
    return concat(records);
  },
  run(input) {
    const whole = readClientHello(input);
    if (whole !== null && whole !== "more") {
      assert((whole.serverName ?? "").length <= 255);
      assert(whole.protocols.length <= CLIENT_HELLO_LIMIT);
    }
    // Once it is known it stays so, whatever comes later.
    for (let length = 0; length < input.length; length++) {
      const begun = readClientHello(input.subarray(0, length));
      if (begun !== "more") assertEquals(begun, whole);
    }
  },
};

/** Both. */
export const targets: readonly FuzzTarget[] = [site, hello];
