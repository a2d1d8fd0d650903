import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ConfigInput } from "../../src/config/schema.ts";
import { Client, permissionTest, Program, sourceTest } from "./program.ts";
import { ANY_PORT, Site } from "./site.ts";

const MAIL = "From: a@a.test\r\nSubject: Hello\r\n\r\nHello.";

/** The system draws lots who gets a connection: that one of two gets none of so many has no chance to speak of. */
const CONNECTIONS = 32;

/** Takes mail for everybody and keeps it. */
const KEEPING: Partial<ConfigInput> = {
  workers: 2,
  queue: { paused: true },
  relay: { from: ["127.0.0.0/8"] },
};

/** One message over each of many connections; gives the ids it got. */
async function sendMany(port: number, to: string): Promise<string[]> {
  const ids: string[] = [];
  for (let count = 0; count < CONNECTIONS; count++) {
    using client = await Client.connect(port);
    await client.say("EHLO test", 250);
    const reply = await client.send("a@a.test", to, MAIL);
    ids.push(/ ([\w.]+)\r\n$/.exec(reply)?.[1] ?? "");
  }
  return ids;
}

/** What lies in the queue, by what the operator is told. */
async function list(site: Site): Promise<{ id: string; state: string; kept: boolean }[]> {
  const { code, stdout, stderr } = await site.run(["queue", "list", "--json"]);
  assertEquals(code, 0, stderr);
  return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** Ids of the second worker bear its name. */
function ofSecond(ids: readonly string[]): string[] {
  return ids.filter((id) => /^[0-9a-z]+w1\./.test(id));
}

async function countFiles(folder: string): Promise<number> {
  return (await Array.fromAsync(Deno.readDir(folder))).length;
}

Deno.test("workers: what comes over many connections is spread, and all of it delivered", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start({
    workers: 2,
    monitor: { address: `unix:${site.path}/monitor.sock` },
  });
  await using _ = program;
  await sendMany(port, "alice@example.test");
  assertEquals(await countFiles(`${site.path}/mail/example.test/alice/new`), CONNECTIONS);

  using connection = await Deno.connect({
    transport: "unix",
    path: `${site.path}/monitor.sock`,
  });
  await connection.write(new TextEncoder().encode("GET /metrics HTTP/1.1\r\n\r\n"));
  const metrics = await new Response(connection.readable).text();
  assertMatch(
    metrics,
    new RegExp(`^yizhan_messages_total\\{outcome="accepted"\\} ${CONNECTIONS}$`, "m"),
  );
  assertMatch(metrics, /^yizhan_listeners 1$/m);
  assertMatch(metrics, /^yizhan_workers\{state="running"\} 2$/m);

  program.signal("SIGTERM");
  const { code, stdout } = await program.ended();
  assertEquals(code, 0);
  const events = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const accepted = events.filter(({ type }) => type === "message.accepted")
    .map(({ message }) => message);
  assertEquals(new Set(accepted).size, CONNECTIONS);
  const second = ofSecond(accepted).length;
  assert(second > 0 && second < CONNECTIONS, `${second} of ${CONNECTIONS}`);
  // What all would say alike is said once.
  assertEquals(events.filter(({ type }) => type === "listener.started").length, 1);
});

Deno.test("workers: the operator sees and changes what lies in any of the queues", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start(KEEPING);
  await using _ = program;
  await sendMany(port, "x@elsewhere.test");
  const ids = (await list(site)).map(({ id }) => id);
  assertEquals(ids.length, CONNECTIONS);
  const second = ofSecond(ids)[0]!;
  const first = ids.find((id) => !ofSecond([id]).includes(id))!;

  const limited = await site.run(["queue", "list", "--json", "--limit", `${CONNECTIONS - 1}`]);
  assertEquals(limited.stdout.trim().split("\n").length, CONNECTIONS - 1);
  for (const id of [first, second]) {
    const shown = await site.run(["queue", "show", id]);
    assertMatch(shown.stdout, new RegExp(`Message +${RegExp.escape(id)}\n`));
    assertEquals((await site.run(["queue", "hold", id])).code, 0);
  }
  const held = (await list(site)).filter(({ state }) => state === "held").map(({ id }) => id);
  assertEquals(held.sort(), [first, second].sort());
  const missing = await site.run(["queue", "hold", first, second, "nobody.1"]);
  assertMatch(missing.stdout + missing.stderr, /nobody\.1/);
  assertEquals((await site.run(["queue", "show", "nobody.1"])).code, 66);

  const removed = await site.run(["queue", "remove", "--all"]);
  assertEquals(removed.code, 0, removed.stderr);
  assertEquals(await list(site), []);
});

Deno.test("workers: after kill -9 all that was accepted is there, and fewer workers lose none of it", async () => {
  await using site = await Site.make();
  const killed = await site.start(KEEPING);
  await using _ = killed.program;
  const ids = await sendMany(killed.ports[0] ?? 0, "x@elsewhere.test");
  killed.program.signal("SIGKILL");
  await killed.program.ended();

  const again = await site.start(KEEPING);
  await using _again = again.program;
  assertEquals((await list(site)).length, ids.length);
  again.program.signal("SIGTERM");
  assertEquals((await again.program.ended()).code, 0);

  const fewer = await site.start({ ...KEEPING, workers: 1 });
  await using _fewer = fewer.program;
  assertEquals((await list(site)).length, ids.length);
  assertMatch((await site.run(["status"])).stdout, /left over by worker 1/);
  fewer.program.signal("SIGTERM");
  assertEquals((await fewer.program.ended()).code, 0);

  const delivering = await site.start({
    relay: { routes: [{ domains: ["*"], via: { kind: "pipe", program: "/bin/true" } }] },
  });
  await using _delivering = delivering.program;
  await delivering.program.stderrLine(/^what was left over by worker 1 is delivered$/);
  delivering.program.signal("SIGTERM");
  const { code, stdout } = await delivering.program.ended();
  assertEquals(code, 0);
  const done = stdout.trim().split("\n").map((line) => JSON.parse(line))
    .filter(({ type }) => type === "delivery.done");
  assertEquals(new Set(done.map(({ message }) => message)).size, ids.length);
});

sourceTest(
  "workers: one that dies is told of, started again, and finds what it had",
  async () => {
    await using site = await Site.make();
    const death = `${site.path}/death`;
    const { program, ports: [port = 0] } = await site.start(KEEPING, {
      script: new URL("./workers/mortal_entry.ts", import.meta.url).pathname,
      env: { TEST_DEATH: death },
    });
    await using _ = program;
    await sendMany(port, "x@elsewhere.test");
    const before = (await list(site)).map(({ id }) => id);
    assert(ofSecond(before).length > 0);
    await Deno.writeTextFile(death, "");
    assertMatch(
      await program.stdoutLine(/"type":"internal\.error"/),
      /"it has ended \(.*the thread has had enough\), and is started again".*"where":"worker 1"/,
    );
    await program.stdoutLine(/"type":"queue\.opened".*\/w1"/);
    // It is asked as soon as it serves.
    let after: typeof before | null = null;
    while (after === null) {
      after = await list(site).then((all) => all.map(({ id }) => id), () => null);
    }
    assertEquals(after.sort(), before.sort());
    await sendMany(port, "x@elsewhere.test");
    assertEquals((await list(site)).length, 2 * CONNECTIONS);
  },
);

Deno.test("workers: a reload is for all of them, or for none", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start({ workers: 2 });
  await using _ = program;
  const banners = async () => {
    const seen = new Set<string>();
    for (let count = 0; count < CONNECTIONS; count++) {
      using client = await Client.connect(port);
      seen.add(/^250-(\S+)/.exec(await client.say("EHLO test", 250))?.[1] ?? "");
    }
    return [...seen];
  };
  assertEquals(await banners(), ["mx.example.test"]);
  await site.configure({ workers: 2, hostname: "other.example.test" });
  const reloaded = await site.run(["reload"]);
  assertEquals(reloaded.code, 0, reloaded.stderr);
  assertEquals(await banners(), ["other.example.test"]);

  await site.configure({ workers: 3, hostname: "third.example.test" });
  const refused = await site.run(["reload"]);
  assertEquals(refused.code, 78);
  assertMatch(refused.stderr, /workers: has changed, which takes a restart/);
  assertEquals(await banners(), ["other.example.test"]);
});

Deno.test("workers: a trace hears the sessions of all", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start({ workers: 2 });
  await using _ = program;
  const words = ["trace", "--all", "--json", "--config", `${site.path}/yizhan.yaml`];
  await using tracer = await Program.spawn(words);
  await tracer.stderrLine(/^Following /);
  await sendMany(port, "alice@example.test");
  const ids = new Set<string>();
  while (ids.size < CONNECTIONS) {
    ids.add(JSON.parse(await tracer.stdoutLine(/"kind":"closed"/)).id);
  }
  assert(ofSecond([...ids]).length > 0);
  tracer.signal("SIGINT");
  assertEquals((await tracer.ended()).code, 0);
});

Deno.test("workers: ETRN lets go what is held in any of the queues", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start({
    workers: 2,
    relay: {
      routes: [{
        domains: ["held.test"],
        accept: true,
        via: { kind: "hold", then: { kind: "lmtp", address: "127.0.0.1:1" } },
      }],
    },
  });
  await using _ = program;
  const ids = await sendMany(port, "x@held.test");
  while ((await list(site)).some(({ kept }) => !kept));
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  await client.say("ETRN held.test", 250);
  const retried = new Set<string>();
  while (retried.size < ids.length) {
    const line = await program.stdoutLine(/"type":"queue\.changed".*"action":"retried"/);
    retried.add(JSON.parse(line).message);
  }
  assert(ofSecond([...retried]).length > 0);
});

permissionTest(
  "workers: without what lets threads share a port one line says so, and one works",
  async () => {
    await using site = await Site.make();
    const { program, ports: [port = 0] } = await site.start(
      { workers: 4 },
      { flags: ["-A", "--no-config", "--no-lock"] },
    );
    await using _ = program;
    using client = await Client.connect(port);
    await client.say("EHLO test", 250);
    await client.send("a@a.test", "alice@example.test", MAIL);
    assertEquals(
      program.stderr.split("\n").filter((line) => line.startsWith("warning: workers")),
      [
        "warning: workers: 4: Deno lets threads share a port with --unstable-net only " +
        "(deno run --unstable-net …); one works",
      ],
    );
  },
);

Deno.test("workers: unix sockets are served by the first, and another server is not joined", async () => {
  await using site = await Site.make();
  const path = `${site.path}/lmtp.sock`;
  const config: Partial<ConfigInput> = {
    workers: 2,
    listeners: [
      { role: "mx", address: ANY_PORT },
      { role: "lmtp", address: `unix:${path}` },
    ],
  };
  const { program, ports: [port = 0] } = await site.start(config);
  await using _ = program;
  using client = await Client.over(await Deno.connect({ transport: "unix", path }));
  await client.say("LHLO test", 250);
  await client.send("a@a.test", "alice@example.test", MAIL);

  await using other = await Site.make();
  await other.configure({
    workers: 2,
    listeners: [{ role: "mx", address: `127.0.0.1:${port}` }],
  });
  const joining = await Program.spawn(other.words);
  await using _joining = joining;
  const { code, stderr } = await joining.ended();
  assertEquals(code, 69, stderr);
  assertMatch(stderr, /something else listens there/);
});
