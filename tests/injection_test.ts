/**
 * Injection: nothing that a stranger chose may begin a line, a field or a command of its own. One test for each
 * place where somebody's text is written into a mail or said to another station; the values are worse than any
 * parser here lets through, so that each writer is safe by itself.
 *
 * What goes to the machine and its operator is in `injection_machine_test.ts`, the same from end to end in
 * `injection_station_test.ts`.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Address, formatAddress } from "../src/address.ts";
import { decode, encode } from "../src/bytes.ts";
import { storedHead } from "../src/delivery/maildir/stored_head.ts";
import { formatDsn } from "../src/message/dsn.ts";
import type { DsnFacts } from "../src/message/dsn_facts.ts";
import { makeField, parseFields } from "../src/message/header.ts";
import { formatReceived, type Trace } from "../src/message/received.ts";
import { mailCommand, rcptCommand, refuseRecipient } from "../src/smtp/client_commands.ts";
import { refuseTransaction } from "../src/smtp/client_commands.ts";
import { parsePeerExtensions } from "../src/smtp/peer_extensions.ts";
import { formatReply, reply } from "../src/smtp/reply.ts";
import { decodeUnitext, decodeXtext, encodeXtext } from "../src/smtp/xtext.ts";
import { isOneLine, namesIn, PAYLOADS, poisoned } from "./support/injection.ts";

const ALICE: Address = { local: "alice", domain: "example.org" };

Deno.test("injection: formatAddress() writes one line, whatever is in an address", () => {
  for (const payload of PAYLOADS) {
    for (
      const address of [
        { local: `a${payload}`, domain: "b.example" },
        { local: "a", domain: `b.example${payload}` },
        { local: `"${payload}"`, domain: `[${payload}]` },
      ]
    ) {
      const text = formatAddress(address);
      assert(isOneLine(text), JSON.stringify(text));
      // Beside what is quoted no bracket or blank can end the path.
      assert(!/[<>\s]/.test(text.replace(/"(?:\\.|[^"\\])*"/g, "")), text);
    }
  }
});

Deno.test("injection: makeField() makes one field of any value", () => {
  for (const payload of PAYLOADS) {
    const { raw } = makeField("X-Value", `a${payload}`);
    assertEquals(namesIn(raw), ["X-Value"], JSON.stringify(payload));
    assertEquals(parseFields(raw).length, 1);
    assert(!/\r\n\r\n/.test(decode(raw)));
  }
});

Deno.test("injection: makeField() takes no name that is more than a name", () => {
  for (const payload of PAYLOADS) assertThrows(() => makeField(`X${payload}`, "a"), TypeError);
});

const TRACE: Trace = {
  hello: "client.example.org",
  client: "192.0.2.1",
  clientName: "client.example.org",
  user: { uid: 1000, name: "ann" },
  by: "mx.example.net",
  protocol: "ESMTPS",
  id: "a1b2",
  recipient: ALICE,
  tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", serverName: "mx.example.net" },
  time: 1_709_633_472_000,
};

Deno.test("injection: Received is one field, whatever HELO, reverse DNS, TLS, user or recipient say", () => {
  for (const payload of PAYLOADS) {
    for (const [path, trace] of poisoned(TRACE, payload)) {
      const { raw } = formatReceived(trace);
      assertEquals(namesIn(raw), ["Received"], `${path} ${JSON.stringify(payload)}`);
      assertEquals(parseFields(raw).length, 1, path);
    }
  }
});

Deno.test("injection: Return-Path and Delivered-To are one field each, whatever the addresses", () => {
  for (const payload of PAYLOADS) {
    const evil = { local: `a${payload}`, domain: "b.example" };
    const other = { local: "a", domain: `b.example${payload}` };
    for (const [sender, recipient] of [[evil, other], [other, evil], [null, evil]] as const) {
      const head = storedHead(encode("Subject: hi\r\n"), sender, recipient);
      assertEquals(namesIn(head), ["Return-Path", "Delivered-To", "Subject"]);
    }
  }
});

const FACTS: DsnFacts = {
  kind: "failed",
  id: "dsn-1",
  hostname: "mx.example.org",
  time: 1_709_633_472_000,
  to: ALICE,
  audience: "sender",
  postmaster: { local: "postmaster", domain: "example.org" },
  sender: ALICE,
  envelopeId: "QQ314159",
  arrived: 1_709_633_472_000,
  subject: "hello",
  messageId: "<1@example.org>",
  smtputf8: false,
  head: encode("Subject: hello\r\n"),
  body: null,
  recipients: [{
    address: { local: "bob", domain: "example.net" },
    originalRecipient: { type: "rfc822", address: "bob@example.net" },
    reply: reply(550, "5.1.1", "no such user"),
    host: "mx.example.net [192.0.2.7]:25",
    lastAttempt: 1_709_633_472_000,
  }],
};

Deno.test("injection: a notice has its fields and no others, whatever it is told of", () => {
  const fieldsOf = (facts: DsnFacts) => {
    const { head, body } = formatDsn(facts);
    const [, status = ""] = /delivery-status\r\n(?:Content-[^\r\n]+\r\n)*\r\n([^]*?)\r\n--=_/
      .exec(decode(body)) ?? [];
    return { head: namesIn(head), status: namesIn(encode(status)) };
  };
  const plain = fieldsOf(FACTS);
  assert(plain.status.length > 6);
  for (const payload of PAYLOADS) {
    for (const [path, facts] of poisoned(FACTS, payload)) {
      if (["kind", "audience"].includes(path)) continue; // ours, not text
      const { head, status } = fieldsOf(facts);
      const what = `${path} ${JSON.stringify(payload)}`;
      // A Message-ID or a type that is none is left out, and 8-bit may be declared; nothing is added.
      const known = new Set([...plain.head, "Content-Transfer-Encoding"]);
      assertEquals(head.filter((name) => !known.has(name)), [], what);
      assertEquals(new Set(head).size, head.length, what);
      assertEquals(status, plain.status, what);
      const lines = decode(formatDsn(facts).body).split(/[\r\n]+/);
      assertEquals(lines.filter((line) => /^(?:X-Evil|MAIL FROM|\.$)/.test(line)), [], what);
    }
  }
});

Deno.test("injection: MAIL and RCPT are one line each, or refused, whatever the envelope says", () => {
  const peer = parsePeerExtensions({
    code: 250,
    lines: ["mx", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "REQUIRETLS"],
  }, { secure: true });
  const transaction = {
    sender: ALICE,
    recipients: [],
    body: "8BITMIME",
    size: 1000,
    smtputf8: true,
    requireTls: false,
    dsnEnvelopeId: "QQ314159",
  } as const;
  const recipient = {
    address: { local: "bob", domain: "example.net" },
    originalRecipient: { type: "rfc822", address: "bob@example.net" },
  };
  let said = 0;
  for (const payload of [...PAYLOADS, " SIZE=1", "> SIZE=1", "> <", '" SIZE=1']) {
    for (const [path, changed] of poisoned(transaction, payload)) {
      if (path === "body" || refuseTransaction(changed, peer) !== null) continue;
      said++;
      const line = mailCommand(changed, peer);
      assert(isOneLine(line), `${path} ${JSON.stringify(line)}`);
      const parameters = line.replace(/^MAIL FROM:<(?:"(?:\\.|[^"\\])*"|[^">])*>/, "");
      assert(/^(?: [A-Z0-9]+(?:=[!-~]+)?)*$/.test(parameters), `${path} ${line}`);
      assertEquals(parameters.match(/ SIZE=/g)?.length, 1, line);
    }
    for (const [path, changed] of poisoned(recipient, payload)) {
      if (refuseRecipient(changed.address, true) !== null) continue;
      said++;
      const line = rcptCommand(changed, peer);
      assert(isOneLine(line), `${path} ${JSON.stringify(line)}`);
      assert(/^RCPT TO:<(?:"(?:\\.|[^"\\])*"|[^">])*>(?: ORCPT=[!-~]+)?$/.test(line), line);
    }
  }
  assert(said > 20);
});

Deno.test("injection: xtext that decodes to a line end is no ENVID, and encodes to none", () => {
  for (const payload of PAYLOADS) {
    const encoded = encodeXtext(`a${payload}`);
    assert(/^[!-~]+$/.test(encoded));
    assertEquals(decodeXtext(encoded), `a${payload}`.toWellFormed()); // who reads it must look again
  }
  assertEquals(decodeUnitext("a\\x{0}"), null);
});

Deno.test("injection: a reply is as many lines as it has, whatever is in them", () => {
  for (const payload of PAYLOADS) {
    for (const lines of [[`a${payload}`], [`a${payload}`, `b${payload}`]]) {
      const text = decode(formatReply({ code: 550, enhanced: "5.1.1", lines }));
      assertEquals(text.split(/[\r\n]+/).length, lines.length + 1, JSON.stringify(text));
      assert(/^(?:550[ -]5\.1\.1 [^\r\n\0]*\r\n)+$/.test(text));
    }
  }
});
