/**
 * Fuzzing of what lies on the disk: queue entries, message files, journals, files in the drop folder, and a whole
 * spool that was damaged.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { formatAddress, parseAddress } from "../../../src/address.ts";
import { concat, decode, encode, equal } from "../../../src/bytes.ts";
import { formatDropHeader, parseDropHeader } from "../../../src/intake/drop/drop_file.ts";
import { formatBulletin, parseBulletin } from "../../../src/intake/drop/drop_bulletin.ts";
import { formatEntry, parseEntry } from "../../../src/queue/spool/entry_text.ts";
import { formatMessageJson, parseMessageJson } from "../../../src/queue/spool/message_json.ts";
import { formatJournalLines, parseJournal } from "../../../src/queue/spool/segment_journal.ts";
import { parseMarker, SMALL_MESSAGE } from "../../../src/queue/spool/segment_record.ts";
import { SpoolVersionError } from "../../../src/queue/spool/spool_version.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import { entry, recipient } from "../../queue/spool/entries.ts";
import { DIRECTORY, message, open } from "../../queue/spool/journey.ts";
import { latin1 } from "../../support/feed.ts";
import type { Chance } from "../engine/chance.ts";
import type { FuzzTarget } from "../engine/target.ts";

const NONCE = "0123456789abcdef0123456789abcdef";
const HEAD = encode("Subject: hi\r\n");

const ENTRY = formatEntry(entry("m1", {
  headSize: HEAD.length,
  dsnReturn: "HDRS",
  held: { since: 1, reason: "x" },
  recipients: [
    recipient({
      next: Infinity,
      attempts: 1,
      notify: ["DELAY"],
      originalRecipient: { type: "rfc822", address: "b@c" },
      history: [{ time: 1, host: "mx", reply: { code: 451, enhanced: "4.7.1", lines: ["later"] } }],
    }),
  ],
}));

const JSON_WORDS = [
  ...[
    "null",
    "true",
    "[]",
    "{}",
    '"',
    ":",
    ",",
    '"__proto__":{}',
    "1e999",
    "-1",
    '"never"',
    "\\u0000",
  ],
  ...['"version":1', '"version":2', '"recipients":[]', '"local":"a\\r\\nb"', "\\ud800", "[[[["],
];

const entries: FuzzTarget = {
  name: "entry",
  about:
    "entries, message files, journals and markers: an entry in all its depth or a reason, the same again",
  words: [...JSON_WORDS, NONCE, "\u2028", "\u0085", "done 1 a\n", "yizhan-journal 1 "],
  generate(chance) {
    const parsed = parseEntry(ENTRY).entry!;
    switch (chance.below(4)) {
      case 0:
        return formatMessageJson({ entry: parsed, head: HEAD });
      case 1:
        return concat([
          encode(`yizhan-journal 1 ${NONCE}\n`),
          formatJournalLines(NONCE, [
            { verb: "entry", place: 7, text: ENTRY },
            {
              verb: chance.pick(["done", "moved", "refused"]),
              place: chance.below(99),
              text: "m1",
            },
          ]),
        ]);
      default:
        return encode(ENTRY);
    }
  },
  run(input) {
    const read = parseEntry(decode(input));
    if (read.entry !== undefined) {
      const again = formatEntry(read.entry);
      assertEquals(parseEntry(again), { entry: read.entry });
      assert(!again.includes("\n"));
    } else assert(read.reason.length > 0 && read.reason.length < 1000, read.reason);
    const file = parseMessageJson(input);
    if (file.entry !== undefined) assertEquals(parseMessageJson(formatMessageJson(file)), file);
    for (const nonce of [NONCE, null]) {
      const { lines, damaged } = parseJournal(input, nonce);
      for (const { from, to } of damaged) assert(from >= 0 && from < to && to <= input.length);
      const written = formatJournalLines(NONCE, lines);
      assertEquals(parseJournal(written, NONCE).lines, lines);
    }
    parseMarker(input, NONCE, 0);
    const text = decode(input).replaceAll("\n", " ");
    const line = { verb: "entry" as const, place: input.length, text };
    assertEquals(parseJournal(formatJournalLines(NONCE, [line]), NONCE).lines, [line]);
  },
};

const drop: FuzzTarget = {
  name: "drop",
  about:
    "files in the drop folder, and its bulletin: an envelope or a reason, the same again, however long the start",
  words: [
    ...JSON_WORDS,
    "yizhan drop 1\n",
    '"sender":null',
    '"notify":["NEVER"]',
    '"address":"a@b.c"',
    ...['"\\"a\\"@b.c"', '"A@[IPv6:2001:DB8:0::1]"', '"\\"a\\\\b c\\"@b.c"'],
  ],
  generate(chance) {
    if (chance.oneIn(5)) {
      const senders = { alice: "any" as const, bob: ["b@c.example"] };
      return formatBulletin({
        ...{ hostname: "mx.example", sizeLimit: 1, ownUid: 0, senders, subaddressDelimiter: "+" },
      });
    }
    const header = formatDropHeader({
      sender: chance.oneIn(3) ? null : "a@b.example",
      recipients: [
        { address: "b@c.example", ...(chance.oneIn(2) && { notify: ["DELAY"] as const }) },
        { address: "d@e.example", originalRecipient: { type: "rfc822", address: "x" } },
      ],
      ...(chance.oneIn(2) && { dsnReturn: "FULL" as const, dsnEnvelopeId: "q" }),
    });
    return concat([header, encode("Subject: x\n\nText\n")]);
  },
  run(input) {
    const read = parseDropHeader(input);
    if (typeof read === "object" && read !== null && "envelope" in read) {
      const header = formatDropHeader(read.envelope);
      assertEquals(parseDropHeader(header), { envelope: read.envelope, messageAt: header.length });
      assertEquals(parseDropHeader(input.subarray(0, read.messageAt)), read);
      for (let at = 0; at < read.messageAt; at += 1 + (at >> 3)) {
        assertEquals(parseDropHeader(input.subarray(0, at)), null, `after ${at} octets`);
      }
      assert(!/[\r\n]/.test(read.envelope.sender ?? ""));
      const addresses = read.envelope.recipients.map((one) =>
        typeof one === "string" ? one : one.address
      );
      for (
        const text of [
          ...addresses,
          ...(read.envelope.sender === null ? [] : [read.envelope.sender]),
        ]
      ) {
        const address = parseAddress(text, { smtputf8: true });
        assertEquals(address && formatAddress(address), text, "not as we write it");
      }
    }
    const bulletin = parseBulletin(input);
    if (bulletin !== null) assertEquals(parseBulletin(formatBulletin(bulletin)), bulletin);
  },
};

/** What is in the spool that gets damaged: small mail in two segments, a large one in files. */
const KEPT = [
  ...[message("m1", 300), message("m2", 0), message("m3", 900), message("m5", 1000)],
  message("m4", SMALL_MESSAGE + 1),
];

/** A spool as it lies on a disk. */
interface Disk {
  readonly folders: readonly string[];
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** A spool with these messages. */
async function makeSpool(): Promise<Disk> {
  const runtime = memoryRuntime({ seed: 1 });
  const store = await open(runtime);
  for (const kept of KEPT) await store.add(kept);
  const claim = await store.claimById("m1", runtime.clock.now());
  await store.update(claim!, { ...claim!.entry, recipients: [recipient({ attempts: 2 })] });
  await store.close();
  const folders = [DIRECTORY];
  const files = new Map<string, Uint8Array>();
  for (const folder of folders) {
    for await (const { name, kind } of runtime.files.list(folder)) {
      const path = `${folder}/${name}`;
      if (kind === "directory") folders.push(path);
      else if (kind === "file") files.set(path, await runtime.files.readFile(path));
    }
  }
  return { folders, files: new Map([...files].sort(([a], [b]) => a < b ? -1 : 1)) };
}

let made: Promise<Disk> | undefined;

/** A machine with a disk like that. */
async function machineWith({ folders, files }: Disk): Promise<MemoryRuntime> {
  const runtime = memoryRuntime({ seed: 2 });
  for (const folder of folders) await runtime.files.makeDirectory(folder, 0o700);
  for (const [path, octets] of files) {
    const handle = await runtime.files.open(path, { write: true, create: true, mode: 0o600 });
    await handle.write(octets);
    handle.close();
  }
  return runtime;
}

/**
 * Whether a disk has unharmed all that a message needs: its own files; of a segment, its record
 * where it was, and who has the nonce: the first line, or the journal.
 */
function isUnharmed(id: string, before: Disk["files"], after: Disk["files"]): boolean {
  const same = (path: string) => equal(before.get(path)!, after.get(path)!);
  const own = [...before.keys()].filter((path) => path.includes(`/${id}.`));
  if (own.length > 0) return own.every(same);
  for (const [path, octets] of before) {
    const text = path.endsWith(".log") ? latin1(octets) : "";
    const at = text.indexOf(`"id":"${id}"`);
    if (at === -1) continue;
    const start = text.lastIndexOf("\nrecord ", at) + 1;
    const next = text.indexOf("\nrecord ", at);
    const end = next === -1 ? text.length : next + 1;
    const now = latin1(after.get(path)!);
    if (now.slice(start, end) !== text.slice(start, end)) return false;
    // The first line has the nonce, and so has that of the journal.
    const head = text.indexOf("\n") + 1;
    const journal = path.replace(/log$/, "done");
    return now.slice(0, head) === text.slice(0, head) || (before.has(journal) && same(journal));
  }
  throw new Error(`${id} is nowhere`);
}

/** One line of an input: which file, where, what: `2 17 x` and the octets to put there. */
const EDIT = /^(\d{1,2}) (\d{1,7}) ([wxti]) ?([^\n]*)$/;

/** Damages a file: writes over it, cuts out, truncates, or inserts. */
function damage(files: Map<string, Uint8Array>, line: string): void {
  const [, file = "", place = "", how = "", text = ""] = EDIT.exec(line) ?? [];
  const paths = [...files.keys()].filter((path) => !path.endsWith("/version"));
  const path = paths[Number(file) % paths.length];
  if (how === "" || path === undefined) return;
  const before = files.get(path)!;
  const at = Number(place) % (before.length + 1);
  const put = encode(text.replaceAll("\\n", "\n"));
  const parts = {
    w: [before.subarray(0, at), put, before.subarray(at + put.length)],
    x: [before.subarray(0, at), before.subarray(at + 1 + text.length)],
    t: [before.subarray(0, at)],
    i: [before.subarray(0, at), put, before.subarray(at)],
  }[how as "w" | "x" | "t" | "i"];
  files.set(path, concat(parts));
}

async function contentOf(source: Awaited<ReturnType<typeof readSource>>): Promise<Uint8Array> {
  const parts = [source.head.slice()];
  for await (const part of source.openBody()) parts.push(part.slice());
  return concat(parts);
}

const readSource = async (of: (typeof KEPT)[number]["source"]) => await of;

const spool: FuzzTarget = {
  name: "spool",
  about:
    "a damaged spool opens, and gives all that is unharmed and no message that was not put in, those of segments octet for octet",
  longest: 400,
  words: ["\n0 0 w x", "\n0 100 t", "\n1 0 x", "\n2 5 i done", "yizhan", NONCE, '"id":"m2"', "\\n"],
  generate: (chance: Chance) =>
    encode(chance.many(1, 4, () => {
      const text = chance.pick(["x", "\\n", "}", "done", "00000000", '"m2"', "\0", ""]);
      return `${chance.below(8)} ${chance.below(chance.pick([50, 600, 6000]))} ${
        chance.pick(["w", "x", "t", "i"])
      } ${text}`;
    }, "\n")),
  async run(input) {
    const disk = await (made ??= makeSpool());
    const files = new Map(disk.files);
    for (const line of decode(input).split("\n").slice(0, 12)) damage(files, line);
    const runtime = await machineWith({ folders: disk.folders, files });
    const unharmed = KEPT.map(({ entry: { id } }) => id)
      .filter((id) => isUnharmed(id, disk.files, files));
    const store = await open(runtime).catch((error) => {
      if (!(error instanceof SpoolVersionError)) throw error;
      return null;
    });
    if (store === null) { // damage made a later version of it: it is left alone
      for (const [path, octets] of files) assertEquals(await runtime.files.readFile(path), octets);
      assert(
        [...files.values()].some((octets) =>
          !/^(?:yizhan[ -]\w+ 1[ \n]|\{|m4 )/.test(latin1(octets))
        ),
      );
      return;
    }
    const read: string[] = [];
    const listed: string[] = [];
    for await (const { id, sender, recipients, bodySize } of store.list()) {
      const kept = KEPT.find((each) => each.entry.id === id);
      assert(kept !== undefined, `a message nobody sent: ${id}`);
      assertEquals(sender, kept.entry.sender);
      assertEquals(recipients.map(({ address }) => address), [recipient().address]);
      listed.push(id);
      let got: Uint8Array;
      try {
        got = await contentOf(await store.open(id));
      } catch {
        continue; // it says that it cannot be read
      }
      read.push(id);
      const put = await contentOf(await readSource(kept.source));
      // A body in a file of its own has no checksum: what the disk did to its octets is not seen.
      const seen = bodySize > SMALL_MESSAGE ? kept.entry.headSize : put.length;
      assertEquals(got.length, put.length, `${id} has another length`);
      assert(equal(got.subarray(0, seen), put.subarray(0, seen)), `${id} is another`);
    }
    assertEquals(new Set(listed).size, listed.length, "a message twice");
    assertEquals(unharmed.filter((id) => !read.includes(id)), [], "gone though unharmed");
    await store.close();
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [entries, drop, spool];
