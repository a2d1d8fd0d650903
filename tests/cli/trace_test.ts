import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertNoSecret, base64 } from "../support/secrets.ts";
import { Client, Program, run } from "./program.ts";
import { PASSWORD, Site } from "./site.ts";
import { testAuthority } from "../support/certificates.ts";

const SUBMISSION = { role: "submission", address: "127.0.0.1:0" } as const;

/** A station, and somebody who follows it. */
async function followed(site: Site, ...flags: string[]) {
  const { program, ports } = await site.start({
    listeners: [{ role: "mx", address: "127.0.0.1:0" }, SUBMISSION],
    tls: site.certificates("mx"),
  });
  const config = ["--config", `${site.path}/yizhan.yaml`];
  const tracer = await Program.spawn(["trace", ...flags, ...config]);
  await tracer.stderrLine(/^Following /);
  return { program, tracer, mx: ports[0]!, submission: ports[1]! };
}

Deno.test("trace shows a session line by line without its password or message, and Ctrl-C ends it well", async () => {
  await using site = await Site.make();
  const { program, tracer, submission } = await followed(site, "--peer", "127.0.0.1");
  await using _server = program;
  await using _tracer = tracer;
  const client = await Client.connect(submission);
  await client.say("EHLO client.example", 250);
  await client.startTls(testAuthority, "mx.example.test");
  await client.say("EHLO client.example", 250);
  await client.say(`AUTH PLAIN ${base64(`\0alice@example.test\0${PASSWORD}`)}`, 235);
  await client.send(
    "alice@example.test",
    "alice@example.test",
    "Subject: quiet words\r\n\r\nHi\r\n",
  );
  await client.say("QUIT", 221);
  client[Symbol.dispose]();
  const closed = await tracer.stdoutLine(/ -- quit$/);
  tracer.signal("SIGINT");
  const { code, stdout, stderr } = await tracer.ended();
  assertEquals(code, 0);
  assertMatch(closed, /^\d\d:\d\d:\d\d\.\d{3} [\w.]+ from 127\.0\.0\.1 -- quit$/);
  assertMatch(stdout, / C: AUTH PLAIN \[…\]\n.* S: 235 2\.7\.0 welcome\n/);
  assertMatch(stdout, / C: MAIL FROM:<alice@example\.test>\n/);
  assertMatch(stdout, / C: \[… \d+ octets\]\n.* S: 250 /);
  assertMatch(stdout, / -- TLS: TLSv1\.3, TLS_/);
  assertMatch(stderr, /\n\d+ lines shown\n$/);
  assert(!stdout.includes("quiet words") && !stdout.includes("\x1b"), stdout);
  assertNoSecret(stdout, "alice@example.test", PASSWORD);
});

Deno.test("trace prints JSON, and ends after so many lines", async () => {
  await using site = await Site.make();
  const { program, tracer, mx } = await followed(
    site,
    "--listener",
    "mx",
    "--limit",
    "3",
    "--json",
  );
  await using _server = program;
  await using _tracer = tracer;
  const client = await Client.connect(mx);
  await client.say("EHLO client.example", 250);
  const { code, stdout } = await tracer.ended();
  assertEquals(code, 0);
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ kind, text }) => [kind, text]), [
    ["opened", "connection to mx"],
    ["reply", "220 mx.example.test ESMTP"],
    ["command", "EHLO client.example"],
  ]);
  assertMatch(lines[0].time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assertEquals(Object.keys(lines[0]), ["time", "side", "id", "peer", "kind", "text"]);
  client[Symbol.dispose]();
});

Deno.test("trace says when there is no such message, listener or server, and when the server stops", async () => {
  await using site = await Site.make();
  const nobody = await run(["trace", "--all", "--socket", `${site.path}/none.sock`]);
  assertEquals(nobody.code, 69, nobody.stderr);
  const { program, tracer } = await followed(site, "--all");
  await using _tracer = tracer;
  const missing = await site.run(["trace", "--message", "kx3f.1.1"]);
  assertEquals(missing.code, 66);
  assertMatch(
    missing.stderr,
    /there is no message kx3f\.1\.1 in the queue, and no session kx3f\.1\.1 is open; /,
  );
  const listener = await site.run(["trace", "--listener", "smtp"]);
  assertEquals(listener.code, 64);
  assertMatch(
    listener.stderr,
    /no listener is called "smtp"; there are: mx, submission \(see yizhan help trace\)/,
  );
  const quiet = await site.run(["trace", "--all", "--for", "1s"]);
  assertEquals([quiet.code, quiet.stdout], [0, ""]);
  assertMatch(quiet.stderr, /^0 lines shown$/m);
  program.signal("SIGTERM");
  const { code, stderr } = await tracer.ended();
  assertEquals(code, 75, stderr);
  await program.ended();
});

Deno.test("trace wrongly used says what it wants", async () => {
  const table: [string[], string][] = [
    [[], "trace wants to know whom: --peer, --message, --listener or --all"],
    [["--all", "--peer", "192.0.2.1"], "trace takes one of --peer and --all"],
    [["192.0.2.7"], "trace takes flags only: what is 192.0.2.7? say --peer 192.0.2.7"],
    [["kx3f"], "trace takes flags only: what is kx3f? see --message and --peer"],
    [["--peer", "192.0.2.300"], "--peer 192.0.2.300: wanted an IP address, a network such as"],
    [["--peer", "10.1.2.3/8"], "--peer 10.1.2.3/8: wanted an IP address, a network such as"],
    [["--peer", "a@b.example"], "--peer a@b.example: wanted an IP address"],
    [["--message", "<x@y>"], "--message <x@y>: that is no id"],
    [["--all", "--limit", "0"], "--limit 0: wanted a number of lines, at least 1"],
    [["--all", "--for", "5 minutes"], "--for 5 minutes: wanted a time, such as 30s, 5m or 1h"],
    [["--all", "--for", "8d"], "at most 7d"],
    [["--pier", "x"], "trace has no flag --pier; did you mean --peer?"],
  ];
  await Promise.all(table.map(async ([flags, words]) => {
    const { code, stdout, stderr } = await run(["trace", ...flags]);
    assertEquals([code, stdout], [64, ""], flags.join(" "));
    assert(stderr.includes(words), stderr);
    assertEquals(stderr.trimEnd().split("\n").length, 1);
  }));
});
