import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseDmarcRecord } from "../../../src/mailauth/dmarc/record.ts";

Deno.test("parseDmarcRecord() reads the records of RFC 9989 Appendix B.2", () => {
  const monitoring = parseDmarcRecord("v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com");
  assertEquals(monitoring, {
    p: "none",
    adkim: "r",
    aspf: "r",
    fo: ["0"],
    rua: ["mailto:dmarc-feedback@example.com"],
    ruf: [],
    psd: "u",
    t: false,
    usable: true,
    faults: [],
  });
  const testing = parseDmarcRecord(
    "v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com," +
      "mailto:tld-test@thirdparty.example.net; t=y",
  );
  assertEquals([testing?.p, testing?.t], ["quarantine", true]);
  assertEquals(testing?.rua, [
    "mailto:dmarc-feedback@example.com",
    "mailto:tld-test@thirdparty.example.net",
  ]);
});

Deno.test("parseDmarcRecord() reads those of RFC 7489: pct=0 is a test, the rest of its tags nothing", () => {
  // RFC 7489 Appendix B.2.4, and its pct=25.
  const record = parseDmarcRecord(
    "v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com," +
      "mailto:tld-test@thirdparty.example.net!10m; pct=25; rf=afrf; ri=86400",
  );
  assertEquals([record?.p, record?.t, record?.faults], ["quarantine", false, []]);
  assertEquals(record?.rua[1], "mailto:tld-test@thirdparty.example.net");
  assertEquals(parseDmarcRecord("v=DMARC1; p=reject; pct=0")?.t, true);
  assertEquals(parseDmarcRecord("v=DMARC1; p=reject; pct=0; t=n")?.t, false);
});

Deno.test("parseDmarcRecord() gives null for what is no policy record", () => {
  for (
    const text of [
      "",
      "v=spf1 -all",
      "p=reject; v=DMARC1",
      "v=DMARC2; p=reject",
      "v=dmarc1; p=reject",
      "v=DMARC1x; p=reject",
      "v=DMARC10; p=reject",
      `v=DMARC1; p=reject; ${"x".repeat(10_000)}`,
    ]
  ) assertEquals(parseDmarcRecord(text), null, text.slice(0, 40));
});

Deno.test("parseDmarcRecord() takes spaces, and names of tags and requests in any case", () => {
  const record = parseDmarcRecord("V = DMARC1 ;P = Reject ; sP=NONE;; AdKim=S ;");
  assertEquals([record?.p, record?.sp, record?.adkim, record?.usable], [
    "reject",
    "none",
    "s",
    true,
  ]);
  assertEquals(parseDmarcRecord("v=DMARC1")?.p, "none");
});

Deno.test("parseDmarcRecord() passes over what is malformed and names it", () => {
  const record = parseDmarcRecord(
    "v=DMARC1; p=reject; adkim=x; psd=maybe; fo=1:z; rua=nowhere; p=none; nonsense; x=1",
  );
  assertEquals([record?.p, record?.adkim, record?.psd, record?.fo], ["reject", "r", "u", ["1"]]);
  assertEquals(record?.faults.length, 7);
  assertEquals(record?.usable, true);
});

Deno.test("parseDmarcRecord() asks for nothing where a request is malformed, and is unusable without rua", () => {
  for (const text of ["p=rejectt", "p=reject; sp=maybe", "p=reject; np="]) {
    const record = parseDmarcRecord(`v=DMARC1; ${text}`);
    assertEquals([record?.p, record?.sp, record?.usable], ["none", undefined, false], text);
    const heard = parseDmarcRecord(`v=DMARC1; ${text}; rua=mailto:a@example.com`);
    assertEquals([heard?.p, heard?.usable], ["none", true], text);
  }
});

Deno.test("parseDmarcRecord() never throws, and bounds what it keeps", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    const record = parseDmarcRecord(`v=DMARC1;${text}`);
    assertEquals(record === null || ["none", "quarantine", "reject"].includes(record.p), true);
  }));
  const many = parseDmarcRecord(`v=DMARC1; rua=${"mailto:a@b,".repeat(700)}; ${";x".repeat(100)}`);
  assertEquals([many?.rua.length, many?.faults.length], [32, 8]);
});

Deno.test("parseDmarcRecord() reads a value of blanks in no time to speak of", () => {
  // Eight thousand of them once took more than a minute: whoever has a domain could stop the server with a mail.
  for (const blank of [" ", "\t", " \t"]) {
    const record = parseDmarcRecord(`v=DMARC1; p=${blank.repeat(4000)}\x80`);
    assertEquals([record?.p, record?.usable], ["none", true]);
    assertEquals(parseDmarcRecord(`v=DMARC1; p${blank.repeat(4000)}x`)?.faults, [
      "a part that is no tag",
    ]);
    assertEquals(parseDmarcRecord(`v=DMARC1; p=reject${blank.repeat(4000)}`)?.p, "reject");
  }
});
