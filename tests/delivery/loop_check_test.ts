import { assertEquals } from "@std/assert";
import { comesBack, isOwnConnection, ownName } from "../../src/delivery/loop_check.ts";
import type { SocketAddress } from "../../src/runtime/network.ts";
import { describeReply } from "../../src/smtp/reply.ts";

const SIGNS = { hostnames: ["Mail.Example.org"], sameAddress: true, domain: "example.net" };

function tcp(hostname: string, port = 25): SocketAddress {
  return { transport: "tcp", hostname, port };
}

Deno.test("ownName() knows our own name in a greeting and in the answer to EHLO", () => {
  const cases: readonly [string, string, string | null][] = [
    ["mail.example.org ESMTP", "mx.example.net", "mail.example.org"],
    ["mx.example.net ESMTP", "mail.example.org", "mail.example.org"],
    ["MAIL.example.ORG. at your service", "x.example", "mail.example.org"],
    ["mail.example.org", "", "mail.example.org"],
    ["mx.example.net is not mail.example.org", "mx.example.net", null],
    ["mail.example.org.evil.example ESMTP", "not-mail.example.org", null],
    ["", "", null],
  ];
  for (const [greeting, name, wanted] of cases) {
    const given = { greeting: { code: 220, lines: [greeting] }, name };
    assertEquals(ownName(SIGNS, given), wanted, greeting);
  }
  assertEquals(ownName(SIGNS, { greeting: { code: 220, lines: [] }, name: "" }), null);
});

Deno.test("ownName() takes no machine for itself because both are called localhost", () => {
  const greeting = { code: 220, lines: ["localhost ESMTP"] };
  const signs = { ...SIGNS, hostnames: ["localhost"] };
  assertEquals(ownName(signs, { greeting, name: "localhost" }), null);
});

Deno.test("isOwnConnection() is true when both ends have one address, however it is written", () => {
  const cases: readonly [SocketAddress, SocketAddress, boolean][] = [
    [tcp("192.0.2.1", 40_000), tcp("192.0.2.1"), true],
    [tcp("::ffff:192.0.2.1", 40_000), tcp("192.0.2.1"), true],
    [tcp("2001:db8::1", 40_000), tcp("2001:db8:0:0:0:0:0:1"), true],
    [tcp("192.0.2.1", 40_000), tcp("192.0.2.2"), false],
    [{ transport: "unix", path: "/s" }, { transport: "unix", path: "/s" }, false],
  ];
  for (const [local, remote, wanted] of cases) {
    assertEquals(isOwnConnection(SIGNS, local, remote), wanted);
    assertEquals(isOwnConnection({ ...SIGNS, sameAddress: false }, local, remote), false);
  }
});

Deno.test("comesBack() is for ever where DNS says so, and for now where a route does", () => {
  assertEquals(
    describeReply(comesBack(SIGNS, "mx [192.0.2.1]:25", "why")),
    "554 5.4.6 mail for example.net would come back: mx [192.0.2.1]:25 is this server (why)",
  );
  const { domain: _, ...chosen } = SIGNS;
  assertEquals(comesBack(chosen, "mx", "why").code, 451);
});
