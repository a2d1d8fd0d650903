/**
 * kill -9 at random moments under load. What the kernel was given survives that, so this shows the order
 * in which things are done, not that they reach the disk: for that see `durability_test.ts`.
 *
 * A station relays to a sink, which lives on, and delivers into mailboxes, while clients send it numbered mail.
 * Again and again it is killed and started on the same folder. In the end every mail that was answered with
 * 250 must have come to each of its recipients, whole.
 *
 * `YIZHAN_KILL_SEED` repeats the choices of a run (not its timing), `YIZHAN_KILL_ROUNDS` sets its length.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { KillableStation, listFiles, type StationLine } from "./killable_station.ts";
import { readMaildir } from "./maildir.ts";
import { Ledger, type Repetition, SeededRandom } from "./numbered_mail.ts";
import { RecordingSink } from "./recording_sink.ts";
import { PlainClient, UnexpectedReply } from "./smtp_client.ts";
import { interopTest, makeTemporaryFolder } from "./support.ts";

const ROUNDS = Number(Deno.env.get("YIZHAN_KILL_ROUNDS") ?? 50);
const SEED = Number(Deno.env.get("YIZHAN_KILL_SEED") ?? crypto.getRandomValues(new Uint32Array(1)));

const CLIENTS = 6;
const USERS = ["alice", "bob", "carol"];
/** For `late.test` see `peers/station.ts`. */
const REMOTE = ["one.test", "two.test", "late.test"];

/** What must not be said in any round. */
const WRONG = ["queue.damaged", "queue.trouble", "internal.error", "delivery.failed"];

/**
 * Messages that may be repeated for one kill, on average. What has been handed over and is not yet in the
 * journal when the station dies is handed over again: a message for each connection (five to twenty), less
 * those that wait for an answer, and those that finish during one sync. Some 1.5 are usual. The share of all
 * mail says more about how often the station is killed than about the station: here it lives 0.2 seconds.
 */
const REPEATED = 10;

/** All that goes on beside the station. */
class Trial {
  readonly random = new SeededRandom(SEED);
  readonly ledger = new Ledger();
  /** What the sink was given that it should not have been given. */
  readonly faults: unknown[] = [];
  /** What the station said that it should not have to say. */
  readonly wrong: StationLine[] = [];
  /** How many messages each run found in the queue. */
  readonly found: number[] = [];
  /** Those of the sink, which is asked whenever it comes about. */
  readonly #moods = new SeededRandom(SEED ^ 1);
  /** How often the sink answered 451. */
  deferred = 0;
  /** Whether the sink defers some of what it is given. */
  deferring = false;
  /** The run of the station that is under way, from 0. */
  run = 0;

  /** Takes what is relayed. */
  readonly sink = new RecordingSink({
    onMessage: ({ octets, recipients }) => {
      try {
        this.ledger.arrived(octets, recipients, this.run);
      } catch (error) {
        this.faults.push(error);
      }
    },
    defers: (recipient) => {
      const defers = this.deferring && this.#moods.chance(recipient === null ? 0.2 : 0.4);
      if (defers) this.deferred++;
      return defers;
    },
  });

  constructor(readonly folder: string) {}

  start(): KillableStation {
    return new KillableStation({
      folder: this.folder,
      users: USERS,
      smarthost: this.sink.port,
    });
  }

  /** Notes what a run has said, when the sink has read all that it sent. */
  async ended({ lines }: KillableStation): Promise<void> {
    while (this.sink.connections > 0) await pause(5);
    this.wrong.push(...lines.filter(({ type }) => WRONG.includes(type)));
    for (const { type, messages } of lines) {
      if (type === "queue.opened") this.found.push(Number(messages));
    }
    this.run++;
  }

  /** Has it killed under load. */
  async killUnderLoad(): Promise<void> {
    const station = this.start();
    const port = await station.ready();
    const moment = this.random.between(20, 400);
    const loads = Array.from({ length: CLIENTS }, () => {
      return sendAll(port, this.ledger, new SeededRandom(this.random.between(0, 2 ** 32)));
    });
    // Everything that waits moves to another folder.
    if (this.random.chance(0.5)) await station.order("retry");
    await pause(moment);
    await station.kill();
    await Promise.all(loads);
    await this.ended(station);
  }

  /** Has it killed while it starts and recovers. */
  async killAtStart(): Promise<void> {
    const station = this.start();
    await pause(this.random.between(200, 700));
    await station.kill();
    await this.ended(station);
  }

  /** Has it deliver all that it has, and end well. */
  async drain(): Promise<void> {
    const station = this.start();
    await station.ready();
    const deadline = Date.now() + 60_000;
    for (let left; (left = await station.count()) > 0;) {
      assert(Date.now() < deadline, `${left} messages are still in the queue`);
      await station.order("retry");
      await pause(200);
    }
    await station.stop();
    await this.ended(station);
    for (const user of USERS) {
      for (const { octets } of await readMaildir(`${this.folder}/mail/local.test/${user}`)) {
        this.ledger.arrived(octets, [`${user}@local.test`], this.run);
      }
    }
  }
}

/** Sends until the server is gone. */
async function sendAll(port: number, ledger: Ledger, random: SeededRandom): Promise<void> {
  const pipelined = random.chance(0.7);
  try {
    for (;;) {
      using client = await PlainClient.connect(port);
      for (let left = random.between(1, 20); left > 0; left--) {
        const { recipients, size } = chooseMail(random);
        const { mail, message } = ledger.begin(recipients, size);
        await client.begin(recipients, pipelined);
        client.expect(await client.end(message), "250");
        mail.acknowledged = true;
      }
    }
  } catch (error) {
    // Nothing here gives the station a reason to refuse anything.
    if (error instanceof UnexpectedReply) throw error;
  }
}

/** Local, remote or both; small or, one in ten, too large for a segment. */
function chooseMail(random: SeededRandom): { recipients: string[]; size: number } {
  const kind = random.pick(["local", "remote", "remote", "both"]);
  const recipients: string[] = [];
  if (kind !== "remote") {
    const first = random.between(0, USERS.length);
    const users = [...USERS, ...USERS].slice(first, first + random.between(1, 3));
    recipients.push(...users.map((user) => `${user}@local.test`));
  }
  if (kind !== "local") {
    const count = random.between(1, 3);
    for (let at = 0; at < count; at++) recipients.push(`user${at}@${random.pick(REMOTE)}`);
  }
  const large = random.chance(0.1);
  return { recipients, size: large ? random.between(260, 400) * 1024 : random.between(9, 12_000) };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Fails where something came twice though nothing was killed between. */
function assertRare(repetitions: readonly Repetition[], kills: number): void {
  // A mailbox never has two: the second takes the place of the first.
  assertEquals(repetitions.filter(({ key }) => key.endsWith("@local.test")), []);
  assertEquals(repetitions.filter(({ run, again }) => again.some((later) => later <= run)), []);
  const messages = new Set(repetitions.map(({ key, run }) => `${run} ${key.split(" ")[0]}`));
  assertLessOrEqual(messages.size, kills * REPEATED);
}

interopTest(
  `kill -9 under load, ${ROUNDS} times, loses nothing that was acknowledged`,
  [],
  async () => {
    console.log(`    YIZHAN_KILL_SEED=${SEED}`);
    await using folder = await makeTemporaryFolder();
    const trial = new Trial(folder.path);
    await using _sink = trial.sink;
    for (let round = 0; round < ROUNDS; round++) {
      // Long enough that some are deferred twice.
      trial.deferring = round % 6 >= 3;
      await trial.killUnderLoad();
      if (round % 6 === 5) await trial.killAtStart();
    }
    const kills = trial.run;
    trial.deferring = false;
    await trial.drain();

    const { ledger } = trial;
    const repetitions = ledger.repetitions();
    const percent = (100 * repetitions.length / ledger.deliveries).toFixed(1);
    console.log(`    ${ledger.sent.length} mails, ${ledger.acknowledged} of them acknowledged,`);
    console.log(`    ${ledger.deliveries} deliveries, ${trial.deferred} times deferred,`);
    console.log(`    ${repetitions.length} duplicates (${percent} %) of ${kills} kills`);
    assertEquals(trial.faults, []);
    assertEquals(trial.wrong, []);
    assertEquals(ledger.lost(), []);
    assertRare(repetitions, kills);
    // Nothing is left of what has gone: its files are a secret, and what version it is.
    assertEquals(await listFiles(`${folder.path}/queue`), ["srs.key", "version"]);
    // It was a trial: there was mail under way, mail that waited, and mail that was put off.
    assertGreater(ledger.acknowledged, ROUNDS);
    assertGreater(ledger.sent.length, ledger.acknowledged);
    assertGreater(Math.max(...trial.found), 0);
    assertGreater(trial.deferred, 0);
  },
);
