import { assertEquals, assertMatch } from "@std/assert";
import {
  type AnswerContext,
  decideRecipient,
  isStale,
  isTooMany,
  ownTrouble,
  settleAnswers,
} from "../../src/delivery/answers.ts";
import type { ClientEvent, RecipientOutcome } from "../../src/smtp/client_event.ts";
import { reply } from "../../src/smtp/reply.ts";

const CONTEXT: AnswerContext = { label: "mx", chosen: false, taken: "relayed", aborted: false };

/** What a recipient came to: the stage and the reply, such as `rcpt 550 5.1.1`; ours with `!` before it. */
function answer(text: string, more: Partial<RecipientOutcome> = {}): RecipientOutcome {
  const [, ours, stage, code, enhanced] = /^(!?)(\w+) (\d+)(?: (\S+))?$/.exec(text)!;
  return {
    recipient: 0,
    accepted: stage === "end" && code!.startsWith("2"),
    reply: reply(Number(code), enhanced, "words"),
    remote: ours === "",
    stage: stage as RecipientOutcome["stage"],
    dsnHandedOn: false,
    maybeDelivered: false,
    ...more,
  };
}

function failed(kind: "closed" | "timeout" | "garbage" | "refused", where = "MAIL") {
  const event = { type: "failed", kind, where, remote: false, maybeDelivered: false } as const;
  return { ...event, reply: reply(451, "4.4.2", "gone") } satisfies ClientEvent;
}

/** In one word: an outcome by its status, a trouble of the host as one that passes or stays. */
function brief(text: string, context: Partial<AnswerContext> = {}): string {
  const decided = decideRecipient(7, answer(text), { ...CONTEXT, ...context });
  if ("status" in decided) return decided.unreachable ? `${decided.status}, away` : decided.status;
  return (decided.permanent ? "stays" : "passes") + (decided.unreachable ? ", away" : "");
}

Deno.test("decideRecipient() reads each answer as an outcome or as a trouble of the host", () => {
  const cases: readonly [string, string][] = [
    ["end 250 2.0.0", "relayed"],
    // RFC 5321 §4.2.1: 5yz is not to be repeated, 4yz is; every host of a domain says the same of a recipient.
    ["rcpt 550 5.1.1", "failed"],
    ["rcpt 450 4.2.1", "deferred"],
    ["data 554 5.7.1", "failed"],
    ["data 451 4.3.0", "deferred"],
    ["end 554 5.6.0", "failed"],
    ["end 452 4.2.2", "deferred"],
    ["mail 550 5.7.1", "failed"],
    // Only this host.
    ["mail 451 4.3.0", "passes"],
    ["mail 530 5.7.0", "passes"],
    ["!mail 451 4.4.2", "passes"],
    ["!mail 552 5.3.4", "stays"],
    ["!rcpt 553 5.6.7", "stays"],
    // RFC 5321 §3.8: 421 to whatever it is.
    ["mail 421 4.3.2", "passes, away"],
    ["rcpt 421 4.3.2", "deferred, away"],
    ["end 421 4.3.2", "deferred, away"],
  ];
  for (const [text, wanted] of cases) assertEquals(brief(text), wanted, text);
});

Deno.test("decideRecipient() takes 530 for good of a host that DNS named and that has TLS", () => {
  assertEquals(brief("mail 530 5.7.0", { tls: "TLSv1.3" }), "failed");
  assertEquals(brief("mail 530 5.7.0", { tls: "TLSv1.3", chosen: true }), "passes");
  assertEquals(brief("mail 530 5.7.0"), "passes");
  assertEquals(brief("rcpt 530 5.7.0"), "failed");
});

Deno.test("decideRecipient() says that a delivery we broke off was interrupted, unless the peer had answered", () => {
  const aborted = { ...CONTEXT, aborted: true };
  const lost = decideRecipient(7, answer("!rcpt 451 4.4.2"), aborted);
  assertEquals("status" in lost && [lost.status, lost.reply.enhanced], ["deferred", "4.3.2"]);
  assertEquals(brief("rcpt 550 5.1.1", { aborted: true }), "failed");
  assertEquals(brief("end 250 2.0.0", { aborted: true }), "relayed");
});

Deno.test("decideRecipient() asks no other host once the whole message was sent (RFC 1047)", () => {
  const sent = answer("!end 451 4.4.2", { maybeDelivered: true });
  const decided = decideRecipient(7, sent, CONTEXT);
  assertEquals("status" in decided && [decided.status, decided.maybeDelivered], ["deferred", true]);
  assertMatch(decided.reply.lines[0]!, /^mx: the whole message was sent.*\(words\)/);
  const aborted = decideRecipient(7, sent, { ...CONTEXT, aborted: true });
  assertMatch(aborted.reply.lines[0]!, /interrupted/);
});

Deno.test("decideRecipient() leaves success to a station that reports it, but at the end of the road (RFC 3461 §5.2.2)", () => {
  const taken = answer("end 250 2.0.0", { dsnHandedOn: true });
  const relayed = decideRecipient(7, taken, { ...CONTEXT, tls: "TLSv1.3" });
  assertEquals(relayed, {
    recipient: 7,
    status: "relayed",
    reply: reply(250, "2.0.0", "words"),
    host: "mx",
    tls: "TLSv1.3",
    dsnHandedOn: true,
  });
  const delivered = decideRecipient(7, taken, { ...CONTEXT, taken: "delivered" });
  assertEquals("status" in delivered && [delivered.status, delivered.dsnHandedOn], [
    "delivered",
    undefined,
  ]);
});

Deno.test("ownTrouble() says whom our words are about", () => {
  const trouble = ownTrouble(reply(552, "5.3.4", "too large"), { label: "mx [192.0.2.1]:25" });
  assertEquals(trouble.reply, reply(552, "5.3.4", "mx [192.0.2.1]:25: too large"));
  assertEquals([trouble.host, trouble.permanent], [undefined, true]);
});

Deno.test("isTooMany() tells too many recipients from a full mailbox (RFC 5321 §4.5.3.1.10, RFC 3463 §3.6)", () => {
  const cases: readonly [string, boolean][] = [
    ["rcpt 452", true],
    ["rcpt 552", true],
    ["rcpt 452 4.5.3", true],
    ["rcpt 552 5.5.3", true],
    ["rcpt 450 4.5.3", true],
    ["rcpt 451 4.5.3", true],
    ["rcpt 452 4.2.2", false],
    ["rcpt 552 5.2.2", false],
    ["rcpt 450", false],
    ["rcpt 550 5.5.3", false],
    ["end 452 4.5.3", false],
    ["!rcpt 452 4.5.3", false],
  ];
  for (const [text, wanted] of cases) assertEquals(isTooMany(answer(text)), wanted, text);
});

Deno.test("settleAnswers() says again whom there were too many of, while somebody is brought forward", () => {
  const many = answer("rcpt 452 4.5.3", { recipient: 1 });
  const some = settleAnswers([4, 9], {
    outcomes: [answer("end 250 2.0.0"), many],
    failure: null,
  }, CONTEXT);
  assertEquals([some.outcomes.map(({ recipient }) => recipient), some.again], [[4], [9]]);

  const none = settleAnswers([4, 9], {
    outcomes: [answer("rcpt 452 4.5.3"), many],
    failure: null,
  }, CONTEXT);
  assertEquals(none.outcomes.map(({ status }) => status), ["deferred", "deferred"]);
  assertEquals(none.again, []);

  const broken = settleAnswers([4, 9], {
    outcomes: [answer("!rcpt 451 4.4.2"), many],
    failure: failed("closed"),
  }, CONTEXT);
  assertEquals([[...broken.troubles.keys()], broken.again], [[4], []]);
  assertEquals(broken.outcomes.map(({ recipient }) => recipient), [9]);
});

Deno.test("isStale() knows a kept connection that had ended before it was used again", () => {
  const lost = [answer("!mail 451 4.4.2")];
  const shut = [answer("mail 421 4.4.2")];
  const cases: readonly [RecipientOutcome[], ReturnType<typeof failed> | null, boolean, boolean][] =
    [
      [lost, failed("closed"), true, true],
      [shut, failed("closed"), true, true],
      [lost, failed("closed"), false, false],
      [lost, failed("timeout"), true, false],
      [lost, failed("garbage"), true, false],
      [[answer("mail 550 5.7.1")], failed("closed"), true, false],
      [[answer("!rcpt 451 4.4.2")], failed("closed"), true, false],
      [lost, null, true, false],
      [lost, failed("refused", "RSET"), false, true],
    ];
  for (const [outcomes, failure, first, wanted] of cases) {
    assertEquals(isStale({ outcomes, failure }, first), wanted, `${failure?.kind} ${first}`);
  }
});
