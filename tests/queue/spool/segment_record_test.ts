import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { concat, decode, encode } from "../../../src/bytes.ts";
import { parseEntry } from "../../../src/queue/spool/entry_text.ts";
import { FileWindow } from "../../../src/queue/spool/file_window.ts";
import { readSegment, type SegmentFinding } from "../../../src/queue/spool/segment_reader.ts";
import {
  draftRecord,
  isIntact,
  LONGEST_RECORD,
  parseMarker,
  partLength,
  readBodies,
  SMALL_IN_MEMORY,
  SMALL_MESSAGE,
  writeRecord,
} from "../../../src/queue/spool/segment_record.ts";
import type { NewMessage } from "../../../src/queue/store.ts";
import type { FileHandle } from "../../../src/runtime/files.ts";
import { entries } from "./arbitrary_entries.ts";
import { entry } from "./entries.ts";

const NONCE = "0123456789abcdef0123456789abcdef";

function messageOf(id: string, head: Uint8Array, body: Uint8Array): NewMessage {
  return {
    entry: entry(id),
    source: {
      head,
      bodySize: body.length,
      async *openBody() {
        yield body;
      },
    },
  };
}

/** The octets of a record at a place. */
async function recordAt(place: number, ...messages: NewMessage[]): Promise<Uint8Array> {
  const draft = draftRecord(messages)!;
  await readBodies(draft);
  const octets = new Uint8Array(draft.room + 1);
  return octets.slice(1, 1 + writeRecord(draft, NONCE, place, octets, 1) + draft.payload);
}

/** A file that gives few octets at a time. */
function fileOf(content: Uint8Array, step = 1000): FileHandle {
  let at = 0;
  return {
    read: (into) => {
      const part = content.subarray(at, at + Math.min(step, into.length));
      into.set(part);
      at += part.length;
      return Promise.resolve(part.length === 0 ? null : part.length);
    },
    seek: (offset) => {
      at = offset;
      return Promise.resolve();
    },
    identify: () => Promise.reject(new Error("nameless")),
    write: () => Promise.reject(new Error("read only")),
    sync: () => Promise.resolve(),
    close: () => {},
  };
}

/** What a segment without a header holds: ids, and ranges that are damaged. */
async function read(content: Uint8Array): Promise<(string | readonly [number, number])[]> {
  const found: (string | readonly [number, number])[] = [];
  const findings: AsyncIterable<SegmentFinding> = readSegment(
    new FileWindow(fileOf(content)),
    NONCE,
    0,
  );
  for await (const finding of findings) {
    if (finding.kind === "damaged") {
      found.push([finding.from, finding.to]);
      continue;
    }
    let at = 0;
    for (const part of finding.marker.parts) {
      const line = decode(finding.payload.subarray(at, at + part.entry));
      found.push(parseEntry(line).entry!.id);
      at += partLength(part);
    }
  }
  return found;
}

const bytes = fc.uint8Array({ maxLength: 300 });

Deno.test("writeRecord() and parseMarker() give back entries, heads and bodies", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.tuple(entries, bytes, bytes), { minLength: 1, maxLength: 4 }),
    fc.nat(),
    async (given, place) => {
      const messages = given.map(([entry, head, body]) => ({
        ...messageOf("", head, body),
        entry,
      }));
      const whole = await recordAt(place, ...messages);
      const marker = parseMarker(whole, NONCE, place)!;
      const payload = whole.subarray(marker.length);
      assert(isIntact(marker, place, payload));
      let at = 0;
      for (const [index, { entry, head, body }] of marker.parts.entries()) {
        const [value, givenHead, givenBody] = given[index]!;
        const line = decode(payload.subarray(at, at + entry));
        assertEquals(parseEntry(line).entry, structuredClone(value));
        assertEquals(payload.subarray(at + entry + 1, at + entry + 1 + head), givenHead);
        const start = at + entry + 1 + head + 2;
        assertEquals(payload.subarray(start, start + body), givenBody);
        at += partLength(marker.parts[index]!);
      }
      assertEquals(at, payload.length);
    },
  ));
});

Deno.test("a record is text that a person can read", async () => {
  const text = decode(
    await recordAt(77, messageOf("m1", encode("Subject: hi\r\n"), encode("Hello.\r\n"))),
  );
  const [marker, line, ...rest] = text.split("\n");
  assert(/^record [0-9a-f]{32} 77 crc32=[0-9a-f]{8} \d+\+13\+8$/.test(marker!), marker);
  assertEquals(JSON.parse(line!).id, "m1");
  assertEquals(rest.join("\n"), "Subject: hi\r\n\r\nHello.\r\n\n");
});

Deno.test("one flipped bit anywhere makes a record none", async () => {
  const first = await recordAt(0, messageOf("m1", encode("A: b\r\n"), encode("x")));
  const second = await recordAt(first.length, messageOf("m2", encode("C: d\r\n"), encode("y")));
  const whole = concat([first, second]);
  for (let bit = 0; bit < first.length * 8; bit++) {
    const flipped = whole.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assertEquals(await read(flipped), [[0, first.length], "m2"], `bit ${bit}`);
  }
});

Deno.test("a segment cut at any octet holds the records before the cut, and no damage", async () => {
  const records: Uint8Array[] = [];
  let place = 0;
  for (const group of [["m1"], ["m2", "m3"], ["m4"]]) {
    const messages = group.map((id) => messageOf(id, encode("A: b\r\n"), encode(`I am ${id}`)));
    records.push(await recordAt(place, ...messages));
    place += records.at(-1)!.length;
  }
  const whole = concat(records);
  const ends = [records[0]!.length, records[0]!.length + records[1]!.length, whole.length];
  for (let cut = 0; cut <= whole.length; cut++) {
    const expected = [["m1"], ["m2", "m3"], ["m4"]].filter((_, i) => ends[i]! <= cut).flat();
    assertEquals(await read(whole.subarray(0, cut)), expected, `cut at ${cut}`);
    // Some file systems leave zeros where octets did not come.
    const zeroed = new Uint8Array(whole.length);
    zeroed.set(whole.subarray(0, cut));
    assertEquals(await read(zeroed), expected, `zeros from ${cut}`);
  }
});

Deno.test("a record inside a body is never one", async () => {
  const inner = messageOf("forged", encode("A: b\r\n"), encode("x"));
  // Somebody who knew the nonce, and guessed the place from which it was copied, but not where it comes to lie.
  const forged = concat([
    await recordAt(0, inner),
    await recordAt(500, inner),
    await recordAt(4096, inner),
  ]);
  const outer = await recordAt(0, messageOf("m1", encode("A: b\r\n"), forged));
  const after = await recordAt(outer.length, messageOf("m2", encode("A: b\r\n"), encode("y")));
  assertEquals(await read(concat([outer, after])), ["m1", "m2"]);
  const damaged = concat([outer, after]);
  damaged[20]! ^= 1;
  assertEquals(await read(damaged), [[0, outer.length], "m2"]);
});

Deno.test("readSegment() never takes octets for records that are none", async () => {
  const start = encode(`record ${NONCE} `);
  const junk = fc.array(fc.oneof(bytes, fc.constant(start), fc.constant(encode("0 crc32="))), {
    maxLength: 6,
  });
  await fc.assert(fc.asyncProperty(junk, async (parts) => {
    assertEquals(await read(concat(parts)), []);
  }));
});

Deno.test("readSegment() finds a record behind much that is none, wherever it begins", async () => {
  const start = encode(`record ${NONCE} `);
  const searched = 256 * 1024;
  for (let length = searched + 51; length < searched + 151; length += 10) {
    const junk = new Uint8Array(length).fill("r".charCodeAt(0));
    junk.set(start, 100);
    const whole = concat([junk, await recordAt(length, messageOf("m1", start, start))]);
    assertEquals(await read(whole), [[0, length], "m1"]);
  }
});

Deno.test("draftRecord() leaves what is large to others", () => {
  const fits = messageOf("m1", new Uint8Array(10), new Uint8Array(SMALL_MESSAGE - 10));
  assert(draftRecord([fits]) !== null);
  const large = messageOf("m1", new Uint8Array(11), new Uint8Array(SMALL_MESSAGE - 10));
  assertEquals(draftRecord([large]), null);
  assertEquals(draftRecord(new Array(LONGEST_RECORD / SMALL_MESSAGE).fill(fits)), null);
  const inMemory = ({ entry, source }: NewMessage) => ({
    entry,
    source: { ...source, bodyParts: () => [new Uint8Array(source.bodySize)] },
  });
  assert(draftRecord([inMemory(large)]) !== null);
  const most = messageOf("m1", new Uint8Array(10), new Uint8Array(SMALL_IN_MEMORY - 10));
  assert(draftRecord([inMemory(most)]) !== null);
  const more = messageOf("m1", new Uint8Array(11), new Uint8Array(SMALL_IN_MEMORY - 10));
  assertEquals(draftRecord([inMemory(more)]), null);
  const many = new Array(10_000).fill(messageOf("m1", new Uint8Array(0), new Uint8Array(0)));
  assertEquals(draftRecord(many), null);
});

Deno.test("readBodies() and writeRecord() refuse a body that is not as long as it says, or is gone", async () => {
  const { entry, source } = messageOf("m1", encode("A: b\r\n"), encode("abc"));
  const write = (source: NewMessage["source"]) =>
    writeRecord(draftRecord([{ entry, source }])!, NONCE, 0, new Uint8Array(10_000), 0);
  for (const bodySize of [2, 4]) {
    const wrong = { ...source, bodySize };
    await assertRejects(() => readBodies(draftRecord([{ entry, source: wrong }])!)!, RangeError);
    assertThrows(
      () => write({ ...wrong, bodyParts: () => [encode("a"), encode("bc")] }),
      RangeError,
    );
  }
  assertThrows(() => write({ ...source, bodyParts: () => null }), RangeError);
});

Deno.test("readBodies() has nothing to wait for when all bodies are in memory", () => {
  const { entry, source } = messageOf("m1", encode("A: b\r\n"), encode("abc"));
  const here = { ...source, bodyParts: () => [encode("abc")] };
  assertEquals(readBodies(draftRecord([{ entry, source: here }])!), undefined);
});
