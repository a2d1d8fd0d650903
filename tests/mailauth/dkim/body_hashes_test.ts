import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { BodyHashes } from "../../../src/mailauth/dkim/body_hashes.ts";
import { cut, octets } from "../../support/feed.ts";

function sha256(text: string): string {
  return createHash("sha256").update(octets(text)).digest("base64");
}

Deno.test("BodyHashes gives the hash that RFC 6376 appendix A and RFC 8463 appendix A have in bh=", () => {
  const hashes = new BodyHashes();
  const simple = hashes.want("simple", null);
  hashes.write(octets("Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n"));
  hashes.end();
  assertEquals(simple.digest.toBase64(), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");

  const other = new BodyHashes();
  const relaxed = other.want("relaxed", null);
  other.write(octets("Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"));
  other.end();
  assertEquals(relaxed.digest.toBase64(), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
});

Deno.test("BodyHashes cuts at each length that is wanted, and tells the length of all", () => {
  const body = "ab  c \r\nd\r\n\r\n\r\n";
  const canonical = { simple: "ab  c \r\nd\r\n", relaxed: "ab c\r\nd\r\n" };
  for (const canonicalization of ["simple", "relaxed"] as const) {
    const whole = canonical[canonicalization];
    for (let size = 1; size <= body.length; size++) {
      const hashes = new BodyHashes();
      const lengths = [7, 0, 3, null, 8, whole.length, whole.length - 1, whole.length + 5, 7];
      const wanted = lengths.map((length) => hashes.want(canonicalization, length));
      for (const piece of cut(octets(body), new Array(20).fill(size))) hashes.write(piece);
      hashes.end();
      for (const [index, length] of lengths.entries()) {
        const hash = wanted[index]!;
        assertEquals(hash.digest.toBase64(), sha256(whole.slice(0, length ?? undefined)));
        assertEquals(hash.octets, whole.length);
        assertEquals([hash.canonicalization, hash.length], [canonicalization, length]);
      }
    }
  }
});

Deno.test("BodyHashes gives the same to all who want the same", () => {
  const hashes = new BodyHashes();
  assert(hashes.want("simple", null) === hashes.want("simple", null));
  assert(hashes.want("relaxed", 5) === hashes.want("relaxed", 5));
  assert(hashes.want("relaxed", 5) !== hashes.want("relaxed", 6));
  assert(hashes.want("relaxed", null) !== hashes.want("simple", null));
  hashes.end();
  hashes.end();
});

Deno.test("BodyHashes of several messages at once do not disturb each other", () => {
  const body = fc.string({
    unit: fc.constantFrom("a", " ", "\t", "\r\n", "\r", "b".repeat(70)),
    maxLength: 300,
  });
  const alone = (text: string) => {
    const hashes = new BodyHashes();
    const wanted = [hashes.want("relaxed", null), hashes.want("simple", 9)];
    hashes.write(octets(text));
    hashes.end();
    return wanted.map((hash) => hash.digest.toBase64());
  };
  fc.assert(fc.property(fc.array(body, { minLength: 2, maxLength: 4 }), (bodies) => {
    const open = bodies.map((text) => {
      const hashes = new BodyHashes();
      const wanted = [hashes.want("relaxed", null), hashes.want("simple", 9)];
      return { hashes, wanted, pieces: cut(octets(text), new Array(100).fill(17)) };
    });
    for (let turn = 0; turn < 1300; turn++) {
      for (const { hashes, pieces } of open) if (turn < pieces.length) hashes.write(pieces[turn]!);
    }
    for (const [index, { hashes, wanted }] of open.entries()) {
      hashes.end();
      assertEquals(wanted.map((hash) => hash.digest.toBase64()), alone(bodies[index]!));
    }
  }));
});

Deno.test("BodyHashes throws for faults of the program", () => {
  const hashes = new BodyHashes();
  const hash = hashes.want("simple", null);
  assertThrows(() => hash.digest, Error, "the body has not ended");
  assertThrows(() => hash.octets, Error, "the body has not ended");
  hashes.write(octets("x"));
  assertThrows(() => hashes.want("simple", null), Error, "the body has begun");
  hashes.end();
  assertThrows(() => hashes.want("simple", null), Error, "the body has begun");
});
