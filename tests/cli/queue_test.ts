import { assert, assertEquals, assertMatch } from "@std/assert";
import { ANSWER_LINE_LIMIT } from "../../src/admin/control_protocol.ts";
import { encode } from "../../src/bytes.ts";
import { ControlServer } from "../../src/admin/control_server.ts";
import { QueueControl } from "../../src/queue/operator/queue_control.ts";
import { queueCommands } from "../../src/admin/queue_requests.ts";
import { formatQueueSummary } from "../../src/cli/queue_text.ts";
import type { QueueEntry } from "../../src/queue/entry.ts";
import { reply } from "../../src/smtp/reply.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { SystemError } from "../../src/runtime/system_error.ts";
import { entry, IdleWorker, MESSAGE, PlainStore, recipient } from "../admin/support.ts";
import { toPort } from "../support/config.ts";
import { findFreePort } from "../support/free_port.ts";
import { Client, Folder, permissionTest, run } from "./program.ts";
import { Site } from "./site.ts";

/** A server of which there is nothing but the queue. */
class QueueStation implements AsyncDisposable {
  readonly store: PlainStore;
  readonly worker = new IdleWorker();
  readonly #folder: Folder;
  readonly #server: ControlServer;

  private constructor(store: PlainStore, folder: Folder, server: ControlServer) {
    this.store = store;
    this.#folder = folder;
    this.#server = server;
  }

  static async start(...entries: readonly QueueEntry[]): Promise<QueueStation> {
    const folder = await Folder.make();
    const runtime = denoRuntime();
    const store = new PlainStore(...entries);
    const worker = new IdleWorker();
    const control = new QueueControl({ ...runtime, store, worker, emit: () => {}, patience: 100 });
    const path = `${folder.path}/control.sock`;
    const server = await ControlServer.start({
      ...runtime,
      path,
      commands: queueCommands(control),
    });
    const station = new QueueStation(store, folder, server);
    Object.assign(station, { worker });
    return station;
  }

  /** Where it can be asked. */
  get socket(): string {
    return `${this.#folder.path}/control.sock`;
  }

  /** Runs `yizhan queue` against it. */
  queue(...words: readonly string[]) {
    return run(["queue", ...words, "--socket", this.socket]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
    await this.#folder[Symbol.asyncDispose]();
  }
}

const HELD = { held: { since: Date.now() - 5000, reason: "looks like spam" } };

/** Of a domain whose mail is kept for ETRN. */
const KEPT_RECIPIENT = recipient("bob@b.test", {
  next: Date.now() + 5 * 86_400_000 - 7_200_000,
  attempts: 0,
  history: [{
    time: Date.now() - 7_200_000,
    reply: reply(450, "4.4.0", "kept until its domain asks for it (ETRN)"),
  }],
});

/** A message that came two hours ago. */
function fresh(
  id: string,
  to: (string | ReturnType<typeof recipient>)[] = ["bob@b.test"],
  more = {},
) {
  const next = Date.now() + 300_000;
  const recipients = to.map((one) => typeof one === "string" ? recipient(one, { next }) : one);
  return entry(id, recipients, { received: Date.now() - 7_200_000, ...more });
}

Deno.test("yizhan queue list shows each message in two lines, and how many there are", async () => {
  await using station = await QueueStation.start(
    fresh("m1", ["bob@b.test", "carol@c.test"]),
    fresh("m2", ["bob@b.test"], { ...HELD, sender: null }),
    fresh("m3", [KEPT_RECIPIENT]),
  );
  const { code, stdout, stderr } = await station.queue("list");
  assertEquals(code, 0);
  assertEquals(stdout.split("\n"), [
    "m1                      2 h    93 B  alice@a.test → bob@b.test, carol@c.test",
    "    in 5 min, after 1 attempt: mx.b.test [192.0.2.1]:25: 451 4.7.1 Greylisted",
    "m2                      2 h    93 B  <> → bob@b.test",
    "    held: looks like spam",
    "m3                      2 h    93 B  alice@a.test → bob@b.test",
    "    until it is asked for (ETRN), 5 d at most",
    "",
  ]);
  assertEquals(stderr, "3 messages, 279 B\n");
});

Deno.test("yizhan queue list filters and limits", async () => {
  await using station = await QueueStation.start(
    fresh("m1"),
    fresh("m2", ["dave@d.test"]),
    fresh("m3", ["erin@d.test"], HELD),
  );
  const ids = async (...words: string[]) => {
    const { stdout } = await station.queue("list", "--json", ...words);
    return stdout.trimEnd().split("\n").filter((line) => line !== "").map((line) =>
      JSON.parse(line).id
    );
  };
  assertEquals(await ids("--to", "d.test"), ["m2", "m3"]);
  assertEquals(await ids("--to", "dave@D.test"), ["m2"]);
  assertEquals(await ids("--state", "held"), ["m3"]);
  assertEquals(await ids("--from", "<>"), []);
  const limited = await station.queue("list", "--limit", "2");
  assertEquals(limited.stderr, "2 messages, 186 B; there may be more\n");
  const none = await station.queue("list", "--to", "nobody.test");
  assertEquals([none.code, none.stdout, none.stderr], [0, "", "the queue has no such mail\n"]);
});

Deno.test("yizhan queue list of an empty queue says so", async () => {
  await using station = await QueueStation.start();
  assertEquals(await station.queue("list"), {
    code: 0,
    stdout: "",
    stderr: "the queue is empty\n",
  });
  assertEquals(await station.queue("list", "--json"), { code: 0, stdout: "", stderr: "" });
});

Deno.test("yizhan queue show gives envelope, history and head, made harmless", async () => {
  await using station = await QueueStation.start(
    fresh("m1", [
      recipient("bob@b.test", { notify: ["FAILURE"] }),
      recipient("c@c.test", { status: "relayed" }),
    ]),
  );
  const { code, stdout } = await station.queue("show", "m1");
  assertEquals(code, 0);
  const lines = stdout.split("\n");
  assertMatch(stdout, /^Message {4}m1$/m);
  assertMatch(
    stdout,
    /^Received {3}\d{4}-\d\d-\d\d [\d:]{8}, 2 h ago, from 192\.0\.2\.9 as alice/m,
  );
  assertMatch(
    stdout,
    /^Recipient {2}bob@b\.test {2}waiting, next attempt due now, 1 attempt so far$/m,
  );
  assertMatch(stdout, /^Recipient {2}c@c\.test {2}relayed, 1 attempt so far$/m);
  assertMatch(stdout, / {2}mx\.b\.test \[192\.0\.2\.1\]:25 {2}451 4\.7\.1 Greylisted$/m);
  assertEquals(lines.slice(-3), [
    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
    "From: alice@a.test",
    "",
  ]);
  const shown = JSON.parse((await station.queue("show", "m1", "--json")).stdout);
  assertEquals([shown.id, shown.recipients[0].notify], ["m1", ["FAILURE"]]);
});

Deno.test("yizhan queue show --json gives a message to thousands with all that became of them", async () => {
  const words = "№".repeat(400);
  const history = Array.from(
    { length: 10 },
    (_, time) => ({ time, reply: reply(451, "4.7.1", words) }),
  );
  const many = Array.from({ length: 2000 }, (_, i) => recipient(`u${i}@b.test`, { history }));
  await using station = await QueueStation.start(fresh("m1", many));
  const { code, stdout } = await station.queue("show", "m1", "--json");
  assert(encode(stdout).length > ANSWER_LINE_LIMIT, "not more than a line of an answer may hold");
  const { type, id, recipients } = JSON.parse(stdout);
  assertEquals([code, type, id, recipients.length], [0, "entry", "m1", 2000]);
  assertEquals(Object.keys(recipients[1999])[0], "address");
  assertEquals(recipients[1999].history[9].reply, `451 4.7.1 ${words}`);
});

Deno.test("yizhan queue show says that mail is kept until its domain asks for it", async () => {
  const due = { ...KEPT_RECIPIENT, next: Date.now() - 1000 };
  await using station = await QueueStation.start(fresh("m1", [KEPT_RECIPIENT]), fresh("m2", [due]));
  const until = "until it is asked for \\(ETRN\\), 5 d at most";
  const { stdout } = await station.queue("show", "m1");
  assertMatch(stdout, new RegExp(`^State {6}waits ${until}$`, "m"));
  assertMatch(stdout, new RegExp(`^Recipient {2}bob@b\\.test {2}waiting ${until}$`, "m"));
  const asked = (await station.queue("show", "m2")).stdout;
  assertMatch(asked, /^State {6}waits, next attempt due now$/m);
});

Deno.test("yizhan queue show --message gives the octets of the message to a pipe", async () => {
  await using station = await QueueStation.start(fresh("m1"));
  const { code, stdout, stderr } = await station.queue("show", "m1", "--message");
  assertEquals([code, stdout, stderr], [0, MESSAGE, ""]);
});

Deno.test("yizhan queue hold, release, retry and remove change the queue and say so", async () => {
  await using station = await QueueStation.start(fresh("m1"), fresh("m2", ["d@d.test"]));
  const { store } = station;
  const held = await station.queue("hold", "m1", "m9", "--reason", "ask alice");
  assertEquals(held.stdout, "m1  held\nm9  NOT held: there is no such message in the queue\n");
  assertEquals(held.code, 66);
  assertEquals(store.entries.get("m1")?.held?.reason, "ask alice");

  assertEquals((await station.queue("retry", "--all")).stdout.split("\n"), [
    "m1  NOT to be tried now: it is held; release it first",
    "m2  to be tried now",
    "",
  ]);
  assertEquals(station.worker.orders, ["make way b.test", "make way d.test"]);
  const retry = await station.queue("retry", "m2", "--json");
  assertEquals([retry.code, JSON.parse(retry.stdout)], [0, { type: "changed", id: "m2" }]);

  const released = await station.queue("release", "--state", "held");
  assertEquals([released.code, released.stderr], [0, "1 message released\n"]);
  assertEquals(store.entries.get("m1")?.held, undefined);

  assertEquals((await station.queue("remove", "m1", "--bounce")).code, 0);
  assertEquals(store.entries.get("m1")?.recipients[0]?.status, "failed");
  assertEquals((await station.queue("remove", "--to", "d.test")).code, 0);
  assertEquals([...store.entries.keys()], ["m1"]);
});

Deno.test("yizhan queue exits with what became of the messages", async () => {
  await using station = await QueueStation.start(
    fresh("m1"),
    fresh("m2"),
    fresh("notice", ["bob@b.test"], { sender: null }),
  );
  const { store } = station;
  store.claims.add("m1");
  const busy = await station.queue("hold", "m1");
  assertEquals(busy.code, 75);
  assertMatch(busy.stdout, /^m1 {2}NOT held: it is being delivered just now; try again/);
  store.fault = new SystemError("ENOSPC", "the disk is full");
  const failed = await station.queue("hold", "m2");
  assertEquals(failed.code, 74);
  assertMatch(failed.stdout, /the disk is full/);
  assertEquals((await station.queue("remove", "notice", "--bounce")).code, 65);
  assertEquals((await station.queue("release", "m2")).code, 0);
  const none = await station.queue("show", "m7");
  assertEquals(none.code, 66);
  assertMatch(none.stderr, /^yizhan: there is no message m7 in the queue; yizhan queue list shows/);
});

Deno.test("yizhan queue says what to do when no server runs", async () => {
  await using folder = await Folder.make();
  const socket = `${folder.path}/control.sock`;
  assertEquals(await run(["queue", "list", "--socket", socket]), {
    code: 69,
    stdout: "",
    stderr: `yizhan: no server listens on ${socket}: start it (yizhan serve), ` +
      "or name its configuration with --config FILE\n",
  });
});

permissionTest("yizhan queue runs with the permissions its own advice names", async () => {
  await using station = await QueueStation.start(fresh("m1"));
  const words = ["queue", "list", "--socket", station.socket];
  const refused = await run(words, { flags: [] });
  assertEquals(refused.code, 77);
  const advice = /; run: deno run (.*)\n$/.exec(refused.stderr);
  assert(advice !== null, refused.stderr);
  const flags = advice[1]!.split(" ").filter((word) => word.startsWith("--allow-"));
  assertEquals((await run(words, { flags })).code, 0);
});

Deno.test("yizhan queue sees and changes the queue of yizhan serve", async () => {
  await using site = await Site.make();
  const { path } = site;
  // Nobody listens on it: the next station is down.
  const port = findFreePort();
  const { program, ports } = await site.start({
    relay: { from: ["127.0.0.1/32"], routes: [toPort(port)] },
  });
  await using _ = program;
  using client = await Client.connect(ports[0]!);
  await client.say("EHLO localhost", 250);
  await client.send("alice@example.test", "bob@elsewhere.test", "Subject: hello\r\n\r\nworld");
  await program.stdoutLine(/"type":"delivery\.deferred"/);
  // What was tried is told before it is put down; until then it is under way yet.
  const queue = async (...words: string[]) => {
    for (;;) {
      const ended = await site.run(["queue", ...words]);
      if (!/it is being delivered just now|"state":"active"/.test(ended.stdout)) return ended;
    }
  };

  const [entry] = (await queue("list", "--to", "elsewhere.test", "--json")).stdout.split("\n");
  const { id, state, attempts, sender, reason } = JSON.parse(entry!);
  assertEquals([state, attempts, sender], ["waiting", 1, "alice@example.test"]);
  assertMatch(reason, /4\d\d 4\.4\.1 /);
  const message = await queue("show", id, "--message");
  assertMatch(message.stdout, /^Received: [^]*\r\nSubject: hello\r\n\r\nworld\r\n$/);

  assertEquals((await queue("hold", id, "--reason", "a test")).code, 0);
  assertMatch(
    (await queue("list")).stdout,
    / alice@example\.test → bob@elsewhere\.test\n {4}held: a test\n$/,
  );
  assertEquals((await queue("retry", id)).code, 65);
  assertEquals((await queue("release", "--all")).stdout, `${id}  released\n`);
  await program.stdoutLine(/"type":"delivery\.deferred"/); // released is due
  assertEquals((await queue("retry", id)).stdout, `${id}  to be tried now\n`);
  await program.stdoutLine(/"type":"delivery\.deferred"/);

  assertEquals((await queue("remove", id, "--bounce")).stdout, `${id}  removed\n`);
  await program.stdoutLine(/"type":"delivery\.done".*"recipient":"alice@example\.test"/);
  const [notice] = await Array.fromAsync(Deno.readDir(`${path}/mail/example.test/alice/new`));
  const text = await Deno.readTextFile(`${path}/mail/example.test/alice/new/${notice!.name}`);
  assertMatch(text, /554 5\.7\.0 The administrator of this server removed the message/);
  assertEquals((await queue("list", "--to", "elsewhere.test")).stdout, "");
});

const WRONG: readonly (readonly [string, RegExp])[] = [
  ["", /queue wants one of list, show/],
  ["lst", /queue has no lst, only .*; did you mean list\?/],
  ["list m1", /what is m1 for\?/],
  ["list --limit 0", /--limit 0: wanted a number/],
  ["list --to @", /--to @: wanted an address or a domain/],
  ["list --state hold", /--state hold: wanted one of .*; did you mean held\?/],
  ["list --bounce", /queue list takes no --bounce/],
  ["show", /wants the id/],
  ["show m1 m2", /one message at a time/],
  ["show ../m1", /is no id of a message/],
  ["remove", /wants the ids of messages, or --to, --from, --state, or --all/],
  ["remove m1 --all", /give ids, or .* or --all/],
  ["hold m1 --to b.test", /give ids, or/],
];

for (const [text, message] of WRONG) {
  Deno.test(`yizhan queue ${text} says what is wrong and exits 64`, async () => {
    const words = text.split(" ").filter((word) => word !== "");
    const { code, stdout, stderr } = await run(["queue", ...words]);
    assertEquals([code, stdout], [64, ""]);
    assertMatch(stderr, message);
  });
}

Deno.test("formatQueueSummary() fits a narrow terminal and lets no control character through", () => {
  const text = formatQueueSummary({
    id: "kx3f9a01b2c3d4.1.1",
    state: "held",
    received: "2026-01-01T00:00:00.000Z",
    size: 1_234_567,
    sender: "a@a.test",
    recipients: ["\u001b[2Jx@b.test", ...Array.from({ length: 6 }, (_, i) => `r${i}@b.test`)],
    recipientCount: 9,
    next: null,
    kept: false,
    attempts: 2,
    reason: "a \u202Ereason that is much too long for a line of a narrow terminal, by far",
  }, { now: Date.UTC(2026, 0, 4), width: 72, colour: false });
  const lines = text.split("\n");
  assertEquals(lines.length, 2);
  assert(lines.every((line) => [...line].length <= 72), text);
  assert(lines[0]!.includes(" 3 d  1.2 MB  a@a.test → \\u{1b}[2Jx"));
  assert(lines[1]!.includes("\\u{202e}") && lines[1]!.endsWith("…"));
});
