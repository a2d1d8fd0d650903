/**
 * Injection: nothing that a stranger chose may begin a line, a field or a command of its own. One test for each
 * place where somebody's text is written into something of ours; the values are worse than any parser here
 * lets through, so that each writer is safe by itself.
 *
 * The same from end to end is in `injection_station_test.ts`.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Address, formatAddress } from "../src/address.ts";
import { parseControlLine } from "../src/admin/control_protocol.ts";
import { concat, decode, encode } from "../src/bytes.ts";
import { formatExplanation } from "../src/cli/explain_text.ts";
import { completeHead } from "../src/cli/message_input.ts";
import { formatTraceJson, formatTraceLine } from "../src/cli/trace_text.ts";
import { encodeFolderName, mailboxPath } from "../src/delivery/maildir/mailbox_path.ts";
import { maildirName } from "../src/delivery/maildir/maildir_name.ts";
import { storedHead } from "../src/delivery/maildir/stored_head.ts";
import { mapDirectory } from "../src/directory/map_directory.ts";
import { parseUsersFile } from "../src/directory/users_file.ts";
import type { MtaEvent } from "../src/events.ts";
import { formatDropHeader, parseDropHeader } from "../src/intake/drop/drop_file.ts";
import { formatDsn } from "../src/message/dsn.ts";
import type { DsnFacts } from "../src/message/dsn_facts.ts";
import { formatFields, makeField, parseFields } from "../src/message/header.ts";
import { formatReceived, type Trace } from "../src/message/received.ts";
import { formatEventJson } from "../src/observe/event_json.ts";
import { formatEventLine } from "../src/observe/log.ts";
import { Tracer } from "../src/observe/trace.ts";
import { expandArguments } from "../src/routing/program_arguments.ts";
import { mailCommand, rcptCommand, refuseRecipient } from "../src/smtp/client_commands.ts";
import { refuseTransaction } from "../src/smtp/client_commands.ts";
import { parsePeerExtensions } from "../src/smtp/peer_extensions.ts";
import { memoryRuntime } from "../src/runtime/memory.ts";
import { formatReply, reply } from "../src/smtp/reply.ts";
import { decodeUnitext, decodeXtext, encodeXtext } from "../src/smtp/xtext.ts";
import { isOneLine, PAYLOADS } from "./support/injection.ts";

/** The names of the fields in a header section, as the most lenient reader sees them. */
function namesIn(head: Uint8Array): string[] {
  return decode(head).split(/[\r\n\x85\u2028\u2029\v\f]+/).filter((line) => /^[^\s:]+:/.test(line))
    .map((line) => line.slice(0, line.indexOf(":")));
}

/** Every text of a value replaced by one that would break out, one at a time. */
function* poisoned<T extends object>(value: T, payload: string): Generator<[string, T]> {
  for (const [key, inner] of Object.entries(value)) {
    if (typeof inner === "string") yield [key, { ...value, [key]: `${inner}${payload}` }];
    else if (inner !== null && typeof inner === "object" && !(inner instanceof Uint8Array)) {
      if (Array.isArray(inner)) {
        for (const [index, one] of inner.entries()) {
          if (typeof one === "string") {
            yield [`${key}.${index}`, { ...value, [key]: inner.with(index, one + payload) }];
          } else {
            for (const [path, changed] of poisoned(one, payload)) {
              yield [`${key}.${index}.${path}`, { ...value, [key]: inner.with(index, changed) }];
            }
          }
        }
        continue;
      }
      for (const [path, changed] of poisoned(inner, payload)) {
        yield [`${key}.${path}`, { ...value, [key]: changed }];
      }
    }
  }
}

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

/** One event of each kind that tells a stranger's text. */
const EVENTS: readonly MtaEvent[] = [
  {
    time: 0,
    type: "message.accepted",
    session: "kx3f",
    message: "kx3f.1",
    client: "192.0.2.7",
    identity: "alice",
    sender: "alice@a.test",
    recipients: ["bob@b.test"],
    size: 1229,
    subject: "Hello",
    tls: "TLSv1.3",
    duration: 12,
    queued: 0,
  },
  {
    time: 0,
    type: "message.refused",
    session: "kx3f",
    message: "kx3f.1",
    client: "192.0.2.7",
    sender: "alice@a.test",
    recipients: ["bob@b.test"],
    size: 1,
    reply: "550 5.7.1 no",
  },
  {
    time: 0,
    type: "session.fault",
    session: "kx3f",
    client: "192.0.2.7",
    kind: "not-smtp",
    detail: "HTTP",
  },
];

Deno.test("injection: an event is one line of the log, in words and in JSON", () => {
  for (const payload of PAYLOADS) {
    for (const event of EVENTS) {
      for (const [path, changed] of poisoned(event, payload)) {
        if (path === "type" || path === "kind") continue;
        const json = formatEventJson(changed);
        assert(isOneLine(json), `${path} ${json}`);
        assertEquals(JSON.parse(json).type, event.type);
        const line = formatEventLine(changed, { colour: false });
        assert(line === null || isOneLine(line), `${path} ${line}`);
      }
    }
  }
});

Deno.test("injection: a line of `yizhan trace` is one line, in words and in JSON", async () => {
  const tracer = new Tracer(memoryRuntime().clock);
  for (const payload of PAYLOADS) {
    using listener = tracer.listen({ by: "all" })!;
    const conversation = tracer.open({
      side: "out",
      id: "kx3f",
      peer: `mx${payload}.b.test [192.0.2.7]:25`,
      address: "192.0.2.7",
    }, `to mx${payload}`);
    conversation.command(`RCPT TO:<bob${payload}>`);
    conversation.reply(reply(550, "5.1.1", "no"), true);
    conversation.reply({ code: 550, lines: [`no${payload}`] }, true);
    conversation.secured({ protocol: `TLSv1.3${payload}`, cipher: `x${payload}` });
    conversation.note(`note${payload}`);
    conversation.close(`closed${payload}`);
    const lines = await listener.next(new AbortController().signal);
    assertEquals(lines.length, 7);
    for (const line of lines) {
      if ("lost" in line) throw new Error("a line was lost");
      assert(isOneLine(line.text) && isOneLine(line.peer), JSON.stringify(line));
      assert(isOneLine(formatTraceLine(line, { colour: false })));
      assert(isOneLine(formatTraceJson(line)));
    }
  }
});

Deno.test("injection: `yizhan explain` writes its lines and no others", () => {
  const explanation = {
    sender: "alice@a.test",
    recipient: "bob@b.test",
    client: "192.0.2.7",
    login: "alice",
    steps: [{
      step: "reply",
      about: "mx",
      outcome: "bad",
      verdict: "550 5.1.1 no such user here",
      because: "nobody has this address",
      details: ["C: RCPT TO:<bob@b.test>", "S: 550 5.1.1 no such user here"],
    }],
  } as const;
  const style = { colour: false, verbose: true };
  const lines = formatExplanation(explanation, style).split("\n").length;
  for (const payload of PAYLOADS) {
    for (const [path, changed] of poisoned(explanation, payload)) {
      if (/step$|outcome$/.test(path)) continue;
      const text = formatExplanation(changed, style);
      assertEquals(text.split("\n").length, lines, path);
      assert(text.split("\n").every(isOneLine), path);
    }
  }
});

Deno.test("injection: a request at the control socket is one line, and what follows a line end is not in it", () => {
  assertEquals(parseControlLine(encode('{"yizhan":1,"do":"list\n{}"}')), null);
  for (const payload of PAYLOADS) {
    const line = JSON.stringify({ yizhan: 1, do: "list", filter: { to: `a${payload}` } });
    assert(!/[\r\n\0]/.test(line));
    assertEquals(parseControlLine(encode(line))?.filter, { to: `a${payload}` });
  }
});

Deno.test("injection: an argument of a program is one argument, and never an option", () => {
  const templates = ["-f", "{sender}", "--to={recipient}", "{user}", "{domain}"];
  for (const payload of [...PAYLOADS, " -x", "'; rm -rf /; '", "`id`", "$(id)"]) {
    const recipient = { local: `bob${payload}`, domain: "example.net" };
    const made = expandArguments(templates, recipient, ALICE, "+");
    if ("refused" in made) continue;
    assertEquals(made.arguments.length, templates.length);
    assert(made.arguments.every((one) => !one.includes("\0")));
    assertEquals(made.arguments[0], "-f");
    assert(!made.arguments[3]!.startsWith("-"));
  }
  for (const local of ["-rf", "--exec=x", "-"]) {
    const made = expandArguments(templates, { local, domain: "example.net" }, ALICE, "+");
    assert("refused" in made, local);
  }
});

Deno.test("injection: a mailbox and a file in it are one name each, below the folder of mail", () => {
  for (const payload of [...PAYLOADS, "/../../etc/passwd", "..", "/", "\\", "a/b"]) {
    for (
      const path of [
        mailboxPath({ domain: "example.org", user: `bob${payload}` }),
        mailboxPath({ domain: "example.org", user: payload }),
      ]
    ) {
      assertEquals(path.split("/").length, 2, path);
      assert(isOneLine(path) && !path.split("/").some((part) => /^\.{0,2}$/.test(part)), path);
    }
    assert(isOneLine(encodeFolderName(payload)));
    const name = maildirName({
      time: 1,
      delivery: [`m${payload}`, `b${payload}`, `a${payload}`],
      hostname: `mx${payload}`,
      size: 1,
      virtualSize: 1,
    });
    assert(/^[\w.,=\\-]+$/.test(name), name);
  }
});

Deno.test("injection: sendmail -F and -f become one From field", () => {
  for (const payload of PAYLOADS) {
    const fields = completeHead(parseFields(encode("To: bob@example.org\r\n")), {
      author: { address: { local: `a${payload}`, domain: "b.example" }, fullName: `Ann${payload}` },
      home: { hostname: "b.example", nicknames: new Set() },
      user: null,
      now: 0,
    });
    const names = namesIn(formatFields(fields)).toSorted();
    assertEquals(names, ["Date", "From", "To"], JSON.stringify(payload));
  }
});

Deno.test("injection: the envelope in a drop file is one line, and its addresses are addresses", () => {
  for (const payload of PAYLOADS.filter((one) => !isOneLine(one))) {
    for (
      const envelope of [
        { sender: `alice@example.org${payload}`, recipients: ["bob@example.net"] },
        { sender: null, recipients: [`bob@example.net${payload}`] },
        { sender: null, recipients: ["bob@example.net"], dsnEnvelopeId: `a${payload}` },
        {
          sender: null,
          recipients: [{
            address: "bob@example.net",
            originalRecipient: { type: `rfc822${payload}`, address: "bob@example.net" },
          }],
        },
        {
          sender: null,
          recipients: [{
            address: "bob@example.net",
            originalRecipient: { type: "rfc822", address: `bob@example.net${payload}` },
          }],
        },
      ]
    ) {
      const file = concat([formatDropHeader(envelope), encode("Subject: hi\n\n")]);
      assertEquals(decode(file).split("\n").length, 5);
      assertEquals(typeof parseDropHeader(file), "string", JSON.stringify(envelope));
    }
  }
});

Deno.test("injection: an alias leads to addresses only", () => {
  for (const payload of PAYLOADS) {
    const target = `carol@elsewhere.example${payload}`;
    assertThrows(
      () => mapDirectory({ accounts: {}, aliases: { "team@example.test": target } }),
      TypeError,
    );
  }
  for (const payload of PAYLOADS.filter((one) => !one.includes("\n"))) {
    const target = `carol@elsewhere.example${payload}`;
    const file = parseUsersFile(`# yizhan users 1\nalias team@example.test ${target}\n`);
    assert(file.problems.length > 0, JSON.stringify(payload));
  }
});
