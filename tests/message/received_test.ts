import { assert, assertEquals } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import { parseDate } from "../../src/message/date.ts";
import { fieldValue, parseFields } from "../../src/message/header.ts";
import {
  formatReceived,
  ReceivedStamp,
  type Trace,
  withProtocol,
} from "../../src/message/received.ts";

const TRACE: Trace = {
  hello: "foo.com",
  client: "192.0.2.1",
  by: "mx.example.net",
  protocol: "ESMTP",
  id: "a1b2",
  time: Date.UTC(2024, 2, 5, 10, 11, 12),
};
const DATE = "Tue, 05 Mar 2024 10:11:12 +0000";

function value(trace: Partial<Trace>): string {
  const field = formatReceived({ ...TRACE, ...trace });
  assertEquals(field.name, "Received");
  const fields = parseFields(field.raw);
  assertEquals(fields.length, 1);
  return fieldValue(fields[0]!);
}

// The stamps are built by hand from the grammar of RFC 5321 §4.4.
Deno.test("formatReceived() writes the stamp of RFC 5321 §4.4", () => {
  const end = `\tby mx.example.net with ESMTP id a1b2; ${DATE}`;
  const cases: [Partial<Trace>, string][] = [
    [{}, `from foo.com ([192.0.2.1])${end}`],
    [{ clientName: "Mail.foo.com" }, `from foo.com (Mail.foo.com [192.0.2.1])${end}`],
    [{ client: "2001:DB8:0::1" }, `from foo.com ([IPv6:2001:db8::1])${end}`],
    [{ client: "::ffff:192.0.2.1" }, `from foo.com ([192.0.2.1])${end}`],
    [{ hello: "[10.0.0.1]" }, `from [10.0.0.1] ([192.0.2.1])${end}`],
    [{ hello: "[ipv6:::1]" }, `from [IPv6:::1] ([192.0.2.1])${end}`],
    [{ hello: null }, `from [192.0.2.1] ([192.0.2.1])${end}`],
    [{ client: "unix" }, `from foo.com${end}`],
    [{ client: "unix", hello: null }, `from localhost${end}`],
  ];
  for (const [trace, expected] of cases) assertEquals(value(trace), expected);
});

Deno.test("formatReceived() names TLS and the one recipient", () => {
  const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
  const recipient = { local: "a b", domain: "example.net" };
  assertEquals(
    value({ tls, recipient, protocol: "ESMTPS" }),
    "from foo.com ([192.0.2.1])\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)" +
      `\tby mx.example.net with ESMTPS id a1b2\tfor <"a b"@example.net>; ${DATE}`,
  );
});

Deno.test("formatReceived() shows UTF-8 only in a message that may hold it", () => {
  const recipient = { local: "用户", domain: "例子.广告" };
  assert(value({ recipient, protocol: "UTF8SMTP" }).includes("\tfor <用户@例子.广告>;"));
  assert(!value({ recipient, protocol: "ESMTP" }).includes("for"));
});

Deno.test("formatReceived() shows a domain in A-labels where no UTF-8 is needed (RFC 5891)", () => {
  const recipient = { local: "info", domain: "bücher.example" };
  for (const protocol of ["UTF8SMTP", "ESMTP"]) {
    assert(value({ recipient, protocol }).includes("\tfor <info@xn--bcher-kva.example>;"));
  }
});

Deno.test("formatReceived() makes what strangers say harmless", () => {
  const evil = "x) by evil.example; (\r\nBcc: a@b\\\x00\u00fc";
  const stamp = value({
    hello: evil,
    clientName: evil,
    tls: { protocol: evil, cipher: evil },
    by: evil,
    id: evil,
    protocol: evil,
    recipient: { local: evil, domain: evil },
  });
  assert(
    stamp.startsWith(
      "from [192.0.2.1] ([192.0.2.1])\t(said to be x? by evil.example; ???Bcc: a@b???)",
    ),
  );
  assertEquals(parseDate(stamp.slice(stamp.lastIndexOf(";") + 1)), TRACE.time);
  const { raw } = formatReceived({ ...TRACE, hello: "h".repeat(100_000), id: "i".repeat(100_000) });
  for (const line of decode(raw).split("\r\n")) assert(encode(line).length <= 998);
});

Deno.test("ReceivedStamp writes what formatReceived() does, whatever of the session has changed", () => {
  const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
  const long = "x".repeat(60);
  const changes: Partial<Trace>[] = [
    {},
    { id: "a1b3", time: TRACE.time + 999 },
    { time: TRACE.time + 1000 },
    { recipient: { local: "bob", domain: "example.net" } },
    { recipient: { local: long, domain: "example.net" } },
    { recipient: { local: "a  b", domain: `${long}.example` } },
    { recipient: { local: "ü", domain: "example.net" } },
    { recipient: { local: "ü", domain: "example.net" }, protocol: "UTF8SMTP" },
    { protocol: "ESMTPA" },
    { tls, protocol: "ESMTPS" },
    { tls, protocol: "ESMTPS", id: `${long}.${long}` },
    { hello: null },
    { hello: "not a name" },
    { clientName: "mail.foo.com" },
    { by: `${long}.example` },
    { user: { uid: 1000, name: "bob" }, client: "unix" },
    { by: `${long}.example`, id: long, recipient: { local: long, domain: "example.net" } },
  ];
  const stamp = new ReceivedStamp();
  for (const change of [...changes, ...changes.toReversed(), ...changes]) {
    const trace = { ...TRACE, ...change };
    const field = stamp.stamp(trace);
    assertEquals(decode(field.raw), decode(formatReceived(trace).raw));
    for (const line of decode(field.raw).split("\r\n")) {
      assert(line.length <= 78 || !line.trim().includes(" "), line);
    }
  }
});

Deno.test("withProtocol() gives the names of RFC 3848 and RFC 6531 §4.3", () => {
  const none = { extended: true, lmtp: false, smtputf8: false, tls: false, auth: false };
  const cases: [Partial<typeof none>, string][] = [
    [{ extended: false }, "SMTP"],
    [{}, "ESMTP"],
    [{ auth: true }, "ESMTPA"],
    [{ tls: true }, "ESMTPS"],
    [{ tls: true, auth: true }, "ESMTPSA"],
    [{ lmtp: true }, "LMTP"],
    [{ lmtp: true, auth: true }, "LMTPA"],
    [{ lmtp: true, tls: true }, "LMTPS"],
    [{ lmtp: true, tls: true, auth: true }, "LMTPSA"],
    [{ smtputf8: true }, "UTF8SMTP"],
    [{ smtputf8: true, auth: true }, "UTF8SMTPA"],
    [{ smtputf8: true, tls: true }, "UTF8SMTPS"],
    [{ smtputf8: true, tls: true, auth: true }, "UTF8SMTPSA"],
    [{ smtputf8: true, lmtp: true }, "UTF8LMTP"],
    [{ smtputf8: true, lmtp: true, tls: true, auth: true }, "UTF8LMTPSA"],
  ];
  for (const [arrival, expected] of cases) {
    assertEquals(withProtocol({ ...none, ...arrival }), expected);
  }
});
