/**
 * The disk of the queue runs full, a real one (a tmpfs): what cannot be kept is answered with 452, what was
 * kept stays, and when there is room again all goes on as if nothing had been.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { KillableStation, listFiles } from "./killable_station.ts";
import { readMaildir } from "./maildir.ts";
import { Ledger, type SentMail } from "./numbered_mail.ts";
import { RecordingSink } from "./recording_sink.ts";
import { mayMount, SmallDisk } from "./small_disk.ts";
import { PlainClient } from "./smtp_client.ts";
import { interopTest, makeTemporaryFolder } from "./support.ts";

const KIB = 1024;
/** Goes to a segment. */
const SMALL = 30 * KIB;
/** Gets files of its own. */
const LARGE = 2400 * KIB;

/** Waits until something holds. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!await holds()) {
    assert(Date.now() < deadline, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The reply to a MAIL that nothing follows. */
async function askRoom(port: number): Promise<string> {
  using client = await PlainClient.connect(port);
  return await client.say("MAIL FROM:<sender@client.test>");
}

/** A mail of which only the end is missing. */
interface Begun {
  readonly client: PlainClient;
  readonly mail: SentMail;
  readonly message: string;
}

async function begin(
  port: number,
  ledger: Ledger,
  recipients: readonly string[],
  size: number,
): Promise<Begun> {
  const client = await PlainClient.connect(port);
  const { mail, message } = ledger.begin(recipients, size);
  await client.begin(recipients);
  return { client, mail, message };
}

async function end({ client, mail, message }: Begun): Promise<string> {
  const reply = await client.end(message);
  mail.acknowledged = reply.startsWith("250");
  client.close();
  return reply;
}

interopTest(
  "a disk that runs full is answered with 452, and nothing is lost or repeated",
  ["mount", "df", ...mayMount() ? [] : ["root"]],
  async () => {
    await using folder = await makeTemporaryFolder();
    await using disk = await SmallDisk.mount(`${folder.path}/queue`);
    const ledger = new Ledger();
    const gate = Promise.withResolvers<void>();
    let deferring = true;
    await using sink = new RecordingSink({
      onMessage({ octets, recipients }) {
        ledger.arrived(octets, recipients, 0);
        return gate.promise;
      },
      defers: (recipient) => deferring && recipient === "late@remote.test",
    });
    const users = ["alice"];
    const station = new KillableStation({ folder: folder.path, users, smarthost: sink.port });
    const said = (type: string) => station.lines.some((line) => line.type === type);
    try {
      const port = await station.ready();
      const start = (size: number, ...to: string[]) => begin(port, ledger, to, size);

      // Some are here already, and handed over to one of two; the answer has not come yet.
      for (const size of [SMALL, LARGE, SMALL]) {
        const begun = await start(size, "far@remote.test", "late@remote.test");
        assertMatch(await end(begun), /^250 /);
      }
      await until("all have been handed over", () => ledger.arrivedMails === 3);

      // The disk runs full between the beginning of others and their end.
      const small = await start(SMALL, "far@remote.test");
      const large = await start(LARGE, "far@remote.test");
      await disk.fill();
      assertMatch(await end(small), /^452 4\.3\.1 /);
      assertMatch(await end(large), /^452 4\.3\.1 /);

      // What has become of those that were here cannot be written down.
      gate.resolve();
      await until("it tells of trouble", () => said("queue.trouble"));
      await until("no mail is begun", async () => (await askRoom(port)).startsWith("452 4.3.1 "));

      deferring = false;
      await disk.clear();
      await until("mail is begun", async () => (await askRoom(port)).startsWith("250 "));
      for (const size of [SMALL, LARGE]) {
        assertMatch(await end(await start(size, "far@remote.test", "alice@local.test")), /^250 /);
      }
      await until("the queue is empty", async () => await station.count() === 0);
      await station.stop();
    } catch (error) {
      console.log(station.lines);
      gate.resolve();
      await station.kill();
      throw error;
    }
    for (const { octets } of await readMaildir(`${folder.path}/mail/local.test/alice`)) {
      ledger.arrived(octets, ["alice@local.test"], 1);
    }
    assertEquals(said("queue.damaged"), false);
    assertEquals(ledger.lost(), []);
    assertEquals(ledger.unacknowledged(), []);
    assertEquals(ledger.repetitions(), []);
    assertEquals(await listFiles(disk.path), ["srs.key", "version"]);
  },
);
