/**
 * Fuzzing of what lies on the disk: queue entries, message files, journals, files in the drop folder, and a whole
 * spool that was damaged.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { concat, decode, encode, equal } from "../../../src/bytes.ts";
import { formatDropHeader, parseDropHeader } from "../../../src/intake/drop/drop_file.ts";
import { formatBulletin, parseBulletin } from "../../../src/intake/drop/drop_bulletin.ts";
import { formatEntry, parseEntry } from "../../../src/queue/spool/entry_text.ts";
import { formatMessageJson, parseMessageJson } from "../../../src/queue/spool/message_json.ts";
import { formatJournalLines, parseJournal } from "../../../src/queue/spool/segment_journal.ts";
import { parseMarker } from "../../../src/queue/spool/segment_record.ts";
import { SpoolVersionError } from "../../../src/queue/spool/spool_version.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import { entry, recipient } from "../../queue/spool/entries.ts";
import { DIRECTORY, message, open } from "../../queue/spool/journey.ts";
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
  words: [...JSON_WORDS, NONCE, "done 1 a\n", "yizhan-journal 1 "],
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
    }
    const bulletin = parseBulletin(input);
    if (bulletin !== null) assertEquals(parseBulletin(formatBulletin(bulletin)), bulletin);
  },
};

/** Octets of the largest body that lies in a segment, with a checksum. */
const IN_SEGMENT = 2 * 1024 * 1024;

/** What is in the spool that gets damaged: small mail in segments, a large one in files. */
const KEPT = [message("m1", 300), message("m2", 0), message("m3", 900), message("m4", 3_000_000)];

/** A spool with these messages, and the paths of its files. */
async function makeSpool(): Promise<{ runtime: MemoryRuntime; paths: string[] }> {
  const runtime = memoryRuntime({ seed: 1 });
  const store = await open(runtime);
  for (const kept of KEPT) await store.add(kept);
  const claim = await store.claimById("m1", runtime.clock.now());
  await store.update(claim!, { ...claim!.entry, recipients: [recipient({ attempts: 2 })] });
  await store.close();
  const paths: string[] = [];
  const walk = async (folder: string) => {
    for await (const { name, kind } of runtime.files.list(folder)) {
      if (kind === "directory") await walk(`${folder}/${name}`);
      else if (kind === "file") paths.push(`${folder}/${name}`);
    }
  };
  await walk(DIRECTORY);
  return { runtime, paths: paths.filter((path) => !path.endsWith("/version")).sort() };
}

/** One line of an input: which file, where, what: `2 17 x` and the octets to put there. */
const EDIT = /^(\d{1,2}) (\d{1,7}) ([wxti]) ?([^\n]*)$/;

/** Damages a file: writes over it, cuts out, truncates, or inserts. */
async function damage(
  runtime: MemoryRuntime,
  paths: readonly string[],
  line: string,
): Promise<void> {
  const [, file = "", place = "", how = "", text = ""] = EDIT.exec(line) ?? [];
  const path = paths[Number(file) % paths.length];
  if (how === "" || path === undefined) return;
  const before = await runtime.files.readFile(path);
  const at = Number(place) % (before.length + 1);
  const put = encode(text.replaceAll("\\n", "\n"));
  const parts = {
    w: [before.subarray(0, at), put, before.subarray(at + put.length)],
    x: [before.subarray(0, at), before.subarray(at + 1 + text.length)],
    t: [before.subarray(0, at)],
    i: [before.subarray(0, at), put, before.subarray(at)],
  }[how as "w" | "x" | "t" | "i"];
  const handle = await runtime.files.open(path, { write: true, truncate: true });
  await handle.write(concat(parts));
  handle.close();
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
    "a damaged spool opens, and gives no message but those that were put in, those of segments octet for octet",
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
    const { runtime, paths } = await makeSpool();
    const lines = decode(input).split("\n").slice(0, 12);
    for (const line of lines) await damage(runtime, paths, line);
    const events: { type: string }[] = [];
    let store;
    try {
      store = await open(runtime, events as never);
    } catch (error) {
      if (error instanceof SpoolVersionError) return;
      throw error;
    }
    let found = 0;
    for await (const listed of store.list()) {
      const kept = KEPT.find((each) => each.entry.id === listed.id);
      assert(kept !== undefined, `a message nobody sent: ${listed.id}`);
      assertEquals(listed.sender, kept.entry.sender);
      assertEquals(listed.recipients.map(({ address }) => address), [recipient().address]);
      found++;
      let got: Uint8Array;
      try {
        got = await contentOf(await store.open(listed.id));
      } catch {
        continue; // it says that it cannot be read; it was damaged
      }
      const put = await contentOf(await readSource(kept.source));
      // A body in a file of its own has no checksum: what the disk did to its octets is not seen.
      const { headSize } = kept.entry;
      const seen = listed.bodySize > IN_SEGMENT ? headSize : put.length;
      assertEquals(got.length, put.length, `${listed.id} has another length`);
      assert(equal(got.subarray(0, seen), put.subarray(0, seen)), `${listed.id} is another`);
    }
    assert(found <= KEPT.length, "a message twice");
    const edited = lines.some((line) => EDIT.test(line));
    if (!edited) assertEquals(found, KEPT.length, "nothing was damaged, and a message is gone");
    await store.close();
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [entries, drop, spool];
