import { assertEquals } from "@std/assert";
import { decodeEncodedWords } from "../../src/message/encoded_word.ts";

Deno.test("decodeEncodedWords() decodes the examples of RFC 2047 §8", () => {
  const cases: [string, string][] = [
    ["=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"],
    ["=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld Jørn Simonsen"],
    ["=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"],
    [
      "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
      "If you can read this you understand the example.",
    ],
    ["=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=", "םולש ןב ילטפנ"],
    ["(=?ISO-8859-1?Q?a?=)", "(a)"],
    ["(=?ISO-8859-1?Q?a?= b)", "(a b)"],
    ["(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"],
    ["(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"],
    ["(=?ISO-8859-1?Q?a_b?=)", "(a b)"],
    ["(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"],
    ["=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"], // RFC 2231 §5
  ];
  for (const [text, expected] of cases) assertEquals(decodeEncodedWords(text), expected);
});

Deno.test("decodeEncodedWords() joins characters cut in two by a word's end", () => {
  assertEquals(decodeEncodedWords("=?utf-8?Q?a=C3?= =?UTF-8?Q?=BCb?="), "aüb");
  assertEquals(decodeEncodedWords("=?utf-8?Q?=C3=BC?= =?iso-8859-1?Q?=FC?="), "üü");
  assertEquals(decodeEncodedWords("=?utf-8?Q?a?= and =?utf-8?Q?b?="), "a and b");
});

Deno.test("decodeEncodedWords() leaves what it cannot read and lets no control through", () => {
  const same = [
    "plain",
    "=?x-unknown?Q?a?=",
    "=?utf-8?X?a?=",
    "=?utf-8?Q?a b?=",
    "=?utf-8?Q?a",
    "",
  ];
  for (const text of same) assertEquals(decodeEncodedWords(text), text);
  assertEquals(decodeEncodedWords("=?x-a?Q?a?= =?x-a?Q?b?= c"), "=?x-a?Q?a?= =?x-a?Q?b?= c");
  assertEquals(decodeEncodedWords("=?utf-8?Q?a=0D=0Ab=1B[2J=C2=9B?="), "a  b [2J ");
  assertEquals(decodeEncodedWords("a\x1b"), "a ");
  assertEquals(decodeEncodedWords("=?utf-8?B?!?="), "");
  assertEquals(decodeEncodedWords("=?a?q?".repeat(200_000)).length, 4096);
});
