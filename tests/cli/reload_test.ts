import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { askControl } from "../../src/admin/control_client.ts";
import { ControlError } from "../../src/admin/control_protocol.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { Client } from "./program.ts";
import { ANY_PORT, Site } from "./site.ts";

const MAIL = "From: a@a.test\r\nSubject: Hello\r\n\r\nHello.";

Deno.test("yizhan reload changes the configuration while twenty clients send, without one error", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start({ tls: site.certificates("mx") });
  await using _ = program;
  const done = new AbortController();
  let sent = 0;
  const send = async () => {
    while (!done.signal.aborted) {
      using client = await Client.connect(port);
      await client.say("EHLO test", 250);
      for (let count = 0; count < 5; count++) {
        await client.send("a@a.test", "alice@example.test", MAIL);
        sent++;
      }
      await client.say("QUIT", 221);
    }
  };
  const clients = Promise.all(Array.from({ length: 20 }, send));
  const reload = async (change: Partial<ConfigInput>) => {
    await site.configure(change);
    const { code, stderr } = await site.run(["reload"]);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /has changed\n[^]*reloaded\n$/);
    const enough = sent + 100;
    const pause = () => new Promise<void>((resume) => setTimeout(resume, 5));
    while (sent < enough) await Promise.race([clients, pause()]);
  };
  const changes: readonly Partial<ConfigInput>[] = [
    { limits: { messageSize: "1M" }, tls: { certificates: [] } },
    { domains: ["more.test"], tls: site.certificates("other", "mx") },
    { relay: { from: ["192.0.2.0/24"] }, queue: { paused: true }, hostname: "other.example.test" },
  ];
  try {
    for (const change of changes) await reload(change);
  } finally {
    done.abort();
    await clients;
  }
  const lying = await Array.fromAsync(Deno.readDir(`${site.path}/mail/example.test/alice/new`));
  assertEquals(lying.length, sent);
});

Deno.test("yizhan reload says what is wrong with the new configuration, and the old one stays", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start();
  await using _ = program;
  const file = `${site.path}/yizhan.yaml`;
  await Deno.writeTextFile(
    file,
    "data: .\nlisteners: []\nusrs: users\nhostname: mx.example.test\n",
  );
  const refused = await site.run(["reload"]);
  assertEquals(refused.code, 78);
  assertMatch(refused.stderr, /yizhan\.yaml:2:\d+: listeners: /);
  assertMatch(refused.stderr, /yizhan\.yaml:3:1: usrs: .*did you mean users\?/);
  await program.stdoutLine(/"type":"station\.reload-failed".*usrs/);
  const { stdout } = await site.run(["status", "--json"]);
  const status = JSON.parse(stdout);
  assertMatch(status.reloadFailed, /yizhan\.yaml:2:.* \(and 1 more\)/);
  assertEquals(status.listeners[0].address.port, port);
  assertMatch(
    (await site.run(["status"])).stdout,
    /\n {2}the last reload was refused: .*yizhan\.yaml:2:/,
  );
  const wrong = await site.run(["check", "--quiet"]);
  assertMatch(
    wrong.stdout,
    /its last reload was refused: .*\n +mend what is wrong, then: yizhan reload$/m,
  );
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  await client.send("a@a.test", "alice@example.test", MAIL);

  await site.configure({ relay: { nameServers: ["127.0.0.1:53"] } });
  const restart = await site.run(["reload"]);
  assertEquals(restart.code, 78);
  assertMatch(restart.stderr, /yizhan\.yaml:\d+:\d+: relay\.nameServers: .*restart/);
  await site.configure();
  const mended = await site.run(["check", "--quiet"]);
  assertMatch(
    mended.stdout,
    /last reload was refused: .*\n +that was so then; the files are right now.*reload$/m,
  );
  assertEquals((await site.run(["reload"])).code, 0);
  assert(!(await site.run(["check", "--quiet"])).stdout.includes("refused"));
  const again = JSON.parse((await site.run(["status", "--json"])).stdout);
  assert(!("reloadFailed" in again));
});

Deno.test("yizhan reload opens new listeners and closes those that are gone", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start();
  await using _ = program;
  await site.configure({
    listeners: [
      { role: "mx", address: ANY_PORT },
      { role: "lmtp", address: `unix:${site.path}/lmtp.sock` },
    ],
  });
  assertEquals((await site.run(["reload"])).code, 0);
  const listeners = async () =>
    JSON.parse((await site.run(["status", "--json"])).stdout).listeners.map(
      ({ address }: { address: { port?: number; path?: string } }) => address.port ?? address.path,
    );
  assertEquals(await listeners(), [port, `${site.path}/lmtp.sock`]);
  using client = await Client.over(
    await Deno.connect({ transport: "unix", path: `${site.path}/lmtp.sock` }),
  );
  await client.say("LHLO test", 250);
  await site.configure();
  assertEquals((await site.run(["reload"])).code, 0);
  // Who is connected ends as it began.
  await client.send("a@a.test", "alice@example.test", MAIL);
  await client.say("QUIT", 221);
  assertEquals((await listeners())[0], port);
});

Deno.test("yizhan status and reload say what to do when no server runs", async () => {
  await using site = await Site.make();
  await site.configure();
  for (const command of ["status", "reload"]) {
    const { code, stderr } = await site.run([command]);
    assertEquals(code, 69);
    assertMatch(stderr, /no server listens on .*control\.sock: start it \(yizhan serve\)/);
  }
});

Deno.test("yizhan serve is not held by a standard error that nobody reads, nor kept from stopping", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start();
  await using _ = program;
  const wrong = Array.from({ length: 90 }, (_, index) => [`wrong${index}`, 1] as const);
  await site.configure(Object.fromEntries(wrong));
  // Each is told in some 20 KB; nobody reads meanwhile, and what is between us holds some 128 KB.
  const { network } = denoRuntime();
  for (let count = 0; count < 20; count++) {
    program.signal("SIGHUP");
    const answer = askControl(network, `${site.path}/queue/control.sock`, { do: "reload" });
    await assertRejects(() => Array.fromAsync(answer), ControlError, "stays as it was");
  }
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  await client.send("a@a.test", "alice@example.test", MAIL);
  client[Symbol.dispose]();
  program.signal("SIGTERM");
  assertEquals((await program.ended()).code, 0);
});

Deno.test("yizhan serve goes on when SIGHUP comes while it stops, and finishes what is under way", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start();
  await using _ = program;
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  await client.say("MAIL FROM:<a@a.test>", 250);
  await client.say("RCPT TO:<alice@example.test>", 250);
  await client.say("DATA", 354);
  program.signal("SIGTERM");
  await program.stderrLine(/^stopping/);
  program.signal("SIGHUP");
  await program.stderrLine(/^yizhan: the station is stopping$/);
  const status = await site.run(["status"]);
  assertMatch(status.stdout, /: process \d+, stopping\n/, status.stderr);
  const reload = await site.run(["reload"]);
  assertEquals(reload.code, 75, reload.stderr);
  assertMatch(reload.stderr, /the server is going down/);
  await client.say(`${MAIL}\r\n.`, 250);
  client[Symbol.dispose]();
  assertEquals((await program.ended()).code, 0);
});

Deno.test("yizhan serve tells a warning once when SIGHUP has it read the configuration again", async () => {
  await using site = await Site.make();
  const { program } = await site.start();
  await using _ = program;
  await site.configure({ tls: site.certificates("mx") });
  await Deno.chmod(`${site.path}/mx.key`, 0o644);
  program.signal("SIGHUP");
  await program.stderrLine(/^reloaded$/);
  assertEquals(program.stderr.split("can be read by everybody").length - 1, 1, program.stderr);
});

Deno.test("yizhan reload changes the form of the log", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start();
  await using _ = program;
  await program.stdoutLine(/^\{"time":.*"listener\.started"/);
  await site.configure({ log: { format: "text" } });
  assertEquals((await site.run(["reload"])).code, 0);
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  await client.send("a@a.test", "alice@example.test", MAIL);
  await program.stdoutLine(/^\d\d:\d\d:\d\d.*alice@example\.test/);
});
