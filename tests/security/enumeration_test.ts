/**
 * Whether a stranger can find out who lives here by logging in: the same words, and the same work, for a right name
 * with a wrong password, for one that may not log in, and for one that nobody has. Work is counted, not timed.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { DirectoryTable, User } from "../../src/directory/directory_table.ts";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import { checkPassword, DEFAULT_ITERATIONS, makeVerifier } from "../../src/directory/password.ts";
import { PasswordChecker } from "../../src/directory/password_checker.ts";
import { TableDirectory } from "../../src/directory/table_directory.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { MemoryStation } from "../support/memory_station.ts";

const ACCOUNTS = {
  "alice@example.test": { password: "wonderland" },
  // Gets mail, and has no password.
  "letterbox@example.test": {},
};

const NAMES = {
  "wrong password": "alice@example.test",
  "no password": "letterbox@example.test",
  "unknown": "nobody@example.test",
  "foreign domain": "alice@elsewhere.test",
  "no address": "alice",
  "an alias": "team@example.test",
};

async function login(name: string, mechanism: "PLAIN" | "LOGIN" | "SCRAM-SHA-256") {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const directory = mapDirectory({
    accounts: ACCOUNTS,
    aliases: { "team@example.test": ["alice@example.test"] },
    scram: runtime,
  });
  // The first makes all verifiers, in real time; the station's is virtual.
  await directory.scramVerifier!("somebody");
  await using station = await MemoryStation.start({
    runtime,
    directory,
    listener: { role: "submission" },
  });
  const peer = await station.connect();
  await peer.expect(220);
  await peer.say("EHLO client.example", 250);
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
  const replies: string[] = [];
  const say = async (line: string) => {
    await peer.send(`${line}\r\n`);
    const reply = (await peer.reply())!;
    replies.push(reply);
    return reply;
  };
  switch (mechanism) {
    case "PLAIN":
      await say(`AUTH PLAIN ${btoa(`\0${name}\0guess`)}`);
      break;
    case "LOGIN":
      await say("AUTH LOGIN");
      await say(btoa(name));
      await say(btoa("guess"));
      break;
    case "SCRAM-SHA-256": {
      const first = await say(
        `AUTH SCRAM-SHA-256 ${btoa(`n,,n=${name},r=abcdefghijklmnopqrstuvwx`)}`,
      );
      const [nonce, salt, rounds] = atob(first.slice(4)).split(",");
      // Chance and the salt are each one's own: their shape is what may not differ.
      replies.pop();
      replies.push(`334 ${nonce!.length} ${atob(salt!.slice(2)).length} ${rounds}`);
      const proof = btoa("x".repeat(32));
      await say(btoa(`c=biws,r=${nonce!.slice(2)},p=${proof}`));
    }
  }
  return replies;
}

for (const mechanism of ["PLAIN", "LOGIN", "SCRAM-SHA-256"] as const) {
  Deno.test(`attack: AUTH ${mechanism} says the same of every name that does not get in`, async () => {
    const wanted = await login(NAMES["wrong password"], mechanism);
    assertEquals(wanted.at(-1)!.slice(0, 9), "535 5.7.8");
    for (const [what, name] of Object.entries(NAMES)) {
      assertEquals(await login(name, mechanism), wanted, what);
    }
  });
}

Deno.test("attack: a wrong password, one that is none, and an unknown name cost the same hashes", async () => {
  const { clock, random } = memoryRuntime();
  const rounds: number[] = [];
  const checker = new PasswordChecker({
    clock,
    random,
    check: (password, verifier) => {
      rounds.push(verifier.iterations);
      return checkPassword(password, verifier);
    },
  });
  const real = await makeVerifier("wonderland", random);
  const cases: [string, string, typeof real | null][] = [
    ["alice@example.test", "guess", real],
    ["alice@example.test", "", real],
    ["alice@example.test", "\u0007not allowed", real],
    ["nobody@example.test", "guess", null],
    ["letterbox@example.test", "guess", null],
  ];
  for (const [name, password, verifier] of cases) {
    assertEquals(await checker.verify(name, password, verifier), false);
  }
  assertEquals(rounds, cases.map(() => DEFAULT_ITERATIONS));
});

Deno.test("attack: the SCRAM salt of a name nobody has does not give it away by changing", () => {
  const { clock, random } = memoryRuntime();
  const secret = random.bytes(32);
  const checkers = [1, 2].map(() => new PasswordChecker({ clock, random, secret }));
  const [first, again] = checkers.map((checker) => checker.fakeVerifier("nobody@example.test"));
  assertEquals(first, again);
});

/** Accounts of which some came with their passwords from another server. */
function mixedTable(made: number, imported: number): DirectoryTable {
  const user = (index: number): [string, User] => {
    const from = index < made ? [DEFAULT_ITERATIONS, 16] : [4096, 40];
    const [iterations = 0, length = 0] = from;
    const keys = { storedKey: new Uint8Array(32), serverKey: new Uint8Array(32) };
    const verifier = { iterations, salt: new Uint8Array(length), ...keys };
    const address = { local: `user${index}`, domain: "example.test" };
    return [`user${index}@example.test`, { address, verifier, sendAs: [] }];
  };
  return {
    users: new Map(Array.from({ length: made + imported }, (_, index) => user(index))),
    aliases: new Map(),
    catchAll: new Map(),
    domains: new Set(["example.test"]),
    secret: new Uint8Array(32).fill(7),
  };
}

Deno.test("attack: rounds and length of a SCRAM salt do not tell who lives here, with accounts from elsewhere", async () => {
  const runtime = memoryRuntime();
  const directory = new TableDirectory(mixedTable(70, 30), runtime);
  const look = async () => {
    const shapes: string[] = [];
    for (let index = 0; index < 1000; index++) {
      const { verifier, account } = await directory.scramVerifier(`nobody${index}@example.test`);
      assertEquals(account, null);
      shapes.push(`${verifier.iterations} ${verifier.salt.length}`);
    }
    return shapes;
  };
  const first = await look();
  const share = (shape: string) => first.filter((one) => one === shape).length;
  const [made, imported] = [share(`${DEFAULT_ITERATIONS} 16`), share("4096 40")];
  assertEquals(made + imported, 1000);
  // As often as among the accounts, but for chance.
  assert(imported > 240 && imported < 360, `${imported}`);
  // Another account: few names look otherwise then, and those that came from elsewhere still do.
  directory.replace(mixedTable(71, 30));
  const then = await look();
  const changed = first.filter((shape, index) => shape !== then[index]);
  assert(changed.length < 20, `${changed.length}`);
});

Deno.test("attack: VRFY and EXPN tell nothing of who lives here, and RCPT what mail needs", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  const answers = new Set<string>();
  for (const name of ["alice", "nobody", "alice@example.test", "nobody@example.test"]) {
    answers.add((await peer.say(`VRFY ${name}`, 252)).replaceAll(name, "NAME"));
  }
  assertEquals(answers.size, 1);
  await peer.say("EXPN team", 502);
  await peer.say("EXPN nobody", 502);
  await peer.say("MAIL FROM:<a@client.example>", 250);
  // A mailbox that is not here is refused while its sender listens: to bounce later would hurt others.
  await peer.say("RCPT TO:<nobody@example.test>", 550, "5.1.1");
  await peer.say("RCPT TO:<alice@example.test>", 250);
});
