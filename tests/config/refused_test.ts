/**
 * Values that look right and are not: each is told at its place, before a server starts with it.
 */

import { assertEquals } from "@std/assert";
import { problemsOf, SMALLEST } from "./machine.ts";

/** A line of a configuration, and what is said of it after its place; `null`: it can be used. */
const CASES: readonly (readonly [string, RegExp | null])[] = [
  ["mail: { subaddressDelimiter: '@' }", /subaddressDelimiter: found "@"; wanted one sign/],
  ["mail: { subaddressDelimiter: a }", /wanted one sign/],
  ["mail: { subaddressDelimiter: '+-' }", /wanted one sign/],
  ["mail: { subaddressDelimiter: '-' }", null],
  ["mail: { subaddressDelimiter: . }", null],
  [
    "dkim: { selector: a..b }",
    /dkim\.selector: found "a\.\.b"; wanted letters, digits, dots and dashes/,
  ],
  ["dkim: { selector: a.-b }", /dkim\.selector: /],
  [`dkim: { selector: ${"a".repeat(41)} }`, /40 at most/],
  [`dkim: { selector: Mail-1.a--${"b".repeat(30)} }`, null],
  ["data: ~/mail", /data: found "~\/mail"; wanted the whole path: ~ stands for nothing here/],
  ["data: ./~", null],
  ["data: |\n  mail", /wanted a path/],
  ["mail: { directory: x/../queue }", /"queue", which is that of mail\.directory/],
  ["relay: { nameServers: ['127.0.0.1:99999'] }", /nameServers\[0\]: .*; wanted an address/],
  ["relay: { nameServers: ['127.0.0.1:0'] }", /wanted an address/],
  ["relay: { nameServers: ['127.0.0.1:5353', '::1', '[::1]:53'] }", null],
  [
    "relay: { dnssec: off, routes: [{ domains: ['*'], via: { kind: mx, tls: dane } }] }",
    /routes\[0\]\.via\.tls: found dane with relay\.dnssec: off/,
  ],
  [
    "relay: { routes: [{ domains: ['*'], via: { kind: mx, tls: dane, dane: false } }] }",
    /found dane with dane: false/,
  ],
  [
    "relay: { routes: [{ domains: ['*'], via: { kind: smarthost, host: 192.0.2.1, tls: dane } }] }",
    /found dane with an address as its host/,
  ],
  ["relay: { routes: [{ domains: ['*'], via: { kind: mx, tls: dane } }] }", null],
  ["relay: { dnssec: maybe }", /dnssec: found "maybe"; wanted/],
  ["monitor: { address: '[192.0.2.1]:80' }", /wanted ADDRESS:PORT/],
  ["monitor: { address: '[beef]:80' }", /wanted ADDRESS:PORT/],
  ["monitor: { address: '999.0.0.1:80' }", /wanted ADDRESS:PORT/],
  [
    "filters: [{ kind: milter, address: 127.0.0.1 }]",
    /wanted ADDRESS:PORT.*, such as unix:\/run\/opendkim\/opendkim\.sock or 127\.0\.0\.1:11332/,
  ],
  ["filters: [{ kind: clamav, address: '127.0.0.1:0' }]", /wanted its port/],
  ["monitor: { address: 'mail_1.example:80' }", null],
  [
    "relay: { routes: [{ domains: [b.example], via: { kind: lmtp, address: '[::1]:0' } }] }",
    /port/,
  ],
  ["queue: { srsSecret: fifteen15151515 }", /srsSecret: found text; wanted 16 characters/],
  ["queue: { srsSecret: '***' }", /found \*\*\*, which is shown in place of a secret/],
  ["queue: { srsSecret: sixteen161616161 }", null],
  ["queue:\n  <<: { paused: true }", /queue\["<<"\]: merges nothing here; write the keys out/],
  ["version: '1'", /version: found "1"; wanted 1; without quotes/],
];

Deno.test("loadConfig() refuses what would fail or mean nothing later", async (t) => {
  for (const [line, says] of CASES) {
    await t.step(line, async () => {
      const problems = await problemsOf(`${SMALLEST}${line}\n`);
      assertEquals(problems.length, says === null ? 0 : 1, problems.join("\n"));
      if (says !== null) assertEquals(says.test(problems[0]!), true, problems[0]);
    });
  }
});

Deno.test("loadConfig() refuses a listener's banner and name that no line has room for", async () => {
  const of = (keys: string) =>
    problemsOf(`hostname: a.example
listeners: [{ role: mx, address: "[::]:25", ${keys} }]
`);
  assertEquals(await of(`banner: "${"b".repeat(200)}", name: "${"n".repeat(60)}"`), []);
  assertEquals((await of(`banner: "${"b".repeat(201)}"`)).length, 1);
  assertEquals((await of(`name: "${"n".repeat(61)}"`)).length, 1);
  assertEquals((await of('name: "a\\e[31m"')).length, 1);
});

Deno.test("loadConfig() refuses folders where the control socket would have too long a path", async () => {
  // 107 octets with the folder, /queue/control.sock behind it.
  const longest = "/" + "d".repeat(107 - "//queue/control.sock".length);
  assertEquals(await problemsOf(`${SMALLEST}data: ${longest}\n`), []);
  const [problem = ""] = await problemsOf(`${SMALLEST}data: ${longest}d\n`);
  assertEquals(/queue\.directory: .* has 108 octets; wanted 107 at most/.test(problem), true);
});

Deno.test("loadConfig() shows nothing of a password, however it was put", async () => {
  const via = (text: string) => `relay: { routes: [{ domains: ["*"], via: ${text} }] }\n`;
  const login = (password: string) =>
    via(`{ kind: smarthost, host: b.example, credentials: { user: me, password: ${password} } }`);
  const texts = [
    login("{hunter2}"),
    login("[hunter2]"),
    login("*hunter2"),
    login("!hunter2 x"),
    login('"hunter2\\r\\nx"'),
    via('"smtp://me:hunter2@b.example:25"'),
    via('"smtp://me:hunter2@hunter2@b.example:25"'),
    via('{ kind: smarthost, host: "me:hunter2@b.example" }'),
    "queue: { srsSecret: hunter2 }\n",
    "queue: { srsSecret: { hunter2: 1 } }\n",
  ];
  for (const text of texts) {
    const problems = await problemsOf(`${SMALLEST}${text}`);
    assertEquals(problems.length > 0, true, text);
    assertEquals(problems.filter((line) => line.includes("hunter2")), [], text);
  }
});
