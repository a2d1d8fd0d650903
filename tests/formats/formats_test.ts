/**
 * What an earlier version left on the disk, or says, is read by this one: every message, recipient, user, key and
 * answer of the samples of all versions. And what this version writes is its own sample, octet for octet, so that
 * no format changes unseen.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { askControl } from "../../src/admin/control_client.ts";
import { ControlError } from "../../src/admin/control_protocol.ts";
import { formatAddress, mailboxKey, parseAddress } from "../../src/address.ts";
import { concat, decode } from "../../src/bytes.ts";
import { readConfig } from "../../src/config/load.ts";
import { maildirDelivery } from "../../src/delivery/maildir/maildir.ts";
import { checkPassword } from "../../src/directory/password.ts";
import { formatSendAs } from "../../src/directory/users_edit.ts";
import { parseUsersFile } from "../../src/directory/users_file.ts";
import type { MtaEvent } from "../../src/events.ts";
import { parseBulletin } from "../../src/intake/drop/drop_bulletin.ts";
import { parseDropHeader } from "../../src/intake/drop/drop_file.ts";
import { restoreSender } from "../../src/routing/srs.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { testMachine } from "../config/machine.ts";
import { COMMON, parseEvents, readEventSources } from "../support/event_docs.ts";
import { makeSamples } from "./make.ts";
import { collect, spread } from "./memory_tree.ts";
import { DELIVERED, DELIVERY, makeControl } from "./other_samples.ts";
import { asJson, type ExpectedMessage, NOW, openSample, sha256 } from "./spool_sample.ts";

const HERE = new URL(".", import.meta.url).pathname;
const DAY = 86_400_000;

/** The versions there are samples of, the last one first: this program's. */
const VERSIONS = [...Deno.readDirSync(HERE)]
  .filter(({ name, isDirectory }) => isDirectory && /^v\d+$/.test(name))
  .map(({ name }) => name)
  .sort((a, b) => Number(b.slice(1)) - Number(a.slice(1)));

/** All files of a version, by path; of those below a folder only, where one is named. */
function readSamples(version: string, below = ""): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  const walk = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(`${HERE}${version}/${folder}`)) {
      const path = `${folder}${name}`;
      if (isDirectory) walk(`${path}/`);
      else found.set(path.slice(below.length), Deno.readFileSync(`${HERE}${version}/${path}`));
    }
  };
  walk(below);
  return found;
}

/** What a version says must be found. */
function readExpected(version: string) {
  return JSON.parse(Deno.readTextFileSync(`${HERE}${version}/expected.json`));
}

/** Fails unless everything in `expected` is in `actual`; there may be more. */
function assertHolds(actual: unknown, expected: unknown, where = ""): void {
  if (typeof expected !== "object" || expected === null) {
    return assertEquals(actual, expected, where);
  }
  if (Array.isArray(expected)) {
    assert(Array.isArray(actual) && actual.length === expected.length, `${where}: another length`);
  }
  assert(typeof actual === "object" && actual !== null, `${where}: not there`);
  for (const [key, value] of Object.entries(expected)) {
    assertHolds((actual as Record<string, unknown>)[key], value, `${where}.${key}`);
  }
}

Deno.test("this version writes what the last samples say, octet for octet", async () => {
  const made = await makeSamples();
  const kept = readSamples(VERSIONS[0]!);
  assertEquals([...made.keys()].sort(), [...kept.keys()].sort());
  for (const [path, octets] of made) {
    assert(sha256(octets) === sha256(kept.get(path)!), `${path} has changed: see README.md`);
  }
});

for (const version of VERSIONS) {
  const expected = readExpected(version);

  Deno.test(`the spool of ${version}: every message with every recipient, and nothing else`, async () => {
    const events: MtaEvent[] = [];
    const { runtime, store } = await openSample(readSamples(version, "spool/"), events);
    const messages: readonly ExpectedMessage[] = expected.spool;
    const opened = { type: "queue.opened", messages: messages.length };
    assertHolds(events.map(({ type }) => type), ["queue.opened"]);
    assertHolds(events[0], opened);
    const found = new Map<string, unknown>();
    for await (const entry of store.list()) found.set(entry.id, asJson(entry));
    assertEquals([...found.keys()].sort(), messages.map(({ entry: { id } }) => id).sort());
    for (const { entry, head, body } of messages) {
      assertHolds(found.get(entry.id), entry, entry.id);
      const source = await store.open(entry.id);
      assertEquals(source.head.toBase64(), head);
      const parts: Uint8Array[] = [];
      for await (const chunk of source.openBody()) parts.push(chunk.slice());
      assertEquals(sha256(concat(parts)), body);
    }
    // What a crash left half done is gone.
    const left = [...(await collect(runtime.files, "/spool", "")).keys()];
    assertEquals(left.filter((path) => /^transit\/|arriving|removed/.test(path)), []);
    await store.close();
  });

  Deno.test(`the spool of ${version}: all of its mail can be settled`, async () => {
    const { runtime, store } = await openSample(readSamples(version, "spool/"));
    const ids = (expected.spool as ExpectedMessage[]).map(({ entry: { id } }) => id);
    for (const id of ids) {
      const claim = await store.claimById(id, runtime.clock.now());
      assert(claim !== null, id);
      await store.settle(claim, null);
    }
    await store.close();
    const left = [...(await collect(runtime.files, "/spool", "")).keys()];
    assertEquals(left.filter((path) => /\.(?:msg|json)$/.test(path)), []);
  });

  Deno.test(`the SRS key of ${version}: a bounce to mail of that time finds its way`, () => {
    const { secret, rewritten, sender, time } = expected.srs;
    const key = decode(readSamples(version, "spool/").get("srs.key")!).trim();
    assertEquals(key, secret);
    const restored = restoreSender(parseAddress(rewritten)!, [key], time + 20 * DAY);
    assertEquals(restored && formatAddress(restored), sender);
  });

  Deno.test(`the users file of ${version}: every user, right and alias, and a password`, async () => {
    const { table, problems } = parseUsersFile(decode(readSamples(version).get("users")!));
    assertEquals(problems, []);
    const users = [...table.users.values()].map(({ address, verifier, quota, sendAs }) => [
      formatAddress(address),
      { canLogIn: verifier !== null, ...(quota && { quota }), sendAs: sendAs.map(formatSendAs) },
    ]);
    const { users: wanted, aliases, catchAll, domains, password } = expected.users;
    assertEquals(Object.fromEntries(users), wanted);
    const named = (targets: ReadonlyMap<string, readonly { local: string; domain: string }[]>) =>
      Object.fromEntries([...targets].map(([key, to]) => [key, to.map(formatAddress)]));
    assertEquals(named(table.aliases), aliases);
    assertEquals(named(table.catchAll), catchAll);
    for (const domain of domains) {
      const key = mailboxKey({ local: "x", domain }).slice("x@".length);
      assert(table.domains.has(key), domain);
    }
    assert(table.secret !== undefined);
    const { verifier } = table.users.get(password.user)!;
    assert(await checkPassword(password.password, verifier!));
  });

  Deno.test(`the configuration of ${version}: every key`, async () => {
    const text = decode(readSamples(version).get("yizhan.yaml")!);
    const read = await readConfig("yizhan.yaml", testMachine({ files: { "yizhan.yaml": text } }));
    assertEquals(read.warnings, []);
    assertHolds(read.written, expected.config);
  });

  Deno.test(`the drop folder of ${version}: a mail and the bulletin`, () => {
    const files = readSamples(version, "drop/");
    const { envelope, message, bulletin } = expected.drop;
    const name = [...files.keys()].find((path) => path.startsWith("mail-"))!;
    const header = parseDropHeader(files.get(name)!);
    assert(header !== null && typeof header === "object" && "envelope" in header);
    assertHolds(header.envelope, envelope);
    assertEquals(decode(files.get(name)!.subarray(header.messageAt)), message);
    assertHolds(parseBulletin(files.get("station.json")!), bulletin);
  });

  Deno.test(`the Maildir of ${version}: its mail counts, and delivered again it is the same file`, async () => {
    const sample = readSamples(version, "mail/");
    const { files, clock } = memoryRuntime({ now: NOW + DAY });
    await spread(files, "/mail", sample);
    const maildir = maildirDelivery({ files, clock, root: "/mail", hostname: "mx.example.org" });
    assertEquals((await maildir.checkRoom(DELIVERY.mailbox, 10))?.code, 552);
    const mailbox = { ...DELIVERY.mailbox, quota: { bytes: 1000, messages: 2 } };
    await (await maildir.prepare(DELIVERED, { ...DELIVERY, mailbox })).publish();
    const mails = (paths: Iterable<string>) => [...paths].filter((path) => path.includes("/new/"));
    const after = await collect(files, "/mail", "");
    assertEquals(mails(after.keys()), mails(sample.keys()));
    for (const path of mails(sample.keys())) assertEquals(after.get(path), sample.get(path));
  });

  Deno.test(`the control protocol of ${version}: its clients are answered as they were`, async () => {
    const { runtime, store } = await openSample(readSamples(version, "spool/"));
    const requests = [...readSamples(version, "control/")]
      .filter(([path]) => path.endsWith(".request"))
      .map(([path, octets]) => [path.replace(/\.request$/, ""), octets] as const);
    const answers = await makeControl(runtime, store, new Map(requests));
    for (const [path, octets] of readSamples(version, "control/")) {
      if (!path.endsWith(".answer")) continue;
      const now = linesOf(answers.get(`control/${path}`)!);
      const then = linesOf(octets);
      assertEquals(now.length, then.length, path);
      then.forEach((line, at) => assertHolds(now[at], reworded(line), `${path} ${at}`));
    }
    await store.close();
  });

  Deno.test(`the control protocol of ${version}: its servers are understood`, async () => {
    for (const [path, octets] of readSamples(version, "control/")) {
      if (!path.endsWith(".answer")) continue;
      const { network } = memoryRuntime();
      const listener = await network.listen({ transport: "unix", path: "/control.sock" });
      const serving = listener.accept().then(async (connection) => {
        await connection!.read(new Uint8Array(65_536));
        await connection!.write(octets);
        connection!.close();
      });
      const lines: unknown[] = [];
      const asking = askControl(network, "/control.sock", { do: path });
      const recorded = linesOf(octets);
      const last = recorded.pop()!;
      try {
        for (let next; (next = await asking.next());) {
          if (next.done) {
            assertHolds(next.value, last);
            break;
          }
          lines.push(next.value);
        }
      } catch (error) {
        assert(error instanceof ControlError, path);
        assertEquals({ code: error.code, message: error.message }, last.error);
      }
      assertEquals(lines, recorded);
      await serving;
    }
  });

  Deno.test(`the log of ${version}: its events and fields are there as they were`, async () => {
    const events = (await readEventSources()).flatMap(parseEvents);
    for (const { time, type, ...fields } of linesOf(readSamples(version).get("log.jsonl")!)) {
      assert(typeof time === "string" && !Number.isNaN(Date.parse(time)));
      const known = events.find((event) => event.type === type)?.fields.map(({ name }) => name);
      assert(known !== undefined, `${type}`);
      for (const field of Object.keys(fields)) {
        assert(known.includes(field) || Object.hasOwn(COMMON, field), `${type} ${field}`);
      }
    }
  });
}

function linesOf(octets: Uint8Array): Record<string, unknown>[] {
  return decode(octets).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** A line without its words for people, which may change. */
function reworded(line: Record<string, unknown>): Record<string, unknown> {
  const { reason: _, error, ...rest } = line;
  return error === undefined
    ? rest
    : { ...rest, error: { code: (error as { code: string }).code } };
}
