import { assertEquals } from "@std/assert";
import { problemsOf, SMALLEST } from "./machine.ts";

/** Problems of the smallest configuration with these lines behind it, without the file's name. */
async function told(text: string): Promise<string[]> {
  const lines = await problemsOf(`${SMALLEST}${text}`);
  return lines.map((line) => line.replace("yizhan.yaml:", ""));
}

Deno.test("checkListeners() finds two that want the same port", async (t) => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["0.0.0.0:25", "127.0.0.1:25", true],
    ["[::]:25", "192.0.2.1:25", true],
    ["[::]:25", "0.0.0.0:25", true],
    ["[::]:25", "[::1]:25", true],
    ["0.0.0.0:25", "[::1]:25", false],
    ["127.0.0.1:25", "[::ffff:127.0.0.1]:25", true],
    ["localhost:25", "127.0.0.1:25", true],
    ["[2001:db8:0::1]:25", "[2001:DB8::1]:25", true],
    ["127.0.0.1:25", "127.0.0.2:25", false],
    ["127.0.0.1:25", "127.0.0.1:26", false],
    // Port 0 is any free one.
    ["127.0.0.1:0", "127.0.0.1:0", false],
    ["unix:a.sock", "unix:a.sock", true],
    ["unix:a.sock", "unix:b.sock", false],
  ];
  for (const [one, other, clash] of cases) {
    await t.step(`${one} and ${other}: ${clash ? "yes" : "no"}`, async () => {
      for (const [first, second] of [[one, other], [other, one]]) {
        const lines = await problemsOf(`hostname: a.example
listeners:
  - { role: mx, address: "${first}" }
  - { role: lmtp, address: "${second}" }
`);
        assertEquals(lines.map((line) => line.split(" ")[0]), clash ? ["yizhan.yaml:4:28:"] : []);
        if (clash) assertEquals(lines[0]?.includes("listeners[0].address"), true, lines[0]);
      }
    });
  }
});

Deno.test("checkListeners() counts the address of the metrics", async () => {
  assertEquals(await told('monitor: { address: "127.0.0.1:25" }\n'), [
    "4:21: monitor.address: found 127.0.0.1:25, which listeners[0].address ([::]:25) has already; " +
    "wanted another port or address",
  ]);
});

Deno.test("checkListeners() wants a certificate where passwords are said", async () => {
  const text = `hostname: a.example
listeners:
  - { role: submissions, address: "[::]:465" }
`;
  assertEquals(await problemsOf(text), [
    "yizhan.yaml:3:13: listeners[0].role: found submissions without a certificate, so that no " +
    "password would be safe; give tls.certificates, get them by acme, or take mail from your own networks by " +
    "relay.from",
  ]);
});

Deno.test("checkRelay() finds routes that cannot be, or are without effect", async (t) => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      "an open relay",
      "relay: { routes: [{ domains: [a.example, '*'], accept: true, via: { kind: mx } }] }",
      '4:42: relay.routes[0].domains[1]: found "*" with accept, which would relay for everybody; ' +
      "name the domains, or leave accept out",
    ],
    [
      "an open relay by networks",
      "relay: { from: ['::/0'] }",
      '4:17: relay.from[0]: found "::/0"; wanted your own networks: this one would relay for everybody',
    ],
    [
      "a domain with two routes",
      "relay: { routes: [{ domains: [.a.example], via: { kind: mx } }, " +
      "{ domains: [.A.Example], via: { kind: hold } }] }",
      '4:77: relay.routes[1].domains[0]: found ".A.Example", which relay.routes[0].domains[0] names ' +
      "already; a domain can have one route",
    ],
    [
      "routes where nothing goes on",
      "relay: { enabled: false, routes: [{ domains: [a.example], via: { kind: mx } }] }",
      "4:26: relay.routes: has no effect while relay.enabled is false; remove one of them",
    ],
    [
      "an option without its value",
      "relay: { routes: [{ domains: [a.example], via: { kind: pipe, program: x, arguments: ['-t{tag}'] } }] }",
      "4:85: relay.routes[0].via.arguments: arguments: -t{tag} would be an option without its value " +
      "where an address has no tag: give {tag} as an argument of its own",
    ],
  ];
  for (const [name, text, wanted] of cases) {
    await t.step(name, async () => assertEquals(await told(`${text}\n`), [wanted]));
  }
  await t.step("a domain of ours", async () => {
    const text = "domains: [a.example]\n" +
      "relay: { routes: [{ domains: [b.example, A.example], via: { kind: mx } }] }\n";
    assertEquals(await told(text), [
      '5:42: relay.routes[0].domains[1]: found "A.example", a domain of ours: its mail ends here, and ' +
      "this has no effect; remove it here or in domains",
    ]);
  });
});

Deno.test("checkRelay() lets no password go in clear, or to a stranger unasked", async (t) => {
  const login = "credentials: { user: a, password: p";
  const cases: readonly (readonly [string, boolean])[] = [
    [`tls: none, ${login} }`, false],
    [`tls: opportunistic, ${login}, allowUnverified: true }`, false],
    [`tls: required, ${login} }`, false],
    [`tls: required, ${login}, allowUnverified: true }`, true],
    [`tls: verified, ${login} }`, true],
    [`${login} }`, true],
    ["tls: none", true],
  ];
  for (const [way, good] of cases) {
    await t.step(way, async () => {
      const smarthost = `{ kind: smarthost, host: a.example, ${way} }`;
      for (const via of [smarthost, `{ kind: hold, then: ${smarthost} }`]) {
        const lines = await told(`relay: { routes: [{ domains: ["*"], via: ${via} }] }\n`);
        assertEquals(lines.length, good ? 0 : 1, lines.join("\n"));
        const key = /: (relay\S+):/.exec(lines[0] ?? "")?.[1];
        const then = via === smarthost ? "" : ".then";
        assertEquals(key, good ? undefined : `relay.routes[0].via${then}.tls`);
      }
    });
  }
});

Deno.test("checkRetry() compares what depends on each other", async () => {
  assertEquals(await told("queue: { retry: { first: 5h } }\n"), [
    "4:10: queue.retry.longest: found 4h, less than first (5h); give both",
  ]);
  assertEquals(await told("queue: { retryDomains: { a.example: { longest: 1m }, '*': {} } }\n"), [
    '4:48: queue.retryDomains["a.example"].longest: found 1m, less than first (6m); give both',
    '4:54: queue.retryDomains["*"]: found "*"; wanted a domain, or .example.org for all below it; ' +
    "what holds for all is in queue.retry",
  ]);
  assertEquals(await told("queue: { retry: { lifetime: 21d } }\n"), [
    '4:29: queue.retry.lifetime: found "21d"; wanted 20d at most: addresses rewritten by SRS end soon ' +
    "after",
  ]);
});

Deno.test("checkFolders() keeps folders apart", async () => {
  assertEquals(await told("queue: { directory: mail }\n"), [
    '4:21: queue.directory: found "mail", which is that of mail.directory; wanted a folder of its own',
  ]);
  assertEquals(await told("drop: { directory: queue/drop }\n"), [
    '4:20: drop.directory: found "queue/drop", which lies in queue.directory; wanted a folder of its own',
  ]);
});
