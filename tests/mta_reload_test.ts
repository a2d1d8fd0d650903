import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { pbkdf2Sync } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { mapDirectory } from "../src/directory/map_directory.ts";
import { makeVerifier } from "../src/directory/password.ts";
import type { MtaEvent } from "../src/events.ts";
import { type Mta, startMta } from "../src/mta.ts";
import type { ListenerOptions, MtaOptions } from "../src/mta_options.ts";
import { MemoryStore } from "../src/queue/memory_store.ts";
import { rewriteSender } from "../src/routing/srs.ts";
import { formatAddress } from "../src/address.ts";
import { type MemoryRuntime, memoryRuntime } from "../src/runtime/memory.ts";
import type { SocketAddress } from "../src/runtime/network.ts";
import type { SaslClientStep } from "../src/smtp/sasl/client.ts";
import { ScramClient } from "../src/smtp/sasl/scram_client.ts";
import { ScriptedPeer } from "./delivery/scripted_peer.ts";
import { mxCertificate } from "./support/certificates.ts";
import { SmtpPeer } from "./support/memory_station.ts";

const tcp = (port: number): SocketAddress => ({ transport: "tcp", hostname: "192.0.2.25", port });
const mx = (port: number, more: Partial<ListenerOptions> = {}): ListenerOptions => ({
  role: "mx",
  address: tcp(port),
  ...more,
});

/** A station on a machine in memory, and what it was told last. */
class Subject {
  readonly #client: MemoryRuntime;
  readonly #peers: SmtpPeer[] = [];
  /** Those in force. */
  options: MtaOptions;

  private constructor(
    readonly runtime: MemoryRuntime,
    options: MtaOptions,
    readonly mta: Mta,
    readonly events: readonly MtaEvent[],
  ) {
    this.options = options;
    this.#client = memoryRuntime({ address: "198.51.100.7", beside: runtime });
  }

  static async start(changes: Partial<MtaOptions> = {}): Promise<Subject> {
    const runtime = memoryRuntime({ address: "192.0.2.25" });
    const events: MtaEvent[] = [];
    const options: MtaOptions = {
      runtime,
      hostname: "mx.example.test",
      directory: mapDirectory({ accounts: { "bob@example.test": { password: "builder" } } }),
      delivery: { maildirRoot: "/mail" },
      temporary: "/incoming",
      listeners: [mx(25)],
      onEvent: (event) => void events.push(event),
      ...changes,
    };
    return new Subject(runtime, options, await startMta(options), events);
  }

  /** The options in force, with changes that stay when the reload succeeds. */
  async reload(changes: Partial<MtaOptions>): Promise<void> {
    const options = { ...this.options, ...changes };
    await this.runtime.clock.runUntil(this.mta.reload(options));
    this.options = options;
  }

  async connect(port = 25): Promise<SmtpPeer> {
    const connecting = this.#client.network.connect(tcp(port));
    const peer = new SmtpPeer(await this.runtime.clock.runUntil(connecting), this.runtime);
    this.#peers.push(peer);
    return peer;
  }

  async greeted(port = 25): Promise<SmtpPeer> {
    const peer = await this.connect(port);
    await peer.expect(220);
    await peer.say("EHLO client.example", 250);
    return peer;
  }

  /** How many mails lie in Bob's mailbox. */
  async mails(root = "/mail"): Promise<number> {
    const folder = `${root}/example.test/bob/new`;
    const { files } = this.runtime;
    return (await files.stat(folder)) === null
      ? 0
      : (await Array.fromAsync(files.list(folder))).length;
  }

  of<T extends MtaEvent["type"]>(type: T): Extract<MtaEvent, { type: T }>[] {
    return this.events.filter((event) => event.type === type) as Extract<MtaEvent, { type: T }>[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) peer.close();
    await this.runtime.clock.runUntil(this.mta.stop({ grace: 0 }));
    await this.runtime.clock.settle();
    assertEquals(this.runtime.clock.sleepers, 0, "somebody still sleeps");
    assertEquals(this.runtime.network.wires.links.length, 0, "a connection is still open");
  }
}

const toBob = { to: ["bob@example.test"] };

Deno.test("reload() gives new sessions new settings; one that is open ends by its own", async () => {
  await using subject = await Subject.start({
    listeners: [mx(25, { limits: { messageSize: 1000 }, banner: "old" })],
  });
  const before = await subject.greeted();
  await subject.reload({
    hostname: "new.example.test",
    directory: mapDirectory({ accounts: { "carol@example.test": {} } }),
    listeners: [mx(25, { limits: { messageSize: 10 }, banner: "new" })],
    policies: [{
      name: "none",
      recipient: () => ({ action: "reject", reply: { code: 550, lines: ["no"] } }),
    }],
  });
  assertStringIncludes(await before.say("EHLO client.example", 250), "SIZE 1000");
  await before.mail(toBob);
  assertEquals(await subject.mails(), 1);
  await before.say("MAIL FROM:<a@client.example>", 250);
  await before.say("RCPT TO:<carol@example.test>", 550, "5.1.1");

  const after = await subject.connect();
  assertStringIncludes(await after.expect(220), "new.example.test new");
  assertStringIncludes(await after.say("EHLO client.example", 250), "SIZE 10\r\n");
  await after.say("MAIL FROM:<a@client.example> SIZE=11", 552);
  await after.say("MAIL FROM:<a@client.example>", 250);
  assertEquals(await after.say("RCPT TO:<carol@example.test>", 550), "550 no");
});

Deno.test("reload() in the middle of SCRAM: who is let in is said by the directory that was asked first", async () => {
  const verifier = await makeVerifier("builder", memoryRuntime().random);
  const directory = {
    ...mapDirectory({ accounts: { "bob@example.test": {} } }),
    scramVerifier: () => Promise.resolve({ verifier, account: { name: "bob@example.test" } }),
  };
  const submission = mx(25, { role: "submission" });
  await using subject = await Subject.start({
    ...{ directory, listeners: [submission], certificates: [mxCertificate] },
  });
  const peer = await subject.greeted();
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
  const user = { user: "bob@example.test", password: "builder" };
  const scram = new ScramClient({ ...user, nonce: "rOprNGfwEbeRWgbNEkqO", maxIterations: 1e6 });
  const say = (step: SaslClientStep, code: number, command = "") => {
    assert(step.type === "respond");
    return peer.say(command + step.data.toBase64(), code);
  };
  const challenge = (said: string) => scram.challenge(Uint8Array.fromBase64(said.slice(4).trim()));
  const first = await say(scram.start(), 334, "AUTH SCRAM-SHA-256 ");
  await subject.reload({
    directory: mapDirectory({ accounts: { "carol@example.test": {} } }),
    listeners: [mx(25)],
    certificates: [],
  });
  const derive = challenge(first);
  assert(derive.type === "derive");
  const { password, salt, iterations } = derive;
  const key = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const last = await say(scram.derived(new Uint8Array(key)), 334);
  await say(challenge(last), 235);
  await peer.say("MAIL FROM:<bob@example.test>", 250);
});

Deno.test("reload() keeps counting connections, for limits old and new", async () => {
  await using subject = await Subject.start({ listeners: [mx(25, { connectionsPerClient: 2 })] });
  const peers = [await subject.greeted(), await subject.greeted()];
  await subject.reload({ listeners: [mx(25, { connectionsPerClient: 3 })] });
  peers.push(await subject.greeted());
  const fourth = await subject.connect();
  assertStringIncludes(await fourth.expect(421), "from this address");
  await subject.reload({ listeners: [mx(25, { connections: 3 })] });
  const fifth = await subject.connect();
  assertStringIncludes(await fifth.expect(421), "too many connections");
  peers.shift()!.close();
  await subject.runtime.clock.settle();
  peers.push(await subject.greeted());
  peers.pop()!.close();
  await subject.runtime.clock.settle();
  assertEquals(subject.mta.status().listeners.map(({ connections }) => connections), [2]);
});

Deno.test("reload() without a listener lets its session end, a message under way too", async () => {
  await using subject = await Subject.start({ listeners: [mx(25), mx(2525)] });
  const peer = await subject.greeted(2525);
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<bob@example.test>", 250);
  await peer.say("DATA", 354);
  await peer.send("Subject: half\r\n\r\nThe first half ");
  await subject.reload({ listeners: [mx(25)] });
  await assertRejects(() => subject.connect(2525), Error, "nobody listens");
  const shown = () => subject.mta.status().listeners.map((one) => [one.listening, one.connections]);
  assertEquals(shown(), [[true, 0], [false, 1]]);
  await peer.say("and the second.\r\n.", 250);
  await peer.mail(toBob);
  assertEquals(await subject.mails(), 2);
  await peer.say("QUIT", 221);
  peer.close();
  await subject.runtime.clock.settle();
  assertEquals(shown(), [[true, 0]]);
  assertEquals(
    subject.of("station.reloaded").map(({ started, stopped, kept }) => [started, stopped, kept]),
    [
      [[], ["192.0.2.25:2525"], 1],
    ],
  );
});

Deno.test("stop() ends the sessions of a listener that a reload took away", async () => {
  const subject = await Subject.start({ listeners: [mx(25), mx(2525)] });
  const peer = await subject.greeted(2525);
  await subject.reload({ listeners: [mx(25)] });
  const stopping = subject.mta.stop();
  await peer.expect(421, "4.3.2");
  await subject.runtime.clock.runUntil(stopping);
});

Deno.test("reload() makes a socket one of another role: submission becomes submissions", async () => {
  const port = 587;
  const certificates = [mxCertificate];
  await using subject = await Subject.start({
    certificates,
    listeners: [mx(port, { role: "submission" })],
  });
  const login = `AUTH PLAIN ${btoa("\0bob@example.test\0builder")}`;
  const before = await subject.greeted(port);
  await subject.reload({ listeners: [mx(port, { role: "submissions", name: "tls" })] });
  const after = await subject.connect(port);
  await after.secure();
  await after.expect(220);
  await after.say("EHLO client.example", 250);
  await after.say(login, 235);
  await before.startTls();
  await before.say("EHLO client.example", 250);
  await before.say(login, 235);
  const [listener] = subject.mta.status().listeners;
  assertEquals([listener?.name, listener?.role, listener?.connections], ["tls", "submissions", 2]);
  assertEquals(subject.of("listener.stopped"), []);
});

Deno.test("reload() brings TLS and takes it away; replaceCertificates() is for the options in force", async () => {
  await using subject = await Subject.start();
  const hello = async () => {
    const peer = await subject.connect();
    await peer.expect(220);
    const answer = await peer.say("EHLO client.example", 250);
    peer.close();
    return answer.includes("STARTTLS");
  };
  assertEquals(await hello(), false);
  assertThrows(
    () => subject.mta.replaceCertificates([mxCertificate]),
    TypeError,
    "no certificates",
  );
  await subject.reload({ certificates: [mxCertificate] });
  assertEquals(await hello(), true);
  subject.mta.replaceCertificates([mxCertificate]);
  const secured = await subject.greeted();
  await subject.reload({ certificates: [] });
  assertEquals(await hello(), false);
  await secured.startTls();
  await secured.say("EHLO client.example", 250);
});

Deno.test("reload() knows port 0 by its place, and by the port it got", async () => {
  await using subject = await Subject.start({ listeners: [mx(0), mx(0), mx(25)] });
  const [first, second, third] = subject.mta.addresses as [
    SocketAddress,
    SocketAddress,
    SocketAddress,
  ];
  await subject.reload({ listeners: [mx(0, { name: "a" }), mx(25), mx(0)] });
  assertEquals(subject.mta.addresses, [first, third, second]);
  await subject.reload({ listeners: [mx(second.transport === "tcp" ? second.port : 0), mx(0)] });
  assertEquals(subject.mta.addresses, [second, first]);
  assertEquals(subject.of("listener.started").length, 3);
});

/** What cannot be put in force, and what the message must name. */
const WRONG: readonly [string, Partial<MtaOptions>, string][] = [
  [
    "a port that is taken",
    { listeners: [mx(2525), mx(25), mx(465)] },
    "cannot listen on 192.0.2.25:465",
  ],
  [
    "an address that one of ours covers",
    {
      listeners: [
        mx(2525),
        mx(25, { address: { ...tcp(25), hostname: "0.0.0.0" } as SocketAddress }),
      ],
    },
    "this station still listens on 192.0.2.25:25: needs a restart",
  ],
  [
    "a certificate",
    { listeners: [mx(2525), mx(25)], certificates: [{ certificate: "x", key: "y" }] },
    "certificate",
  ],
  [
    "a route",
    { routes: [{ domains: ["*"], via: { kind: "smarthost", host: "not a host" } }] },
    'host "not a host"',
  ],
  ["a postmaster", { postmaster: "nobody" }, "postmaster: nobody"],
  ["a schedule", { queue: { directory: "/queue", retry: { usual: { first: -1 } } } }, "first"],
  ["limits", { queue: { directory: "/queue", limits: { concurrency: 0 } } }, "concurrency"],
  [
    "a listener without its certificate",
    { listeners: [mx(25, { role: "submission" })] },
    "needs a certificate",
  ],
  ["a network", { relayFrom: ["0.0.0.0/0"] }, "relay for everybody"],
  ["no listeners' role", { listeners: [mx(25, { role: "x" as "mx" })] }, 'role "x"'],
  [
    "the queue switched off",
    { queue: undefined as never },
    "a restart is needed to change queue (switched off)",
  ],
  [
    "other folders, all of them named",
    { queue: { directory: "/other" }, temporary: "/tmp", runtime: memoryRuntime() },
    "a restart is needed to change runtime, queue.directory (/queue to /other), " +
    "the folder for large messages (/incoming to /tmp)",
  ],
  [
    "another store",
    { queue: { store: new MemoryStore({ clock: memoryRuntime().clock }) } },
    "a restart is needed to change queue.directory, queue.store",
  ],
];

for (const [what, changes, message] of WRONG) {
  Deno.test(`reload() is refused for ${what}, and all is as before`, async () => {
    await using subject = await Subject.start({
      listeners: [mx(25, { name: "first" })],
      queue: { directory: "/queue" },
    });
    const { network } = subject.runtime;
    const taken = await network.listen(tcp(465));
    const before = subject.mta.status();
    const open = await subject.greeted();
    const error = await assertRejects(() => subject.reload(changes), Error);
    assertStringIncludes((error as Error).message, message);
    assertEquals(subject.of("station.reload-failed").length, 1);
    assertStringIncludes(subject.of("station.reload-failed")[0]!.error, message);

    await open.mail(toBob);
    const fresh = await subject.greeted();
    await fresh.mail(toBob);
    assertEquals(await subject.mails(), 2);
    assertEquals({ ...subject.mta.status(), listeners: [], bodyMemory: 0 }, {
      ...before,
      listeners: [],
    });
    assertEquals(
      subject.mta.status().listeners.map(({ name, connections }) => [name, connections]),
      [["first", 2]],
    );
    open.close();
    fresh.close();
    // What was opened for it is closed again.
    (await network.listen(tcp(2525))).close();
    taken.close();
    await subject.reload({ listeners: [mx(25), mx(465)] });
    assertEquals(subject.mta.status().reloads, 1);
  });
}

Deno.test("reload() asked for twice is done twice, in order; while the station stops it is refused", async () => {
  const subject = await Subject.start();
  const { clock } = subject.runtime;
  const slow = {
    ...mapDirectory({ accounts: {} }),
    isLocalDomain: () => clock.sleep(1000).then(() => true),
  };
  const first = subject.reload({
    directory: slow,
    postmaster: "bob@example.test",
    hostname: "a.test",
  });
  const second = subject.reload({ hostname: "b.test" });
  await Promise.all([first, second]);
  assertEquals([subject.mta.status().hostname, subject.mta.status().reloads], ["b.test", 2]);

  const late = assertRejects(
    () =>
      subject.mta.reload({
        ...subject.options,
        directory: slow,
        postmaster: "bob@example.test",
        listeners: [mx(26)],
      }),
    Error,
    "stopping",
  );
  await clock.settle();
  const stopping = subject.mta.stop();
  assertEquals(subject.mta.status().stopping, true);
  const later = assertRejects(() => subject.mta.reload(subject.options), Error, "stopping");
  await clock.runUntil(Promise.all([stopping, late, later]));
  (await subject.runtime.network.listen(tcp(26))).close();
});

Deno.test("stop() waits for a reload that is under way, so that no socket is open behind it", async () => {
  await using subject = await Subject.start();
  const { clock, network } = subject.runtime;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const directory = { ...subject.options.directory, isLocalDomain: () => promise };
  const reloading = subject.mta.reload({
    ...subject.options,
    directory,
    postmaster: "bob@example.test",
    listeners: [mx(25), mx(26)],
  });
  const refused = assertRejects(() => reloading, Error, "stopping");
  await clock.settle();
  let stopped = false;
  const stopping = subject.mta.stop().then(() => stopped = true);
  await clock.advance(5000);
  assertEquals(stopped, false);
  resolve(true);
  await clock.runUntil(stopping);
  await refused;
  for (const port of [25, 26]) (await network.listen(tcp(port))).close();
});

Deno.test("stop() does not wait for a reload beyond its grace", async () => {
  await using subject = await Subject.start();
  const { clock } = subject.runtime;
  const never = new Promise<never>(() => {});
  const directory = { ...subject.options.directory, isLocalDomain: () => never };
  subject.mta.reload({ ...subject.options, directory, postmaster: "bob@example.test" });
  await clock.settle();
  await clock.runUntil(subject.mta.stop({ grace: 1000 }));
  assertEquals(subject.mta.status().stopping, true);
});

Deno.test("reload() gives mailboxes another place, and events to another watcher", async () => {
  await using subject = await Subject.start();
  const open = await subject.greeted();
  const seen: string[] = [];
  await subject.reload({
    delivery: { maildirRoot: "/elsewhere" },
    onEvent: ({ type }) => void seen.push(type),
  });
  await open.mail(toBob);
  open.close();
  const envelope = { sender: null, recipients: ["bob@example.test"] };
  await subject.runtime.clock.runUntil(subject.mta.submit(envelope, "Subject: hi\n\n"));
  assertEquals([await subject.mails(), await subject.mails("/elsewhere")], [1, 1]);
  assertEquals(seen.filter((type) => type === "message.accepted").length >= 1, true);
  assertEquals(subject.of("station.reloaded"), []);
  assertEquals(seen[0], "station.reloaded");
});

/** A station whose mail for others goes into programs, and what they were given. */
async function withPrograms(queue: Partial<NonNullable<MtaOptions["queue"]>> = {}) {
  const runs: string[] = [];
  const subject = await Subject.start({
    queue: { directory: "/queue", ...queue },
    routes: route("old"),
    relayFrom: ["198.51.100.0/24"],
  });
  const { clock, programs } = subject.runtime;
  for (const program of ["old", "new"]) {
    programs.installed.set(program, async ({ arguments: [recipient] }, signal) => {
      runs.push(`${program} ${recipient}`);
      await clock.sleep(1000, signal);
      return { code: 0, output: "" };
    });
  }
  const submit = (...users: string[]) => {
    const recipients = users.map((user) => `${user}@example.net`);
    return clock.runUntil(subject.mta.submit({ sender: null, recipients }, "Subject: hi\n\n"));
  };
  return { subject, clock, runs, submit };
}

function route(program: string): MtaOptions["routes"] {
  const via = { kind: "pipe", program, arguments: ["{user}"], processes: 1 } as const;
  return [{ domains: ["*"], via }];
}

Deno.test("reload(): a delivery under way ends where it began, those that wait go the new way", async () => {
  const limits = { jobRecipients: 1 };
  const { subject, clock, runs, submit } = await withPrograms({ limits });
  await using _ = subject;
  await submit("a", "b");
  await submit("c");
  await clock.settle();
  assertEquals(runs, ["old a"]);
  await subject.reload({ routes: route("new") });
  await clock.advance(5000);
  assertEquals(runs.slice(1).sort(), ["new b", "new c"]);
  assertEquals(subject.of("delivery.done").length, 3);
  assertEquals(subject.of("message.done").length, 2);
});

Deno.test("reload() pauses mail out and lets it go again; what an operator names goes all the same", async () => {
  const { subject, clock, runs, submit } = await withPrograms();
  await using _ = subject;
  await submit("a");
  await submit("b");
  await clock.settle();
  await subject.reload({ queue: { directory: "/queue", paused: true } });
  const { id } = await submit("c");
  await clock.advance(600_000);
  assertEquals(runs, ["old a"]);
  assertEquals(subject.mta.status().queue?.paused, true);
  const { signal } = new AbortController();
  const change = subject.mta.queue!.change({ ids: [id] }, { action: "retry" }, signal);
  assertEquals((await clock.runUntil(Array.fromAsync(change)))[0]?.result, "changed");
  await clock.advance(2000);
  assertEquals(runs, ["old a", "old c"]);
  await subject.reload({ queue: { directory: "/queue" } });
  await clock.advance(2000);
  assertEquals(runs, ["old a", "old c", "old b"]);
});

Deno.test("reload() leaves an order of an operator an order, also of what waits for its turn", async () => {
  const { subject, clock, runs, submit } = await withPrograms({ paused: true });
  await using _ = subject;
  const ids = [(await submit("a")).id, (await submit("b")).id];
  const { signal } = new AbortController();
  const change = subject.mta.queue!.change({ ids }, { action: "retry" }, signal);
  await clock.runUntil(Array.fromAsync(change));
  await subject.reload({ routes: route("new") });
  await clock.advance(2000);
  assertEquals(runs, ["old a", "new b"]);
});

Deno.test("reload() lets more go at once, or less, from then on", async () => {
  const { subject, clock, runs, submit } = await withPrograms({ limits: { concurrency: 1 } });
  await using _ = subject;
  const many = (program: string) => {
    const via = { kind: "pipe", program, arguments: ["{user}"], processes: 9 } as const;
    return [{ domains: ["*"], via }];
  };
  await subject.reload({ routes: many("old") });
  for (const user of ["a", "b", "c", "d", "e", "f"]) await submit(user);
  await clock.settle();
  assertEquals(runs.length, 1);
  const queue = { directory: "/queue", limits: { concurrency: 3 } };
  await subject.reload({ queue });
  await clock.settle();
  assertEquals(runs.length, 3);
  await subject.reload({ queue: { ...queue, limits: { concurrency: 1 } } });
  await clock.advance(1500);
  assertEquals(runs.length, 4);
});

Deno.test("reload() to a smaller window does not hold new mail up until the last message has ended", async () => {
  const { subject, clock, runs, submit } = await withPrograms({ paused: true });
  await using _ = subject;
  const ids = [(await submit("a")).id];
  await submit("b");
  const { signal } = new AbortController();
  await clock.runUntil(
    Array.fromAsync(subject.mta.queue!.change({ ids }, { action: "retry" }, signal)),
  );
  const queue = { directory: "/queue", limits: { window: 10 } };
  await subject.reload({ queue, routes: route("new") });
  await clock.advance(500);
  assertEquals(runs, ["old a", "new b"]);
});

Deno.test("reload() holds mail to other limits and schedules", async () => {
  const { subject, clock, runs, submit } = await withPrograms();
  await using _ = subject;
  for (const program of ["old", "new"]) {
    subject.runtime.programs.installed.set(program, async ({ arguments: [recipient] }) => {
      runs.push(`${program} ${recipient}`);
      await clock.sleep(1000);
      return { code: 75, output: "" };
    });
  }
  const retry = { usual: { first: 5000, factor: 1, longest: 5000, jitter: 0 } };
  await subject.reload({ queue: { directory: "/queue", retry, limits: { concurrency: 1 } } });
  await submit("a");
  await clock.advance(1500);
  assertEquals(runs, ["old a"]);
  await clock.advance(5000);
  assertEquals(runs, ["old a", "old a"]);
  await clock.advance(600);
  const usual = { ...retry.usual, first: 60_000, longest: 60_000 };
  await subject.reload({ queue: { directory: "/queue", retry: { usual } } });
  // It waits by what it was told, and is put off by the new schedule then.
  await clock.advance(5000);
  assertEquals(runs.length, 3);
  await clock.advance(50_000);
  assertEquals(runs.length, 3);
  await clock.advance(15_000);
  assertEquals(runs.length, 4);
});

Deno.test("reload() with another hostname: it is said to stations that connections are kept to, too", async () => {
  const { subject, clock, submit } = await withPrograms();
  await using _ = subject;
  const machine = memoryRuntime({ address: "192.0.2.77", beside: subject.runtime });
  const next = await ScriptedPeer.start(machine);
  const routes = [{ domains: ["*"], via: { kind: "smarthost", host: "192.0.2.77" } }] as const;
  for (const hostname of ["one.example.test", "two.example.test"]) {
    await subject.reload({ routes, hostname });
    for (const user of ["a", "b"]) {
      await submit(user);
      await clock.advance(1000);
    }
  }
  assertEquals(next.said("EHLO"), ["EHLO one.example.test", "EHLO two.example.test"]);
  assertEquals(next.messages.length, 4);
});

Deno.test("reload() with another srsSecret still takes bounces to what the one before has signed", async () => {
  const old = "the secret of before";
  const { subject, clock } = await withPrograms({ srsSecret: old });
  await using _ = subject;
  await subject.reload({ queue: { directory: "/queue", srsSecret: "quite another secret" } });
  const sender = { local: "alice", domain: "far.example" };
  const peer = await subject.greeted();
  await peer.say("MAIL FROM:<>", 250);
  for (
    const [secret, code] of [[old, 250], ["quite another secret", 250], [
      "of nobody at all",
      550,
    ]] as const
  ) {
    const rewritten = rewriteSender(sender, "example.test", secret, clock.now())!;
    await peer.say(`RCPT TO:<${formatAddress(rewritten)}>`, code);
  }
});

Deno.test("status() tells what goes on", async () => {
  const { subject, clock, submit } = await withPrograms();
  await using _ = subject;
  const started = clock.now();
  await submit("a");
  await submit("b");
  await subject.greeted();
  await clock.advance(500);
  assertEquals(subject.mta.status(), {
    started,
    loaded: started,
    reloads: 0,
    hostname: "mx.example.test",
    stopping: false,
    listeners: [
      { name: "mx", role: "mx", address: tcp(25), connections: 1, listening: true },
    ],
    bodyMemory: 0,
    queue: { messages: 2, waiting: 1, running: 1, troubled: false, paused: false, down: [] },
  });
  await subject.reload({ hostname: "new.example.test" });
  const { loaded, reloads, hostname } = subject.mta.status();
  assertEquals([loaded, reloads, hostname], [started + 500, 1, "new.example.test"]);
});

Deno.test("reload() a thousand times leaves nothing behind", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { subject, clock } = await withPrograms();
  await using _ = subject;
  const directories: WeakRef<object>[] = [];
  for (let i = 0; i < 1000; i++) {
    const directory = mapDirectory({ accounts: { "bob@example.test": {} } });
    directories.push(new WeakRef(directory));
    await subject.reload({
      directory,
      hostname: `mx${i}.example.test`,
      delivery: { maildirRoot: `/mail${i % 2}` },
      certificates: i % 2 === 0 ? [mxCertificate] : [],
      listeners: i % 2 === 0 ? [mx(25), mx(0)] : [mx(2525), mx(25)],
      routes: route(`program ${i}`),
      queue: { directory: "/queue", srsSecret: `the secret number ${i}` },
    });
  }
  const sleepers = clock.sleepers;
  assert(sleepers < 10, `${sleepers} sleep`);
  await clock.settle();
  collect();
  const left = directories.filter((one) => one.deref() !== undefined).length;
  assert(left < 10, `${left} of 1000 directories are still held`);
  assertEquals(subject.mta.status().listeners.length, 2);
});

Deno.test("stop() asked for again ends at once, and loses nothing that was acknowledged", async () => {
  const { subject, clock, runs, submit } = await withPrograms();
  const taken: string[] = [];
  for (const user of ["a", "b", "c", "d"]) {
    await submit(user);
    taken.push(user);
  }
  const peer = await subject.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<bob@example.test>", 250);
  await peer.say("DATA", 354);
  await peer.send("Subject: cut off\r\n\r\nnever ended");
  const begun = clock.now();
  const stopped = subject.mta.stop({ grace: 60_000 });
  await clock.settle();
  await Promise.all([stopped, clock.runUntil(subject.mta.stop({ grace: 0 }))]);
  assertEquals(clock.now(), begun);
  assertEquals(runs, ["old a"]);

  // The machine goes on from its disk, as after a power cut at this very moment.
  const runtime = subject.runtime.reboot("torn");
  const after: string[] = [];
  runtime.programs.installed.set("new", ({ arguments: [user] }) => {
    after.push(user!);
    return Promise.resolve({ code: 0, output: "" });
  });
  const mta = await startMta({
    runtime,
    hostname: "mx.example.test",
    directory: mapDirectory({ accounts: {} }),
    delivery: { maildirRoot: "/mail" },
    listeners: [],
    queue: { directory: "/queue" },
    routes: route("new"),
  });
  await clock.advance(120_000);
  assertEquals(after.sort(), taken);
  await clock.runUntil(mta.stop());
});
