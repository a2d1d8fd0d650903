/**
 * A spool as a crash leaves it, with every kind of file it can hold, made by the code of today in memory; and
 * what must be found in it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { encode } from "../../src/bytes.ts";
import type { MtaEvent } from "../../src/events.ts";
import type { QueuedRecipient, QueueEntry } from "../../src/queue/entry.ts";
import { openSpool } from "../../src/queue/spool/open_spool.ts";
import type { NewMessage, QueueStore } from "../../src/queue/store.ts";
import { keepSrsSecret } from "../../src/routing/srs_secret.ts";
import type { Files } from "../../src/runtime/files.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import { collect, spread } from "./memory_tree.ts";
import { reply } from "../../src/smtp/reply.ts";

/** When the samples are made: the first of July 2026. */
export const NOW: number = Date.UTC(2026, 6, 1, 12);

const MINUTE = 60_000;
const FOLDER = "/spool";
const ALICE = { local: "alice", domain: "example.org" };
const HEAD = encode("Received: from a by b\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n");

/** What must be found of one message: its entry as JSON (`never` for no time), and its octets. */
export interface ExpectedMessage {
  readonly entry: Readonly<Record<string, unknown>> & { readonly id: string };
  /** In base64. */
  readonly head: string;
  /** The SHA-256 of its body, in hexadecimal. */
  readonly body: string;
}

/** The files of a spool, and what is in them. */
export interface SpoolSample {
  /** By path below the folder. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly messages: readonly ExpectedMessage[];
  readonly srsSecret: string;
}

interface Mail extends NewMessage {
  readonly octets: { readonly head: Uint8Array; readonly body: Uint8Array };
}

function recipient(changes: Partial<QueuedRecipient> = {}): QueuedRecipient {
  return {
    address: { local: "bob", domain: "example.net" },
    status: "waiting",
    next: NOW,
    attempts: 0,
    history: [],
    ...changes,
  };
}

function mail(
  id: string,
  changes: Partial<QueueEntry> = {},
  body: Uint8Array = encode(`This is ${id}.\r\n.\r\nA dot, and octets: \u00fc\r\n`),
  head: Uint8Array = HEAD,
): Mail {
  return {
    entry: {
      id,
      received: NOW - MINUTE,
      sender: ALICE,
      recipients: [recipient()],
      body: "8BITMIME",
      smtputf8: false,
      requireTls: false,
      headSize: head.length,
      bodySize: body.length,
      origin: { kind: "session", session: "s1", client: "198.51.100.7", identity: "alice" },
      ...changes,
    },
    source: {
      head,
      bodySize: body.length,
      async *openBody() {
        yield await Promise.resolve(body);
      },
    },
    octets: { head, body },
  };
}

const GREYLISTED = {
  time: NOW - MINUTE / 2,
  host: "mx.example.net [192.0.2.7]:25",
  reply: reply(451, "4.7.1", "Greylisted, come back"),
  tls: "TLSv1.3",
};

/** In a segment: one recipient has it, one waits. The second state is in the journal. */
const FRESH = mail("fresh.1", {
  sender: { local: "grüße", domain: "bücher.example" },
  smtputf8: true,
  requireTls: true,
  dsnReturn: "HDRS",
  dsnEnvelopeId: "QQ+314159",
  recipients: [
    recipient({
      notify: ["SUCCESS", "FAILURE"],
      originalRecipient: { type: "rfc822", address: "Bob@example.net" },
    }),
    recipient({
      address: { local: "carol", domain: "example.org" },
      mailbox: { domain: "example.org", user: "carol", quota: { bytes: 1e9, messages: 5000 } },
    }),
    recipient({
      address: { local: "dave", domain: "example.com" },
      forwardedBy: { local: "team", domain: "example.org" },
      notify: ["NEVER"],
    }),
  ],
});
const FRESH_LATER: QueueEntry = {
  ...FRESH.entry,
  recipients: [
    {
      ...FRESH.entry.recipients[0]!,
      status: "relayed",
      attempts: 1,
      history: [{
        time: NOW,
        host: "mx.example.net [192.0.2.7]:25",
        reply: reply(250, "2.0.0", "OK"),
      }],
      noticed: ["relayed"],
      dsnHandedOn: true,
    },
    { ...FRESH.entry.recipients[1]!, status: "delivered", attempts: 1 },
    FRESH.entry.recipients[2]!,
  ],
};

/** In one record of a segment: a notice, and what came with it. */
const NOTICE = mail("notice.1", {
  sender: null,
  origin: { kind: "notice", session: "older.1" },
  recipients: [recipient({ address: ALICE, notify: ["NEVER"] })],
  body: "7BIT",
});
const BESIDE = mail("notice.2", { origin: { kind: "submit" }, body: "7BIT" });

/** In files: tried and to be tried again, one recipient failed. */
const DEFERRED = mail("deferred.1");
const DEFERRED_LATER: QueueEntry = {
  ...DEFERRED.entry,
  recipients: [
    recipient({
      next: NOW + 12 * MINUTE,
      attempts: 2,
      history: [{ ...GREYLISTED, time: NOW - 7 * MINUTE }, GREYLISTED],
      noticed: ["delayed"],
    }),
    recipient({
      address: { local: "nobody", domain: "example.net" },
      status: "failed",
      attempts: 1,
      history: [{
        time: NOW,
        reply: { code: 550, enhanced: "5.1.1", lines: ["No such user", "here"] },
      }],
      noticed: ["failed"],
    }),
  ],
};

/** Held, with a head that is not UTF-8. */
const HELD = mail(
  "held.1",
  { held: { since: NOW, reason: 'looks odd: "\u2028"' } },
  undefined,
  Uint8Array.of(...encode("Subject: "), 0xe9, 0xff, 0x0d, 0x0a),
);

/** Larger than a record may be. */
const LARGE = mail(
  "large.1",
  { recipients: [recipient({ next: Infinity })] },
  encode(
    `${"A line of sixty-four octets, like thousands of others in here. ".slice(0, 62)}\r\n`.repeat(
      4200,
    ),
  ),
);

/** Was being replaced: what it was before counts. */
const REPLACED = mail("replaced.1", { held: { since: NOW, reason: "before" } });

const DONE = mail("done.1");
const REMOVED = mail("removed.1", { held: { since: NOW, reason: "to be removed" } });
const ARRIVING = mail("arriving.1", { held: { since: NOW, reason: "never whole" } });

/** Makes it. */
export async function makeSpool(): Promise<SpoolSample> {
  const runtime = memoryRuntime({ seed: 2026, now: NOW });
  const store = await open(runtime);
  await store.add(DONE);
  await store.add(FRESH);
  await store.update(await take(store, FRESH), FRESH_LATER);
  await store.add(NOTICE, BESIDE);
  await store.settle(await take(store, DONE), null);
  await store.add(DEFERRED);
  await store.settle(await take(store, DEFERRED), DEFERRED_LATER);
  for (const one of [HELD, LARGE, REPLACED, REMOVED]) await store.add(one);
  await store.settle(await take(store, REMOVED), null); // leaves its `.gone` until more are removed
  const srsSecret = await keepSrsSecret(runtime.files, runtime.random, `${FOLDER}/srs.key`);
  await until(async () => (await find(runtime.files, "deferred.1.json")).startsWith("deferred/"));
  leaveHalfDone(store);
  await until(async () => await find(runtime.files, "replaced.1.next") !== "");
  await until(async () => await find(runtime.files, "arriving.1.msg") !== "");
  const files = await collect(runtime.files, FOLDER, "");
  const later = new Map([FRESH_LATER, DEFERRED_LATER].map((entry) => [entry.id, entry]));
  const messages = [FRESH, NOTICE, BESIDE, DEFERRED, HELD, LARGE, REPLACED]
    .map(({ entry, octets: { head, body } }) => ({
      entry: asJson(later.get(entry.id) ?? entry),
      head: head.toBase64(),
      body: sha256(body),
    }));
  return { files, messages, srsSecret };
}

/** Opens it, on a disk where one rename does not come to its end. */
function open({ files, network, clock, random }: MemoryRuntime): Promise<QueueStore> {
  const slow = new Proxy<Files>(files, {
    get(target, name: keyof Files) {
      const method = target[name] as (...args: unknown[]) => unknown;
      return (...args: unknown[]) =>
        name === "rename" && /replaced\.1\.next$/.test(`${args[0]}`)
          ? new Promise(() => {})
          : method.apply(target, args);
    },
  });
  const emit = () => {};
  return openSpool({ files: slow, network, clock, random, directory: FOLDER, emit });
}

/** A machine with the files of a sample on its disk, and the spool opened on it. */
export async function openSample(
  sample: ReadonlyMap<string, Uint8Array>,
  events: MtaEvent[] = [],
): Promise<{ runtime: MemoryRuntime; store: QueueStore }> {
  const runtime = memoryRuntime({ now: NOW });
  await spread(runtime.files, FOLDER, sample);
  const { files, network, clock, random } = runtime;
  const emit = (event: MtaEvent) => void events.push(event);
  const store = await openSpool({ files, network, clock, random, directory: FOLDER, emit });
  return { runtime, store };
}

async function take(store: QueueStore, { entry: { id } }: Mail) {
  return (await store.claimById(id, NOW))!;
}

/** What a crash interrupts. */
function leaveHalfDone(store: QueueStore): void {
  void take(store, REPLACED).then((claim) =>
    store.settle(claim, { ...REPLACED.entry, held: { since: NOW, reason: "after" } })
  );
  void store.add({
    entry: ARRIVING.entry,
    source: {
      ...ARRIVING.source,
      async *openBody() {
        yield ARRIVING.octets.body.subarray(0, 10);
        await new Promise(() => {});
      },
    },
  });
}

/** Waits for what goes on in memory. */
async function until(done: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (await done()) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  throw new Error("it does not come to that");
}

/** The path of a file of that name, `""` where there is none with something in it. */
async function find(files: Files, name: string): Promise<string> {
  for (const [path, octets] of await collect(files, FOLDER, "")) {
    if (path.endsWith(name) && octets.length > 0) return path;
  }
  return "";
}

/** In hexadecimal. */
export function sha256(octets: Uint8Array): string {
  return createHash("sha256").update(octets).digest("hex");
}

/** An entry as a sample tells it. */
export function asJson(entry: QueueEntry): ExpectedMessage["entry"] {
  return JSON.parse(JSON.stringify(entry, (_, value) => value === Infinity ? "never" : value));
}
