import { assert, assertEquals } from "@std/assert";
import {
  DEFAULT_LOGIN_BACKOFF,
  loginBackoff,
  type LoginBackoffOptions,
} from "../../../src/policy/abuse/login_backoff.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { DIRECTORY, MemoryStation } from "../../support/memory_station.ts";
import { answerTo, stranger } from "./sessions.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A station that backs off, and how many passwords were looked at. */
async function slowStation(options: LoginBackoffOptions = {}) {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { clock } = runtime;
  const ledger = new MemoryLedger(clock);
  const checked: string[] = [];
  const station = await MemoryStation.start({
    runtime,
    listener: {
      ...{ auth: "optional", authInClear: true, extensions: { auth: ["PLAIN"] } },
      limits: { failedLogins: 1000, errors: 10_000 },
    },
    directory: {
      isLocalDomain: (domain) => DIRECTORY.isLocalDomain(domain),
      lookup: (address) => DIRECTORY.lookup(address),
      maySendAs: (account, address) => DIRECTORY.maySendAs(account, address),
      verify(name, password) {
        checked.push(name);
        return DIRECTORY.verify(name, password);
      },
    },
    policies: [loginBackoff(options, { clock, ledger })],
  });
  return { station, clock, checked, ledger };
}

function plain(name: string, password = "wrong"): string {
  return `AUTH PLAIN ${btoa(`\0${name}\0${password}`)}`;
}

const ALICE = "alice@example.test";

/** How long one login takes, in virtual milliseconds, and what it is answered. */
async function timed(station: MemoryStation, client: string, line: string) {
  const peer = await station.greeted(client);
  const { clock } = station.runtime;
  const before = clock.now();
  await peer.send(`${line}\r\n`);
  const said = await peer.reply();
  peer.close();
  return { took: clock.now() - before, said };
}

Deno.test("attack: of 10,000 guesses from one address twenty an hour are looked at", async () => {
  const { station, clock, checked } = await slowStation();
  await using _ = station;
  const start = clock.now();
  const peer = await station.greeted();
  for (let i = 0; i < 10_000; i++) {
    await peer.send(`${plain(ALICE, `guess${i}`)}\r\n`);
    await peer.reply();
  }
  const hours = (clock.now() - start) / HOUR;
  assert(checked.length <= 20 + 20 * hours, `${checked.length} in ${hours} h`);
  assert(checked.length >= 20);
});

Deno.test("attack: parallel sessions of one address guess no more than one does", async () => {
  const { station, checked } = await slowStation();
  await using _ = station;
  const peers = await Promise.all(Array.from({ length: 40 }, () => station.greeted()));
  for (const peer of peers) await peer.send(`${plain(ALICE)}\r\n`);
  const codes = [];
  for (const peer of peers) codes.push((await peer.reply())!.slice(0, 3));
  assertEquals(checked.length, 20);
  assertEquals(codes.filter((code) => code === "454").length, 20);
});

Deno.test("attack: a thousand addresses guess at one account, and its owner logs in unharmed", async () => {
  const { station, clock, checked } = await slowStation();
  await using _ = station;
  const home = "203.0.113.9";
  assertEquals((await timed(station, home, plain(ALICE, "wonderland"))).said?.slice(0, 3), "235");
  checked.length = 0;
  const start = clock.now();
  for (let i = 0; i < 1000; i++) {
    const client = `10.${i >> 8}.${i & 255}.1`;
    const peer = await station.greeted(client);
    for (let guess = 0; guess < 3; guess++) {
      await peer.send(`${plain(i % 2 === 0 ? ALICE : "ALICE@Example.TEST", `g${guess}`)}\r\n`);
      await peer.reply();
    }
    peer.close();
    if (i % 100 !== 99) continue;
    const { said, took } = await timed(station, home, plain(ALICE, "wonderland"));
    assertEquals([said?.slice(0, 3), took], ["235", 0]);
    checked.pop();
  }
  const days = (clock.now() - start) / DAY;
  assert(checked.length <= 101 + 100 * days, `${checked.length} guesses in ${days} days`);

  // From elsewhere nobody learns whether a password is right.
  const right = await timed(station, "203.0.113.77", plain(ALICE, "wonderland"));
  const wrong = await timed(station, "203.0.113.78", plain(ALICE));
  assertEquals(right, wrong);
  assertEquals(right.said?.slice(0, 9), "454 4.7.0");
});

Deno.test("an owner who mistypes at home is told at once though others guess", async () => {
  const { station, checked } = await slowStation();
  await using _ = station;
  const home = "203.0.113.9";
  await timed(station, home, plain(ALICE, "wonderland"));
  for (let i = 0; i < 60; i++) await timed(station, `10.0.${i}.1`, plain(ALICE));
  assertEquals((await timed(station, home, plain(ALICE))).took, 500);
  assertEquals((await timed(station, home, plain(ALICE))).took, 1000);
  assertEquals((await timed(station, home, plain(ALICE, "wonderland"))).took, 0);
  assertEquals((await timed(station, home, plain(ALICE))).took, 500);
  assert(checked.length > 60);
});

Deno.test("attack: a known address guesses no more than any other", async () => {
  const { station, checked } = await slowStation();
  await using _ = station;
  await timed(station, "203.0.113.9", plain(ALICE, "wonderland"));
  checked.length = 0;
  const peer = await station.greeted("203.0.113.9");
  const { clock } = station.runtime;
  const start = clock.now();
  for (let i = 0; i < 100; i++) {
    await peer.send(`${plain(ALICE, `g${i}`)}\r\n`);
    await peer.reply();
  }
  assert(checked.length <= 20 + 20 * (clock.now() - start) / HOUR, `${checked.length}`);
});

Deno.test("attack: an account of one's own gives no more guesses at another", async () => {
  const { station, checked } = await slowStation();
  await using _ = station;
  const client = "198.51.100.66";
  const start = station.runtime.clock.now();
  for (let i = 0; i < 200; i++) {
    await timed(station, client, plain("bob@example.test", "builder"));
    await timed(station, client, plain(ALICE));
  }
  const hours = (station.runtime.clock.now() - start) / HOUR;
  const guesses = checked.filter((name) => name === ALICE).length;
  assert(guesses <= 21 + 20 * hours, `${guesses} guesses in ${hours} h`);
});

Deno.test("attack: neither time nor text tells a name that exists from one that does not", async () => {
  const look = async (name: string) => {
    const { station } = await slowStation({ account: { count: 4, per: HOUR } });
    await using _ = station;
    const seen = [];
    for (let i = 0; i < 8; i++) seen.push(await timed(station, `10.0.0.${i}`, plain(name)));
    for (let i = 0; i < 30; i++) seen.push(await timed(station, "10.0.1.1", plain(name)));
    return seen;
  };
  const known = await look(ALICE);
  assertEquals(await look("nobody@example.test"), known);
  assertEquals(await look("no address"), known);
  assertEquals(new Set(known.map(({ said }) => said?.slice(0, 3))), new Set(["535", "454"]));
});

Deno.test("answers to failures wait longer and longer, up to the longest, and are forgotten", async () => {
  const { station, clock } = await slowStation({ longest: 4000, client: { count: 99, per: HOUR } });
  await using _ = station;
  const waits = [];
  for (let i = 0; i < 6; i++) {
    waits.push((await timed(station, "198.51.100.7", plain(ALICE))).took);
  }
  assertEquals(waits, [500, 1000, 2000, 4000, 4000, 4000]);
  await clock.advance(HOUR);
  assertEquals((await timed(station, "198.51.100.7", plain(ALICE))).took, 500);
});

Deno.test("attack: only so many answers are held back at once", async () => {
  const { station, clock } = await slowStation({ sessions: 3 });
  await using _ = station;
  const peers = [];
  for (let i = 0; i < 6; i++) peers.push(await station.greeted(`10.0.0.${i}`));
  const before = clock.sleepers;
  for (const peer of peers) await peer.send(`${plain(ALICE)}\r\n`);
  await clock.settle();
  // One for the wait itself, one for what bounds a policy's time.
  assert(clock.sleepers - before <= 2 * 3 + 3, `${clock.sleepers - before} sleepers`);
  for (const peer of peers) await peer.expect(535);
});

Deno.test("attack: random names from many addresses keep memory bounded, and known owners known", async () => {
  const clock = { now: () => 0, sleep: () => Promise.resolve() };
  const ledger = new MemoryLedger(clock, { entries: 1000 });
  const policy = loginBackoff({}, { clock, ledger });
  const session = (client: string, identity: string | null = null) => ({
    ...{ id: client, role: "submission", client, hello: null, tls: null },
    ...{ identity, trusted: false },
  });
  await policy.credentials!(session("203.0.113.9"), ALICE);
  await policy.auth!(session("203.0.113.9", ALICE));
  for (let i = 0; i < 20_000; i++) {
    await policy.credentials!(
      session(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`),
      `n${i}@x.test`,
    );
  }
  assert(ledger.size <= 1000);
  assertEquals((await Array.fromAsync(ledger.list("login-known:"))).length, 1);
});

Deno.test("keys of the ledger hold neither names nor long text", async () => {
  const clock = { now: () => 0, sleep: () => Promise.resolve() };
  const ledger = new MemoryLedger(clock);
  const policy = loginBackoff({}, { clock, ledger });
  const view = {
    ...{ id: "s", role: "submission", client: "198.51.100.7", hello: null, tls: null },
    ...{ identity: null, trusted: false },
  };
  await policy.credentials!(view, "my secret password".repeat(500));
  const notes = await Array.fromAsync(ledger.list(""));
  assert(notes.length > 0);
  for (const { key } of notes) assert(key.length < 100 && !key.includes("secret"), key);
});

Deno.test("who is trusted is never held up", async () => {
  const { clock } = memoryRuntime({ address: "192.0.2.25" });
  const policy = loginBackoff({ client: { count: 1, per: HOUR } }, {
    clock,
    ledger: new MemoryLedger(clock),
  });
  const view = {
    ...{ id: "s", role: "submission", client: "198.51.100.7", hello: null, tls: null },
    ...{ identity: null, trusted: true },
  };
  for (let i = 0; i < 5; i++) assertEquals(await policy.credentials!(view, ALICE), undefined);
});

Deno.test("attack: who has a whole IPv6 /48 tries no password on thousands of accounts", () => {
  const { clock } = memoryRuntime();
  const policy = loginBackoff({}, { clock, ledger: new MemoryLedger(clock) });
  const tried = (client: string, name: string) =>
    answerTo(policy.credentials!(stranger(client), name)) === "ok";
  let looked = 0;
  for (let i = 0; i < 5000; i++) {
    const client = `2001:db8:1:${i.toString(16)}::1`;
    if (tried(client, `user${i}@example.test`)) looked++;
  }
  assertEquals(looked, DEFAULT_LOGIN_BACKOFF.network.count);
  // Its neighbours notice nothing.
  assert(tried("2001:db8:2::1", ALICE));
});
