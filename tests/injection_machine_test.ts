/**
 * Injection: nothing that a stranger chose may begin a line, a field or a command of its own. One test for each
 * place where somebody's text is written into a log, onto a terminal, into the name of a file or an argument of a
 * program; the values are worse than any parser here lets through, so that each writer is safe by itself.
 *
 * What goes into mail is in `injection_test.ts`.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Address } from "../src/address.ts";
import { parseControlLine } from "../src/admin/control_protocol.ts";
import { concat, decode, encode } from "../src/bytes.ts";
import { formatExplanation } from "../src/cli/explain_text.ts";
import { completeHead } from "../src/cli/message_input.ts";
import { formatTraceJson, formatTraceLine } from "../src/cli/trace_text.ts";
import { encodeFolderName, mailboxPath } from "../src/delivery/maildir/mailbox_path.ts";
import { maildirName } from "../src/delivery/maildir/maildir_name.ts";
import { mapDirectory } from "../src/directory/map_directory.ts";
import { parseUsersFile } from "../src/directory/users_file.ts";
import type { MtaEvent } from "../src/events.ts";
import { formatDropHeader, parseDropHeader } from "../src/intake/drop/drop_file.ts";
import { formatFields, parseFields } from "../src/message/header.ts";
import { formatEventJson } from "../src/observe/event_json.ts";
import { formatEventLine } from "../src/observe/log.ts";
import { Tracer } from "../src/observe/trace.ts";
import { expandArguments } from "../src/routing/program_arguments.ts";
import { memoryRuntime } from "../src/runtime/memory.ts";
import { reply } from "../src/smtp/reply.ts";
import { isOneLine, namesIn, PAYLOADS, poisoned } from "./support/injection.ts";

const ALICE: Address = { local: "alice", domain: "example.org" };

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
