import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { decode } from "../../src/bytes.ts";
import { reply } from "../../src/smtp/reply.ts";
import { at, entryOf, fated, type Made, makeNotices, MESSAGE, NOW } from "./notices.ts";

/** The one message that was made, and its text. */
function only({ messages, texts }: Made) {
  assertEquals(messages.length, 1);
  return { ...messages[0]!, text: decode(texts[0]!) };
}

const POSTMASTER = at("postmaster", "example.org");

Deno.test("noticeMaker() makes mail for the sender of which nobody will be told", async () => {
  const made = await makeNotices(entryOf([fated(at("bob"), "failed")]), "failed");
  const { entry, source, text } = only(made);
  assertEquals(entry.sender, null); // RFC 3461 §6.1
  assertEquals(
    entry.recipients.map(({ address, notify, status }) => ({ address, notify, status })),
    [
      { address: at("alice", "example.org"), notify: ["NEVER"], status: "waiting" },
    ],
  );
  assertEquals(entry.origin, { kind: "notice", session: "entry-1" });
  assertEquals([entry.body, entry.smtputf8, entry.requireTls], ["7BIT", false, false]);
  assertEquals([entry.headSize, entry.bodySize], [source.head.length, source.bodySize]);
  assertEquals(text.length, entry.headSize + 2 + entry.bodySize);
  assertStringIncludes(text, "To: <alice@example.org>\r\n");
  assertStringIncludes(text, "In-Reply-To: <original@example.org>\r\n");
  assertStringIncludes(text, "Final-Recipient: rfc822; bob@example.net\r\n");
  assertStringIncludes(text, "Content-Type: text/rfc822-headers\r\n\r\nFrom: Alice");
  assertEquals(made.events, []);
});

Deno.test("noticeMaker() gives a notice the same id again, and another notice another", async () => {
  const entry = entryOf([fated(at("bob"), "failed"), fated(at("carol"), "failed")]);
  const id = async (...args: Parameters<typeof makeNotices>) =>
    only(await makeNotices(...args)).entry.id;
  const first = await id(entry, "failed");
  assertEquals(await id(entry, "failed", { clock: { now: () => NOW + 5 } }), first);
  const others = [
    await id({ ...entry, id: "entry-2" }, "failed"),
    await id(entry, "delayed"),
    await id({ ...entry, recipients: entry.recipients.slice(1) }, "failed"),
    await id({ ...entry, sender: null }, "failed"),
  ];
  assertEquals(new Set([first, ...others]).size, 5);
  assert([first, ...others].every((one) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(one)));
});

Deno.test("noticeMaker() goes to everybody that the sender's address stands for", async () => {
  const found = ["a", "b"].map((local) => ({
    address: at(local),
    status: "waiting" as const,
    next: NOW,
    attempts: 0,
    history: [],
  }));
  const expand = () => Promise.resolve(found);
  const made = await makeNotices(entryOf([fated(at("bob"), "failed")]), "failed", { expand });
  assertEquals(only(made).entry.recipients.map(({ address }) => address), [at("a"), at("b")]);
});

Deno.test("noticeMaker() tells the postmaster of mail that has no sender", async () => {
  const entry = entryOf([fated(at("bob"), "failed")], { sender: null });
  const { entry: notice, text } = only(await makeNotices(entry, "failed"));
  assertEquals(notice.recipients[0]?.address, POSTMASTER);
  assertEquals(notice.sender, null);
  assertStringIncludes(text, "To: <postmaster@example.org>\r\n");
  assert(!text.includes("your message"));
});

Deno.test("noticeMaker() makes nothing of what went to the postmaster, but tells", async () => {
  const first = only(
    await makeNotices(
      entryOf([fated(at("bob"), "failed")], { sender: null }),
      "failed",
    ),
  );
  // The postmaster is an alias for somebody elsewhere, who does not take it.
  const double = { ...first.entry, recipients: [fated(at("ops", "elsewhere.example"), "failed")] };
  const direct = entryOf([fated(POSTMASTER, "failed")], { sender: null });
  for (const entry of [double, direct]) {
    const { messages, events } = await makeNotices(entry, "failed");
    assertEquals(messages, []);
    assertEquals(events, [{
      type: "notice.dropped",
      message: entry.id,
      reason: "it has no sender, and it was for the postmaster",
    }]);
  }
});

Deno.test("noticeMaker() drops what nobody can be told of", async () => {
  const none = () => Promise.resolve(null);
  const empty = () => Promise.resolve([]);
  for (
    const [entry, kind, options, reason] of [
      [
        { sender: null },
        "failed",
        { postmaster: undefined! },
        "it has no sender, and there is no postmaster",
      ],
      [{}, "failed", { expand: none }, "its sender is unknown, and the postmaster is unknown"],
      [{}, "failed", { expand: empty }, "its sender is unknown, and the postmaster is unknown"],
      [{}, "delayed", { expand: none }, "its sender is unknown"],
    ] as const
  ) {
    const { messages, events } = await makeNotices(
      entryOf([fated(at("bob"), kind)], entry),
      kind,
      options,
    );
    assertEquals(messages, []);
    assertEquals(events, [{ type: "notice.dropped", message: "entry-1", reason }]);
  }
});

Deno.test("noticeMaker() tells the postmaster where the sender is unknown", async () => {
  const found = [{
    address: POSTMASTER,
    status: "waiting" as const,
    next: NOW,
    attempts: 0,
    history: [],
  }];
  const expand = ({ local }: { local: string }) =>
    Promise.resolve(local === "postmaster" ? found : null);
  const made = await makeNotices(entryOf([fated(at("bob"), "failed")]), "failed", { expand });
  assertStringIncludes(only(made).text, "Mail of <alice@example.org> could not be delivered");
});

Deno.test("noticeMaker() does not tell where an alias led, nor what the server there said of it", async () => {
  const answers = [
    "<Carol@Secret.Example>: user unknown",
    "user carol is unknown",
    "unknown here, ask postmaster@secret.example",
  ];
  for (const words of answers) {
    const recipient = fated(at("carol", "secret.example"), "failed", {
      forwardedBy: at("team", "example.org"),
      answer: reply(550, "5.1.1", words),
      host: "mx.secret.example [192.0.2.8]:25",
    });
    const { text } = only(await makeNotices(entryOf([recipient]), "failed"));
    assertStringIncludes(text, "Final-Recipient: rfc822; team@example.org\r\n");
    assertStringIncludes(text, "Status: 5.1.1\r\n");
    assert(!/carol|secret|192\.0\.2\.8/i.test(text), text);
  }
  const harmless = fated(at("carol", "secret.example"), "failed", {
    forwardedBy: at("team", "example.org"),
    answer: reply(550, "5.7.1", "no spam please"),
  });
  const { text } = only(await makeNotices(entryOf([harmless]), "failed"));
  assertStringIncludes(text, "Diagnostic-Code: smtp; 550 5.7.1 no spam please\r\n");
});

Deno.test("noticeMaker() names an alias once, whoever is behind it, and no station but another one", async () => {
  const more = { host: "maildir:example.org/carol", forwardedBy: at("team", "example.org") };
  const behind = ["carol", "dave"].map((user) =>
    fated(at(user, "example.org"), "delivered", {
      ...more,
      mailbox: { domain: "example.org", user },
    })
  );
  const socket = fated(at("erin"), "delivered", { host: "unix:/run/lmtp.sock" });
  const { text } = only(await makeNotices(entryOf([...behind, socket]), "delivered"));
  assertEquals(text.match(/^Final-Recipient: .*$/gm), [
    "Final-Recipient: rfc822; team@example.org",
    "Final-Recipient: rfc822; erin@example.net",
  ]);
  assert(!/carol|dave|maildir|lmtp|Remote-MTA|smtp;/.test(text), text);
});

Deno.test("noticeMaker() returns the whole message where that is asked for and may be", async () => {
  const failed = [fated(at("bob"), "failed")];
  const isWhole = async (...args: Parameters<typeof makeNotices>) =>
    only(await makeNotices(...args)).text.includes("Hello Bob.\r\n");
  const full = entryOf(failed, { dsnReturn: "FULL" });
  assert(await isWhole(full, "failed"));
  assert(!await isWhole(entryOf(failed), "failed"));
  assert(!await isWhole(entryOf(failed, { dsnReturn: "HDRS" }), "failed"));
  assert(!await isWhole(full, "failed", { fullLimit: MESSAGE.body.length - 1 }));
  assert(await isWhole(full, "failed", { fullLimit: MESSAGE.body.length }));
  assert(!await isWhole({ ...full, body: "BINARYMIME" }, "failed"));
  assert(!await isWhole({ ...full, requireTls: true }, "failed")); // RFC 8689 §5
  const delayed = entryOf([fated(at("bob"), "delayed")], { dsnReturn: "FULL" });
  assert(!await isWhole(delayed, "delayed")); // RFC 3461 §4.3
});

Deno.test("noticeMaker() keeps REQUIRETLS, and says 8BITMIME and SMTPUTF8 where needed", async () => {
  const entry = entryOf([fated(at("bob"), "failed")], { requireTls: true });
  assertEquals(only(await makeNotices(entry, "failed")).entry.requireTls, true);
  const message = { head: `Subject: Grüße\r\n`, body: "" };
  const raw = only(await makeNotices(entryOf(entry.recipients), "failed", { message })).entry;
  assertEquals([raw.body, raw.smtputf8], ["8BITMIME", false]);
  const utf8 = entryOf([fated(at("用户"), "failed")], { smtputf8: true });
  const international = only(await makeNotices(utf8, "failed", { message })).entry;
  assertEquals([international.body, international.smtputf8], ["8BITMIME", true]);
});

Deno.test("noticeMaker() tells of a recipient that was never tried", async () => {
  const untried = fated(at("bob"), "failed", { history: [] });
  const { text } = only(await makeNotices(entryOf([untried]), "failed"));
  assertStringIncludes(text, "Status: 5.0.0\r\nDiagnostic-Code: x-yizhan; 554 5.0.0 given up\r\n");
});

Deno.test("noticeMaker() throws what reading the message throws", async () => {
  const open = () => Promise.reject(new Error("EIO"));
  const entry = entryOf([fated(at("bob"), "failed")]);
  await assertRejects(() => makeNotices(entry, "failed", { open }), Error, "EIO");
});
