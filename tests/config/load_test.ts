import { assertEquals, assertRejects } from "@std/assert";
import { loadConfig, readConfig, readConfigPaths } from "../../src/config/load.ts";
import { ConfigError } from "../../src/config/problems.ts";
import { load, problemsOf, SMALLEST, testMachine } from "./machine.ts";

Deno.test("loadConfig() gives values, with defaults, as the program goes by them", async () => {
  const { config, file, warnings } = await load(`${SMALLEST}queue: { retry: { first: 10m } }\n`);
  assertEquals(config.hostname, "mail.example.org");
  const address = { transport: "tcp" as const, hostname: "::", port: 25 };
  assertEquals(config.listeners[0]?.address, address);
  assertEquals(config.queue.retry.first, 600_000);
  assertEquals(config.queue.retry.longest, 14_400_000);
  assertEquals([file, warnings], ["yizhan.yaml", []]);
});

Deno.test("loadConfig() tells all problems at once, each with its place", async () => {
  const text = [
    "hostnam: mail.example.org", // 1
    "domains: [example.org, 12]",
    "mail:",
    "listeners:",
    "  - role: mz", // 5
    "    address: 127.0.0.1:25",
    "  - { role: mx, address: 587, pasword: x }",
    "limits: { recipients: 5, messages: many }",
    "paused: true",
    "log: { format: jsn }", // 10
    "stop: { grace: 5 minutes }",
    "queue: { srsSecret: 12, concurrency: '3', retryDomains: { a b: { first: 1m } } }",
    "drop: { senders: { alice: [x y] } }",
  ].join("\n");
  assertEquals(await problemsOf(text), [
    "yizhan.yaml:1:1: hostname: is missing (This machine's name in DNS, said in greetings)",
    "yizhan.yaml:1:1: hostnam: there is no such key; did you mean hostname?",
    "yizhan.yaml:2:24: domains[1]: found 12; wanted a domain, such as example.org",
    "yizhan.yaml:3:6: mail: found nothing; wanted keys below it, or not this line",
    'yizhan.yaml:5:11: listeners[0].role: found "mz"; wanted mx, submission, submissions or lmtp; ' +
    "did you mean mx?",
    "yizhan.yaml:7:26: listeners[1].address: found 587; wanted ADDRESS:PORT, [IPV6]:PORT or " +
    "unix:PATH, such as 0.0.0.0:25 or [::]:25",
    "yizhan.yaml:7:31: listeners[1].pasword: there is no such key; allowed are role, address, name, " +
    "banner, greetingDelay, refuseEarlyTalk, extensions",
    "yizhan.yaml:8:23: limits.recipients: found 5; wanted 100 or more (RFC 5321 §4.5.3.1.8)",
    'yizhan.yaml:8:36: limits.messages: found "many"; wanted a whole number',
    "yizhan.yaml:9:1: paused: there is no such key; did you mean queue.paused?",
    'yizhan.yaml:10:16: log.format: found "jsn"; wanted auto, json or text; did you mean json?',
    'yizhan.yaml:11:16: stop.grace: found "5 minutes"; wanted a duration, such as 30s, 6m, 4h or 5d ' +
    "(ten years at most)",
    "yizhan.yaml:12:21: queue.srsSecret: found a number; wanted the secret itself, or file: PATH of " +
    "a file that holds it",
    'yizhan.yaml:12:38: queue.concurrency: found "3"; wanted a whole number',
    'yizhan.yaml:12:59: queue.retryDomains["a b"]: found "a b"; wanted a domain (example.org), all ' +
    "below one (.example.org) or all others (*)",
    'yizhan.yaml:13:28: drop.senders.alice[0]: found "x y"; wanted an address or a domain, such as ' +
    "alice@example.org or example.org",
  ]);
});

Deno.test("loadConfig() tells a missing key at what it belongs to, and what would be right", async () => {
  const text = `${SMALLEST}relay:
  routes:
    - domains: [example.net]
      via: { port: 26 }
    - via:
        kind: smarthost
`;
  assertEquals(await problemsOf(text), [
    "yizhan.yaml:7:7: relay.routes[0].via.kind: is missing; wanted mx, smarthost, lmtp, pipe or hold",
    "yizhan.yaml:8:7: relay.routes[1].domains: is missing (For whom: example.org, .example.org for all " +
    "below it, * for all that no other route names)",
    "yizhan.yaml:8:7: relay.routes[1].via.host: is missing (A host name or IP address)",
  ]);
});

Deno.test("loadConfig() tells what is no YAML, in words of its own", async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ["a: [1, 2\nb: 3\n", "2:1: is not indented as what it belongs to; or ] or } is missing before"],
    ["\ta: 1", "1:1: a tab indents nothing in YAML; use spaces"],
    ["a: b: c", "1:4: a second key: on one line; text with a colon in it goes in quotes"],
    ["a: 1\n---\nb: 2", "2:1: a second document (---); a configuration is one"],
    ["a: !secret x", "1:4: tags (!) mean nothing here; text that begins with ! goes in quotes"],
    ["a: @x", "1:4: text that begins with this sign goes in quotes"],
  ];
  for (const [text, wanted] of cases) {
    await t.step(JSON.stringify(text), async () => {
      assertEquals((await problemsOf(text))[0], `yizhan.yaml:${wanted}`);
    });
  }
});

Deno.test("loadConfig() tells of a key given twice, and where it was first", async () => {
  assertEquals(await problemsOf(`${SMALLEST}hostname: other.example.org\n`), [
    "yizhan.yaml:4:1: hostname: is given twice, the first time on line 1",
  ]);
});

Deno.test("loadConfig() tells where the value of an alias stands", async () => {
  const text = `domains: [&one "a b"]\nhostname: *one\nlisteners: *two\n`;
  assertEquals((await problemsOf(text)).map((line) => line.split(";")[0]), [
    'yizhan.yaml:1:16: domains[0]: found "a b"',
    'yizhan.yaml:2:11: hostname: found "a b"',
    "yizhan.yaml:3:12: listeners: is an alias (*) for an anchor (&) that is not there before it",
    "yizhan.yaml:3:12: listeners: found nothing",
  ]);
});

Deno.test("loadConfig() shows no secret, wherever it stands", async () => {
  const text = `${SMALLEST}relay:
  routes:
    - domains: ["*"]
      via: { kind: smarthost, host: a.example, credentials: hunter2 }
    - domains: [a.example]
      via: { kind: smarthost, host: a.example, credentials: { user: a, password: 271828 } }
    - domains: [b.example]
      via: { kind: smarthost, host: a.example, credentials: { user: a, password: *hunter2 } }
queue: { srsSecret: [hunter2] }
`;
  const told = (await problemsOf(text)).join("\n");
  assertEquals(told.split("\n").length, 5, told);
  assertEquals(/hunter2|271828/.exec(told), null, told);
});

Deno.test("loadConfig() says why a file cannot be read", async () => {
  const machine = testMachine({});
  const error = await assertRejects(() => loadConfig("/etc/none.yaml", machine), ConfigError);
  assertEquals(error.message, "/etc/none.yaml: cannot be read: it does not exist");
});

Deno.test("loadConfig() resolves paths: by the folder of the file, and in data", async () => {
  const text = `hostname: mail.example.org
data: /var/lib/yizhan
mail: { directory: ./boxes }
queue: { directory: /srv/queue }
listeners: [{ role: lmtp, address: "unix:run/lmtp.sock" }]
monitor: { address: "unix:/run/monitor.sock" }
`;
  const machine = testMachine({ files: { "conf/y.yaml": text } });
  const { config, paths, written } = await loadConfig("conf/y.yaml", machine);
  assertEquals(paths, {
    data: "/var/lib/yizhan",
    mail: "/var/lib/yizhan/boxes",
    queue: "/srv/queue",
    drop: "/var/lib/yizhan/drop",
    users: "conf/users",
    dkim: "conf/dkim",
    control: "/srv/queue/control.sock",
  });
  const socket = { transport: "unix" as const, path: "conf/run/lmtp.sock" };
  assertEquals(config.listeners[0]?.address, socket);
  assertEquals(config.mail.directory, paths.mail);
  assertEquals(written.listeners[0]?.address, { ...socket, path: "run/lmtp.sock" });
});

Deno.test("LoadedConfig.at() finds a key, or the nearest above it that is there", async () => {
  const { at } = await load(`${SMALLEST}mail:\n  directory: boxes\n`);
  assertEquals(at(["mail", "directory"], "is full", "empty it"), {
    ...{ file: "yizhan.yaml", line: 5, column: 14, key: "mail.directory" },
    ...{ message: "is full", hint: "empty it" },
  });
  const { line, column, key } = at(["mail", "postmaster"], "is nobody");
  assertEquals([line, column, key], [4, 1, "mail.postmaster"]);
  assertEquals(at(["users"], "is missing").line, 1);
});

Deno.test("readConfig() does not look at the files that are named", async () => {
  const text = `${SMALLEST}tls: { certificates: [{ certificate: none.pem, key: none.key }] }\n`;
  const machine = testMachine({ files: { "yizhan.yaml": text } });
  const { written } = await readConfig("yizhan.yaml", machine);
  assertEquals(written.tls.certificates.length, 1);
  await assertRejects(() => loadConfig("yizhan.yaml", machine), ConfigError, "none.pem");
});

Deno.test("readConfigPaths() needs the paths to be right only", async () => {
  const read = (text: string) =>
    readConfigPaths("/e/y.yaml", testMachine({ files: { "/e/y.yaml": text } }));
  assertEquals((await read("hostname: 3\nfoo: 1\ndata: d\n")).control, "/e/d/queue/control.sock");
  const wrong = await assertRejects(() => read("hostname: 3\ndata: 3\n"), ConfigError);
  assertEquals(wrong.message, "/e/y.yaml:2:7: data: found 3; wanted a path");
  await assertRejects(() => read("data: [\n"), ConfigError);
});
