import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { packKindOf, unpackReports } from "../../../src/admin/dmarc/unpack.ts";
import { PackFault } from "../../../src/admin/dmarc/zip.ts";
import { decode, encode } from "../../../src/bytes.ts";
import { gzipped, RFC_7489, RFC_9990, zipped } from "./samples.ts";

function unpacked(octets: Uint8Array, limit?: number): string[] {
  return unpackReports(octets, limit).map((xml) => decode(xml));
}

function fault(octets: Uint8Array, limit?: number): string {
  return assertThrows(() => unpackReports(octets, limit), PackFault).message;
}

const FILE = { name: "a.example!b.example!1!2.xml", content: encode(RFC_9990) };

Deno.test("unpackReports() unpacks gzip, ZIP and plain XML, whatever it is called", () => {
  assertEquals(unpacked(encode(RFC_7489)), [RFC_7489]);
  assertEquals(unpacked(gzipped(RFC_9990)), [RFC_9990]);
  assertEquals(unpacked(zipped(FILE)), [RFC_9990]);
  assertEquals(unpacked(zipped({ ...FILE, stored: true })), [RFC_9990]);
  const note = { name: "readme.txt", content: encode("hello") };
  assertEquals(unpacked(zipped(note, FILE)), [RFC_9990]);
  assertEquals(unpacked(zipped({ ...FILE, name: "report" })), [RFC_9990]);
});

Deno.test("unpackReports() reads what Python's zipfile wrote, whose sizes stand behind the data", () => {
  // Over a stream that cannot seek: its flags have bit 3.
  const archive = Uint8Array.fromBase64(
    "UEsDBBQACAAIAAAAIVwAAAAAAAAAAAAAAAAFAAAAYS54bWyzSUtNTUlKTM7WtwMAUEsHCIS3CjsNAAAACwAAAFBLAQIUAxQA" +
      "CAAIAAAAIVyEtwo7DQAAAAsAAAAFAAAAAAAAAAAAAACAAQAAAABhLnhtbFBLBQYAAAAAAQABADMAAABAAAAAAAA=",
  );
  assertEquals(unpacked(archive), ["<feedback/>"]);
});

Deno.test("unpackReports() stops at a bomb, of whatever kind, without unpacking it", () => {
  const zeros = new Uint8Array(3_000_000);
  const larger = /larger than any report/;
  assertMatch(fault(gzipped(zeros), 1_000_000), larger);
  assertMatch(fault(gzipped(zeros), 2_999_999), larger);
  assertMatch(fault(zipped({ ...FILE, content: zeros }), 1_000_000), larger);
  assertMatch(fault(zipped({ ...FILE, content: zeros, stored: true }), 1_000_000), larger);
  // Each would fit, all of them do not.
  assertMatch(fault(zipped(...Array(50).fill({ ...FILE, content: zeros })), 10_000_000), larger);
  assertMatch(fault(encode(RFC_9990), 100), larger);
  assertMatch(fault(zipped(...Array(101).fill(FILE))), /101 files/);
});

Deno.test("unpackReports() says what is wrong with an archive", () => {
  assertMatch(fault(encode("hello")), /neither XML, gzip nor ZIP/);
  assertMatch(fault(new Uint8Array()), /neither/);
  assertMatch(fault(gzipped(RFC_9990).subarray(0, 100)), /cannot be unpacked/);
  assertMatch(fault(zipped(FILE).subarray(0, -30)), /it was cut/);
  assertMatch(fault(zipped()), /the archive is empty/);
  assertMatch(fault(zipped({ ...FILE, flags: 1 })), /password/);
  assertMatch(fault(zipped({ ...FILE, method: 99 })), /\(99\) not known/);
  assertMatch(fault(zipped({ ...FILE, crc: 1 })), /damaged/);
});

Deno.test("unpackReports() throws nothing but PackFault, whatever is broken", () => {
  const archives = [gzipped(RFC_9990), zipped(FILE), zipped({ ...FILE, stored: true })];
  fc.assert(fc.property(
    fc.constantFrom(...archives),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }),
    (archive, changes) => {
      const octets = archive.slice();
      for (const [at, octet] of changes) octets[at % octets.length] = octet;
      try {
        for (const xml of unpackReports(octets, 100_000)) assert(xml.length <= 100_000);
      } catch (error) {
        assert(error instanceof PackFault, String(error));
      }
    },
  ));
});

Deno.test("packKindOf() goes by the first octets", () => {
  assertEquals(packKindOf(encode("\r\n <?xml")), "xml");
  assertEquals(packKindOf(encode("<d:feedback>")), "xml");
  assertEquals(packKindOf(encode("\ufeff<feedback>")), "xml");
  for (const none of ["<html>", "From: a@b.example", "<feedbacks", ""]) {
    assertEquals(packKindOf(encode(none)), null, none);
  }
});
