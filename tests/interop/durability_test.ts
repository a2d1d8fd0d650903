/**
 * That what is answered with 250 is on the disk by then, told by the system calls of the real server: for
 * every mail the sync of the file it is in, and of every new name on the way to it, has returned before the
 * reply is written. And that this test would notice if it were not so.
 *
 * @module
 */

import { assertEquals, assertGreater, assertLess } from "@std/assert";
import {
  type AnsweredMail,
  findUndurable,
  parseTrace,
  type SystemCall,
} from "../support/durability.ts";
import { PlainClient } from "./smtp_client.ts";
import { interopTest, makeTemporaryFolder, type TemporaryFolder } from "./support.ts";
import { startTraced } from "./traced_server.ts";

/** What can happen to a mail, and where it must be then. */
const KINDS = {
  mailbox: { to: ["alice@example.test"], size: 2000, holders: [/\/example\.test\/alice\/new\//] },
  mailboxes: {
    to: ["alice@example.test", "bob@example.test"],
    size: 2000,
    holders: [/\/alice\/new\//, /\/bob\/new\//],
  },
  largeMailbox: { to: ["bob@example.test"], size: 2_400_000, holders: [/\/bob\/new\//] },
  queue: { to: ["far@remote.test"], size: 2000, holders: [/\/queue\/segments\/\d+\.log$/] },
  both: {
    to: ["alice@example.test", "far@remote.test"],
    size: 2000,
    holders: [/\/queue\/segments\/\d+\.log$/],
  },
  largeQueue: {
    to: ["far@remote.test"],
    size: 2_400_000,
    holders: [/\/queue\/bodies\/\w\/[^/]+\.msg$/, /\/queue\/deferred\/\w+\/[^/]+\.json$/],
  },
};

type Kind = keyof typeof KINDS;

/** Those who send, and what was answered. */
class Senders {
  readonly answered: AnsweredMail[] = [];
  #next = 1;

  constructor(readonly port: number) {}

  /** Sends one after the other in one session. */
  async inTurn(...kinds: readonly Kind[]): Promise<void> {
    using client = await PlainClient.connect(this.port);
    for (const kind of kinds) {
      await client.begin(KINDS[kind].to);
      await this.#end(client, kind);
    }
  }

  /** Sends each in a session of its own, the ends of all at once. */
  async together(...kinds: readonly Kind[]): Promise<void> {
    const clients = await Promise.all(kinds.map(() => PlainClient.connect(this.port)));
    await Promise.all(clients.map((client, at) => client.begin(KINDS[kinds[at]!].to)));
    await Promise.all(clients.map((client, at) => this.#end(client, kinds[at]!)));
    for (const client of clients) client.close();
  }

  async #end(client: PlainClient, kind: Kind): Promise<void> {
    const { size, holders } = KINDS[kind];
    const mark = `mark-${this.#next++}`;
    const text = `${"x".repeat(70)}\r\n`.repeat(size / 72);
    const message = `Subject: ${mark}\r\n\r\n${mark} begins\r\n${text}${mark} ends\r\n`;
    const reply = await client.end(message);
    const id = /^250 2\.0\.0 taken as (\S+)$/.exec(reply)?.[1];
    if (id === undefined) throw new Error(`${mark}: ${reply}`);
    this.answered.push({ id, mark, holders });
  }
}

/** Runs the server on a folder; gives what it did and what it answered. */
async function runTraced(
  folder: TemporaryFolder,
  send: (senders: Senders) => Promise<void>,
): Promise<{ calls: SystemCall[]; mails: AnsweredMail[] }> {
  // What is queued stays there, so that every trace has all of it.
  const server = await startTraced(folder);
  const senders = new Senders(server.port);
  let trace;
  try {
    await send(senders);
  } finally {
    trace = await server.stop();
  }
  return { calls: parseTrace(trace), mails: senders.answered };
}

async function makeFolder(): Promise<TemporaryFolder> {
  const folder = await makeTemporaryFolder();
  const users = ["alice", "bob"].map((user) => `user ${user}@example.test -\n`).join("");
  await folder.write("users", `# yizhan users 1\ndomain example.test\n${users}`);
  await Deno.mkdir(`${folder.path}/mail`, { mode: 0o700 });
  return folder;
}

/** Every kind as the first of its kind, in turn, and many at once. */
async function sendEverything(senders: Senders): Promise<void> {
  await senders.inTurn("mailbox", "queue", "largeQueue");
  await senders.inTurn("mailboxes", "largeMailbox", "both", "largeQueue");
  for (let round = 0; round < 3; round++) {
    const some: Kind[] = ["queue", "queue", "both", "queue", "mailbox", "queue"];
    await senders.together(...some, ...some, "largeQueue", "largeMailbox", "mailboxes");
  }
}

/** The syncs of what lies at such a path. */
function syncsOf(calls: readonly SystemCall[], path: RegExp): SystemCall[] {
  return calls.filter((call) => {
    const [, synced] = /^\d+<([^>]*)>/.exec(call.arguments) ?? [];
    return /^f(data)?sync$/.test(call.name) && path.test(synced ?? "");
  });
}

/** Without those syncs, of which there must be some: how many mails are told of. */
function countWithout(
  { calls, mails }: { calls: readonly SystemCall[]; mails: readonly AnsweredMail[] },
  path: RegExp,
): number {
  const syncs = new Set(syncsOf(calls, path));
  assertGreater(syncs.size, 0, `no sync of ${path}`);
  const problems = findUndurable(calls.filter((call) => !syncs.has(call)), mails);
  return new Set(problems.map((problem) => problem.split(" ")[0])).size;
}

/** The mails that are in files of such a path. */
function heldIn(mails: readonly AnsweredMail[], path: string): AnsweredMail[] {
  return mails.filter(({ holders }) => holders.some(({ source }) => source.includes(path)));
}

/** What is synced, and in whose path that is: all that the server has to sync. */
function whatIsSyncedFor(folder: string): [synced: RegExp, held: string][] {
  return [
    [/\/mail$/, "new"],
    [/\/mail\/example\.test$/, "new"],
    [/\/mail\/.*\/alice$/, "alice"],
    [/\/mail\/.*\/bob$/, "bob"],
    [/\/mail\/.*\/tmp\//, "new"],
    [/\/mail\/.*\/new$/, "new"],
    [new RegExp(`^${folder}$`), "queue"],
    [/\/queue$/, "queue"],
    [/\/queue\/segments$/, "segments"],
    [/\/queue\/segments\/\d+\.log$/, "segments"],
    [/\/queue\/incoming\/[^/]+$/, "bodies"],
    [/\/queue\/bodies$/, "bodies"],
    [/\/queue\/bodies\/\w$/, "bodies"],
    [/\/queue\/transit\/[^/]+$/, "deferred"],
    [/\/queue\/deferred$/, "deferred"],
    [/\/queue\/deferred\/\w+$/, "deferred"],
  ];
}

interopTest("every mail is on the disk before it is answered for", ["strace"], async () => {
  await using folder = await makeFolder();
  const first = await runTraced(folder, sendEverything);
  assertEquals(findUndurable(first.calls, first.mails), []);

  const queued = heldIn(first.mails, "segments");
  const syncs = syncsOf(first.calls, /\.log$/);
  console.log(
    `    ${first.mails.length} mails; ${syncs.length} syncs for ${queued.length} in a log`,
  );
  assertLess(syncs.length, queued.length, "many share a sync");

  // A start later there is another segment, and names that are there already.
  const second = await runTraced(
    folder,
    (senders) => senders.inTurn("queue", "mailbox", "largeQueue"),
  );
  assertEquals(findUndurable(second.calls, second.mails), []);

  // The same calls without some syncs are found wanting, by all whom they were for.
  assertEquals(countWithout(first, /./), first.mails.length);
  for (const [synced, held] of whatIsSyncedFor(folder.path)) {
    assertEquals(countWithout(first, synced), heldIn(first.mails, held).length, synced.source);
  }
});
