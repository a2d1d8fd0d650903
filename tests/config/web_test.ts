/**
 * The sections web and acme: what is refused, which names certificates are for, and what the site says.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { loadConfig } from "../../src/config/load.ts";
import { acmeNames, mailServiceOf, ownStsPolicyText, siteNames } from "../../src/config/site.ts";
import { problemsOf, SMALLEST, testMachine } from "./machine.ts";

const AGREED = "agreeToTerms: true";
const CLEAR = 'listeners: [{ address: "[::]:80", tls: false }]';

/** Lines of a configuration, and what is said of them after its place; `null`: they can be used. */
const CASES: readonly (readonly [string, RegExp | null])[] = [
  ["acme: {}", /agreeToTerms: is missing; wanted true, once you have read .* terms of service/],
  [
    "acme: { agreeToTerms: false }",
    /agreeToTerms: found false; wanted true, once you have read .* terms of service/,
  ],
  [`acme: { ${AGREED} }`, /challenge: found http-01, and no listener of web is in clear; add/],
  [`acme: { ${AGREED} }\nweb: { ${CLEAR} }`, null],
  [
    `acme: { ${AGREED}, challenge: tls-alpn-01 }\nweb: { ${CLEAR} }`,
    /found tls-alpn-01, and no listener of web has TLS/,
  ],
  [`acme: { ${AGREED}, challenge: dns-01 }`, /found dns-01 without acme\.dnsHook/],
  [`acme: { ${AGREED}, challenge: dns-01, dnsHook: /hook, names: ["*.a.example"] }`, null],
  [
    `acme: { ${AGREED}, names: ["*.a.example"] }\nweb: { ${CLEAR} }`,
    /names\[0\]: found \*\.a\.example, and http-01 proves no wildcard; use dns-01/,
  ],
  [
    `acme: { ${AGREED}, names: ["a.*.example"] }\nweb: { ${CLEAR} }`,
    /names\[0\]: .*wanted a host name, such as mail\.example\.org, or \*\. and a domain/,
  ],
  [`acme: { ${AGREED}, names: ["../a.example"] }\nweb: { ${CLEAR} }`, /wanted a host name/],
  // RFC 8555 §6.1.
  [
    `acme: { ${AGREED}, directory: "http://ca.example/dir" }\nweb: { ${CLEAR} }`,
    /directory: .*wanted a URL with https:/,
  ],
  [
    'web: { listeners: [{ address: "[::]:443" }] }',
    /listeners\[0\]: listens for TLS, and there is no certificate; give tls\.certificates, or/,
  ],
  [`web: { ${CLEAR} }\nmonitor: { address: "127.0.0.1:80" }`, /monitor\.address: .*\[::\]:80/],
  ["web: { mtaSts: { mx: ['*.a.example'] } }", null],
  ["web: { mtaSts: { mx: ['a.*.example'] } }", /wanted a host name in lower case/],
  ["web: { mtaSts: { mode: strict } }", /wanted/],
];

Deno.test("loadConfig() refuses a site or certificates that could not be had", async (t) => {
  for (const [lines, says] of CASES) {
    await t.step(lines, async () => {
      const problems = await problemsOf(`${SMALLEST}${lines}\n`);
      assertEquals(problems.length, says === null ? 0 : 1, problems.join("\n"));
      if (says !== null) assertEquals(says.test(problems[0]!), true, problems[0]);
    });
  }
});

const BOTH = 'listeners: [{ address: "[::]:80", tls: false }, { address: "[::]:443" }]';
const MX = 'listeners: [{ role: mx, address: "[::]:25" }]';
const ACME = `acme: { ${AGREED} }`;

async function configOf(...lines: string[]) {
  const files = { "yizhan.yaml": ["hostname: MX.a.example", ...lines, ""].join("\n") };
  return (await loadConfig("yizhan.yaml", testMachine({ files }))).config;
}

Deno.test("acmeNames() are those of the host and of the site, or those that are written", async () => {
  const domains = "domains: [a.example, bücher.example]";
  const names = async (web: string, acme = ACME) =>
    acmeNames(await configOf(MX, domains, acme, `web: { ${web} }`));
  const mx = "mx.a.example";
  assertEquals(await names(CLEAR), [mx]);
  assertEquals(await names(BOTH), [
    ...[mx, "mta-sts.a.example", "mta-sts.xn--bcher-kva.example"],
  ]);
  assertEquals(await names(`${BOTH}, imap: {}, mtaSts: { mode: none }`), [
    ...[mx, "autoconfig.a.example", "autodiscover.a.example"],
    ...["autoconfig.xn--bcher-kva.example", "autodiscover.xn--bcher-kva.example"],
  ]);
  const written = `acme: { ${AGREED}, names: [B.example, b.example] }`;
  assertEquals(await names(BOTH, written), ["b.example"]);
  assertEquals(acmeNames(await configOf(MX)), []);
});

Deno.test("siteNames() are none where nothing listens for TLS", async () => {
  assertEquals(siteNames(await configOf(MX, `web: { ${CLEAR}, imap: {} }`)), []);
});

Deno.test("ownStsPolicyText() names our hosts", async () => {
  const policy = async (mtaSts: string) =>
    ownStsPolicyText(await configOf(MX, `web: { mtaSts: { ${mtaSts} } }`));
  // RFC 8461 §3.2.
  assertEquals(
    await policy("mode: enforce, maxAge: 1d, mx: ['*.a.example', b.example]"),
    "version: STSv1\r\nmode: enforce\r\nmx: *.a.example\r\nmx: b.example\r\nmax_age: 86400\r\n",
  );
  assertEquals(await policy("mode: none"), null);
});

Deno.test("mailServiceOf() names the ports of users, TLS from the first octet first", async () => {
  const listeners = ["submission:587", "submissions:465", "mx:25"].map((one) => {
    const [role, port] = one.split(":");
    return `{ role: ${role}, address: "[::]:${port}" }`;
  });
  const web = `web: { ${CLEAR}, imap: { hostname: imap.a.example } }`;
  const config = await configOf(`listeners: [${listeners}]`, ACME, web);
  const { incoming, outgoing } = mailServiceOf(config, "a.example");
  assertEquals(incoming, [
    { kind: "imap", hostname: "imap.a.example", port: 993, tls: "implicit" },
  ]);
  assertEquals(outgoing.map(({ port, tls }) => [port, tls]), [
    [465, "implicit"],
    [587, "starttls"],
  ]);
});
