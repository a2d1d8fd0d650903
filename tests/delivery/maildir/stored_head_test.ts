import { assertEquals } from "@std/assert";
import { decode, encode } from "../../../src/bytes.ts";
import { storedHead } from "../../../src/delivery/maildir/stored_head.ts";

const alice = { local: "alice", domain: "example.org" };

function stored(head: string, sender: { local: string; domain: string } | null = null): string {
  return decode(storedHead(encode(head), sender, alice));
}

Deno.test("storedHead() puts Return-Path and Delivered-To on top and ends the head", () => {
  assertEquals(
    stored("Received: x\r\nSubject: y\r\n", { local: "bob", domain: "example.net" }),
    "Return-Path: <bob@example.net>\r\nDelivered-To: alice@example.org\r\nReceived: x\r\nSubject: y\r\n\r\n",
  );
});

Deno.test("storedHead() writes the null sender and quotes a local part that needs it", () => {
  assertEquals(stored(""), "Return-Path: <>\r\nDelivered-To: alice@example.org\r\n\r\n");
  assertEquals(
    stored("", { local: 'a "b', domain: "example.net" }),
    'Return-Path: <"a \\"b"@example.net>\r\nDelivered-To: alice@example.org\r\n\r\n',
  );
});

Deno.test("storedHead() leaves one Return-Path, ours, and every other field as it came", () => {
  const top = "Return-Path: <>\r\nDelivered-To: alice@example.org\r\n";
  const cases: [head: string, left: string][] = [
    ["Return-Path: <evil@x>\r\n", ""],
    ["A: 1\r\nRETURN-path :<evil@x>\r\nB: 2\r\n", "A: 1\r\nB: 2\r\n"],
    ["Return-Path:\r\n <evil@x>\r\n\tmore\r\nB: 2\r\nreturn-path: z\r\n", "B: 2\r\n"],
    ["X-Return-Path: 1\r\nReturn-Paths: 2\r\n", "X-Return-Path: 1\r\nReturn-Paths: 2\r\n"],
    ["A: 1\r\n Return-Path: folded\r\n", "A: 1\r\n Return-Path: folded\r\n"],
    ["Delivered-To: other@example.org\r\n", "Delivered-To: other@example.org\r\n"],
    ["no colon\r\n", "no colon\r\n"],
    ["Return-Path", "Return-Path"],
  ];
  for (const [head, left] of cases) assertEquals(stored(head), `${top}${left}\r\n`);
});
