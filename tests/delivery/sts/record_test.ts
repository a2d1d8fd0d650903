import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseStsRecord } from "../../../src/delivery/sts/record.ts";

Deno.test("parseStsRecord() reads the record of RFC 8461 §3.1, with blanks and extensions", () => {
  const expected = { id: "20160831085700Z" };
  for (
    const text of [
      "v=STSv1; id=20160831085700Z;",
      "v=STSv1;id=20160831085700Z",
      "v=STSv1 ;\tid=20160831085700Z ; ",
      "v=STSv1; id=20160831085700Z; more_than-this.1=a:b,c; x=~",
      "v=STSv1; x=1; id=20160831085700Z;",
    ]
  ) assertEquals(parseStsRecord([text]), expected, text);
});

Deno.test("parseStsRecord() passes over what is no record of MTA-STS, and takes several for none", () => {
  assertEquals(parseStsRecord([]), null);
  assertEquals(
    parseStsRecord(["v=spf1 -all", "STSv1; id=1", "V=STSv1; id=1", "v=STSv12; id=1"]),
    null,
  );
  assertEquals(parseStsRecord(["v=STSv1"]), null);
  assertEquals(parseStsRecord(["v=STSv1; id=1", "x"]), { id: "1" });
  assert("fault" in parseStsRecord(["v=STSv1; id=1", "v=STSv1; id=1"])!);
});

Deno.test("parseStsRecord() finds fault with every malformation", () => {
  for (
    const rest of [
      "",
      "id=",
      "id=a-b",
      `id=${"a".repeat(33)}`,
      "ID=1",
      "id=1; id=2",
      "id=1; =x",
      "id=1; x=",
      "id=1; x=a=b",
      "id=1; x=a b",
      "id=1;; x=1",
      "id=1; nonsense",
      `id=1; ${"x".repeat(33)}=1`,
    ]
  ) {
    const record = parseStsRecord([`v=STSv1; ${rest}`]);
    assert(record !== null && "fault" in record, rest);
  }
});

Deno.test("parseStsRecord() never throws, whatever DNS says", () => {
  fc.assert(fc.property(fc.array(fc.string()), (texts) => {
    parseStsRecord(texts.map((text) => `v=STSv1;${text}`));
    for (const text of texts) parseStsRecord([`v=STSv1;${text}`]);
  }));
});
