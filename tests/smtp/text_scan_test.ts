import { assert, assertEquals } from "@std/assert";
import { skipText, viewOf } from "../../src/smtp/text_scan.ts";

Deno.test("skipText() finds LF, VT, FF and CR and no other octet, at every place", () => {
  for (let octet = 0; octet < 256; octet++) {
    for (let length = 1; length < 20; length++) {
      for (let place = 0; place < length; place++) {
        const bytes = new Uint8Array(length).fill(0x80 + place);
        bytes[place] = octet;
        const found = skipText(bytes, viewOf(bytes), 0, length);
        const expected = octet >= 10 && octet <= 13 ? place : length;
        assertEquals(found, expected, `${octet} at ${place} of ${length}`);
      }
    }
  }
});

Deno.test("skipText() passes over no CR or LF among octets that a borrow would tip over", () => {
  for (const filler of [0, 9, 14]) {
    for (const before of [0, 9, 14]) {
      for (let place = 0; place < 16; place++) {
        const bytes = new Uint8Array(16).fill(filler);
        bytes.fill(before, 0, place);
        bytes[place] = place % 2 === 0 ? 10 : 13;
        const found = skipText(bytes, viewOf(bytes), 0, 16);
        assert(found <= place, `${found}, past ${place}`);
        if (before !== 14) assertEquals(found, place);
        assertEquals(skipText(bytes, viewOf(bytes), place, 16), place);
      }
    }
  }
});

Deno.test("skipText() looks at nothing outside its range or its view", () => {
  const whole = new Uint8Array(64).fill(10);
  for (let from = 0; from < 12; from++) {
    for (let to = from; to < 40; to++) {
      const bytes = whole.subarray(3, 60);
      bytes.fill(120, from, to);
      assertEquals(skipText(bytes, viewOf(bytes), from, to), to);
      bytes.fill(10);
    }
  }
});
