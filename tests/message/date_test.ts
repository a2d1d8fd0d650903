import { assertEquals, assertThrows } from "@std/assert";
import { formatDate, parseDate } from "../../src/message/date.ts";

Deno.test("formatDate() writes RFC 5322 §3.3 in UTC", () => {
  assertEquals(formatDate(0), "Thu, 01 Jan 1970 00:00:00 +0000");
  assertEquals(
    formatDate(Date.UTC(2024, 1, 29, 23, 59, 59, 999)),
    "Thu, 29 Feb 2024 23:59:59 +0000",
  );
  assertEquals(formatDate(Date.UTC(1900, 0, 1)), "Mon, 01 Jan 1900 00:00:00 +0000");
});

Deno.test("formatDate() refuses what the format cannot say", () => {
  for (const time of [NaN, Infinity, Date.UTC(1899, 11, 31), Date.UTC(10000, 0, 1), 1e20]) {
    assertThrows(() => formatDate(time), RangeError);
  }
});

Deno.test("parseDate() reads the dates of RFC 5322 appendix A", () => {
  const cases: [string, string][] = [
    ["Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T15:55:06Z"], // A.1.1
    ["Tue, 1 Jul 2003 10:52:37 +0200", "2003-07-01T08:52:37Z"], // A.1.2
    ["Thu, 13 Feb 1969 23:32:54 -0330", "1969-02-14T03:02:54Z"], // A.1.3
    [
      "Thu,      13        Feb    1969    23:32               -0330 (Newfoundland Time)",
      "1969-02-14T03:02:00Z",
    ], // A.5, unfolded
    ["21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06Z"], // A.6.2
    ["Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "1997-11-21T15:55:06Z"], // A.6.3
  ];
  for (const [text, expected] of cases) assertEquals(parseDate(text), Date.parse(expected), text);
});

Deno.test("parseDate() reads the obsolete forms of RFC 5322 §4.3", () => {
  const noon = "1 Jan 2000 12:00:00";
  const cases: [string, string][] = [
    [`${noon} UT`, "2000-01-01T12:00:00Z"],
    [`${noon} EST`, "2000-01-01T17:00:00Z"],
    [`${noon} edt`, "2000-01-01T16:00:00Z"],
    [`${noon} CST`, "2000-01-01T18:00:00Z"],
    [`${noon} CDT`, "2000-01-01T17:00:00Z"],
    [`${noon} MST`, "2000-01-01T19:00:00Z"],
    [`${noon} MDT`, "2000-01-01T18:00:00Z"],
    [`${noon} PST`, "2000-01-01T20:00:00Z"],
    [`${noon} PDT`, "2000-01-01T19:00:00Z"],
    [`${noon} Z`, "2000-01-01T12:00:00Z"],
    [`${noon} A`, "2000-01-01T12:00:00Z"],
    [`${noon} +1030`, "2000-01-01T01:30:00Z"],
    [`${noon} -1100`, "2000-01-01T23:00:00Z"],
    [`${noon} -0000`, "2000-01-01T12:00:00Z"],
    ["1 Jan 49 00:00 +0000", "2049-01-01T00:00:00Z"],
    ["1 Jan 50 00:00 +0000", "1950-01-01T00:00:00Z"],
    ["1 Jan 100 00:00 +0000", "2000-01-01T00:00:00Z"],
    ["31 Dec 2016 23:59:60 +0000", "2017-01-01T00:00:00Z"], // a leap second
  ];
  for (const [text, expected] of cases) assertEquals(parseDate(text), Date.parse(expected), text);
});

Deno.test("parseDate() refuses what is no date", () => {
  const cases = [
    "",
    "now",
    "2024-03-05T10:11:12Z",
    "30 Feb 2024 10:11:12 +0000",
    "29 Feb 2023 10:11:12 +0000",
    "0 Jan 2024 10:11:12 +0000",
    "32 Jan 2024 10:11:12 +0000",
    "1 Foo 2024 10:11:12 +0000",
    "1 Jan 0024 10:11:12 +0000",
    "1 Jan 20240 10:11:12 +0000",
    "1 Jan 2024 24:00:00 +0000",
    "1 Jan 2024 10:60:00 +0000",
    "1 Jan 2024 10:00:61 +0000",
    "1 Jan 2024 10:00:00",
    "1 Jan 2024 10:00:00 +0060",
    "1 Jan 2024 10:00:00 +00000",
    "1 Jan 2024 10:00:00 +0000 x",
    '1 "Jan" 2024 10:00:00 +0000',
    "1 Jan 2024 10:00:00 +0000 (",
    " ".repeat(2000),
  ];
  for (const text of cases) assertEquals(parseDate(text), null, text);
});

Deno.test("formatDate() tells seconds apart, and none from the one before", () => {
  const start = Date.UTC(2024, 1, 28, 23, 59, 58);
  for (let time = start; time < start + 4000; time += 250) {
    const expected = new Date(time).toUTCString().replace("GMT", "+0000"); // ECMA-262 §21.4.4.43
    assertEquals(formatDate(time), expected);
  }
  assertEquals(formatDate(-1), "Wed, 31 Dec 1969 23:59:59 +0000");
  assertEquals(formatDate(0), "Thu, 01 Jan 1970 00:00:00 +0000");
});
