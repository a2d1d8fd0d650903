import { assert, assertEquals } from "@std/assert";
import {
  greylisting,
  type GreylistingOptions,
  senderKey,
} from "../../../src/policy/abuse/greylisting.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { parseNetwork } from "../../../src/net_address.ts";
import { MemoryStation } from "../../support/memory_station.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

async function greyStation(options: GreylistingOptions = {}, relayFrom: readonly string[] = []) {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { clock } = runtime;
  const ledger = new MemoryLedger(clock);
  const station = await MemoryStation.start({
    runtime,
    relayFrom,
    listener: { auth: "optional", authInClear: true, extensions: { auth: ["PLAIN"] } },
    policies: [greylisting(options, { clock, ledger })],
  });
  return { station, clock, ledger };
}

interface Try {
  readonly client?: string;
  readonly from?: string;
  readonly to?: string;
}

/** The code that RCPT is answered. */
async function rcpt(
  station: MemoryStation,
  { client, from = "a@client.example", to = "alice@example.test" }: Try = {},
): Promise<string> {
  const peer = await station.greeted(client);
  await peer.say(`MAIL FROM:<${from}>`, 250);
  await peer.send(`RCPT TO:<${to}>\r\n`);
  const said = await peer.reply();
  peer.close();
  return said!.slice(0, 3);
}

Deno.test("attack: what is sent once stays out; a server that tries again gets in", async () => {
  const { station, clock } = await greyStation();
  await using _ = station;
  for (let i = 0; i < 300; i++) {
    const bot = { client: `10.1.${i % 250}.7`, from: `x${"abcdefghij"[i % 10]}@spam${i}.example` };
    assertEquals(await rcpt(station, bot), "451");
  }
  assertEquals(await rcpt(station), "451");
  await clock.advance(4 * MINUTE);
  assertEquals(await rcpt(station), "451", "too soon");
  await clock.advance(MINUTE);
  assertEquals(await rcpt(station), "250");
  assertEquals(await rcpt(station), "250");
  // Another machine of the same network, and a mail of next month.
  await clock.advance(35 * DAY);
  assertEquals(await rcpt(station, { client: "198.51.100.200" }), "250");
  await clock.advance(35 * DAY);
  assertEquals(await rcpt(station), "250");
  await clock.advance(37 * DAY);
  assertEquals(await rcpt(station), "451", "forgotten");
});

Deno.test("greylisting() wants mail again within the window", async () => {
  const { station, clock } = await greyStation({ window: HOUR });
  await using _ = station;
  assertEquals(await rcpt(station), "451");
  await clock.advance(2 * HOUR);
  assertEquals(await rcpt(station), "451");
  await clock.advance(10 * MINUTE);
  assertEquals(await rcpt(station), "250");
});

Deno.test("greylisting() tells how long to wait, with 4.7.1", async () => {
  const { station, clock } = await greyStation();
  await using _ = station;
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  const first = await peer.say("RCPT TO:<alice@example.test>", 451, "4.7.1");
  assert(first.endsWith("in 5 min"), first);
  await clock.advance(2 * MINUTE);
  const second = await peer.say("RCPT TO:<alice@example.test>", 451, "4.7.1");
  assert(second.endsWith("in 3 min"), second);
  await clock.advance(2 * MINUTE + 20_000);
  const third = await peer.say("RCPT TO:<alice@example.test>", 451, "4.7.1");
  assert(third.endsWith("in 40 s"), third);
});

Deno.test("greylisting() asks a network no more of which enough has passed", async () => {
  const { station, clock } = await greyStation({ passes: 2 });
  await using _ = station;
  const froms = ["a@one.example", "b@two.example"];
  for (const from of froms) assertEquals(await rcpt(station, { from }), "451");
  await clock.advance(5 * MINUTE);
  for (const from of froms) assertEquals(await rcpt(station, { from }), "250");
  assertEquals(await rcpt(station, { from: "c@three.example" }), "250");
  assertEquals(await rcpt(station, { from: "c@three.example", client: "10.0.0.1" }), "451");
});

Deno.test("greylisting() lets those pass who are exempt, trusted or logged in", async () => {
  const { station } = await greyStation({
    exempt: [parseNetwork("203.0.113.0/24")!],
    recipients: ["Bob@example.test"],
    senders: ["friend.example", ".kin.example"],
  }, ["10.9.0.0/16"]);
  await using _ = station;
  assertEquals(await rcpt(station, { client: "203.0.113.8" }), "250");
  assertEquals(await rcpt(station, { client: "10.9.1.1" }), "250");
  assertEquals(await rcpt(station, { to: "bob@example.test" }), "250");
  assertEquals(await rcpt(station, { from: "x@friend.example" }), "250");
  assertEquals(await rcpt(station, { from: "x@a.kin.example" }), "250");
  assertEquals(await rcpt(station, { from: "x@a.friend.example" }), "451");
  const peer = await station.greeted();
  await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wonderland")}`, 235);
  await peer.say("MAIL FROM:<alice@example.test>", 250);
  await peer.say("RCPT TO:<alice@example.test>", 250);
});

Deno.test("greylisting() answers who checks a sender with <>, and puts off a notice itself", async () => {
  const { station, clock } = await greyStation();
  await using _ = station;
  assertEquals(await rcpt(station, { from: "" }), "250");
  const peer = await station.greeted();
  await peer.mail({ sender: "", to: ["alice@example.test", "bob@example.test"] }, 451, "4.7.1");
  peer.close();
  await clock.advance(5 * MINUTE);
  const again = await station.greeted();
  await again.mail({ sender: "", to: ["alice@example.test", "bob@example.test"] });
  assertEquals((await station.mailbox("bob")).length, 1);
});

Deno.test("senderKey() takes out what changes from message to message", () => {
  const key = (local: string) => senderKey({ local, domain: "A.example" });
  const alike = [
    ["prvs=4715ab1cde=alice", "alice"],
    ["bounce-4711-x", "bounce-4712-x"],
    ["SRS0=abcd=AB=b.example=bob", "srs0=wxyz=CD=b.example=bob"],
    ["SRS1=abcd=c.example==HHH=TT=b.example=bob", "SRS1=zzzz=c.example==III=UU=b.example=bob"],
    ["0100018b4f-a1", "0100018b50-b2"],
  ] as const;
  for (const [one, other] of alike) assertEquals(key(one), key(other));
  assert(key("alice") !== key("bob"));
  assert(key("SRS0=abcd=AB=b.example=bob") !== key("SRS0=abcd=AB=b.example=eve"));
});

Deno.test("attack: random triplets of one network cost no more than its rate, of many no more than there is", async () => {
  const clock = { now: () => 0 };
  const ledger = new MemoryLedger(clock, { entries: 1000 });
  const policy = greylisting({}, { clock, ledger });
  const session = (client: string) => ({
    ...{ id: "s", role: "mx", client, hello: null, tls: null, identity: null, trusted: false },
  });
  const recipient = { local: "alice", domain: "example.test" };
  const ask = (client: string, local: string) =>
    policy.recipient!(session(client), recipient, {
      ...{ sender: { local, domain: "x.example" }, recipients: [], body: "7BIT" },
      ...{ smtputf8: false, requireTls: false },
    });
  const name = (i: number) => i.toString().replace(/\d/g, (digit) => "abcdefghij"[Number(digit)]!);
  for (let i = 0; i < 2000; i++) {
    const verdict = await ask("198.51.100.7", name(i));
    assertEquals(verdict?.action, "defer");
  }
  assert(ledger.size <= 501, `${ledger.size}`);
  for (let i = 0; i < 5000; i++) await ask(`10.${i >> 8}.${i & 255}.1`, name(i));
  assert(ledger.size <= 1000);
});
