import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { concat, encode } from "../../../src/bytes.ts";
import {
  DROP_RECIPIENTS,
  formatDropHeader,
  HEADER_LIMIT,
  parseDropHeader,
} from "../../../src/intake/drop/drop_file.ts";
import { mayUseAddress, senderTrouble } from "../../../src/intake/drop/drop_senders.ts";
import { parseFields } from "../../../src/message/header.ts";

function parse(envelope: unknown) {
  return parseDropHeader(encode(`# yizhan drop 1\n${JSON.stringify(envelope)}\n`));
}

const SOUND = { sender: "a@x.test", recipients: ["b@y.test"] };

/** What makes an envelope wrong, and what must be said of it. */
const WRONG: readonly [unknown, string][] = [
  [null, "no object"],
  [[SOUND], "no object"],
  [{ ...SOUND, priority: 1 }, "not known"],
  [{ ...SOUND, sender: undefined }, "sender"],
  [{ ...SOUND, sender: "a@x.test\r\nRCPT TO:<c@z.test>" }, "sender"],
  [{ ...SOUND, recipients: [] }, "no recipients"],
  [{ ...SOUND, recipients: "b@y.test" }, "no recipients"],
  [{ ...SOUND, recipients: ["b"] }, "a recipient"],
  [{ ...SOUND, recipients: [{ address: "b@y.test", uid: 0 }] }, "a recipient"],
  [{ ...SOUND, recipients: [{ address: "b@y.test", notify: ["NEVER", "DELAY"] }] }, "a recipient"],
  [{ ...SOUND, recipients: [{ address: "b@y.test", notify: [] }] }, "a recipient"],
  [
    {
      ...SOUND,
      recipients: [{ address: "b@y.test", originalRecipient: { type: "x y", address: "b" } }],
    },
    "a recipient",
  ],
  [
    { ...SOUND, recipients: new Array(DROP_RECIPIENTS + 1).fill("b@y.test") },
    `more than ${DROP_RECIPIENTS}`,
  ],
  [{ ...SOUND, requireTls: "yes" }, "requireTls"],
  [{ ...SOUND, dsnReturn: "ALL" }, "dsnReturn"],
  [{ ...SOUND, dsnEnvelopeId: "\n" }, "dsnEnvelopeId"],
];

for (const [envelope, named] of WRONG) {
  Deno.test(`parseDropHeader() refuses ${JSON.stringify(envelope).slice(0, 90)}`, () => {
    const answer = parse(envelope);
    assert(typeof answer === "string");
    assertStringIncludes(answer, named);
  });
}

Deno.test("parseDropHeader() refuses what has no version, text that is not UTF-8, and a line without end", () => {
  assertStringIncludes(String(parseDropHeader(encode("# yizhan drop 0\n{}\n"))), "first line");
  assertStringIncludes(String(parseDropHeader(encode("Subject: x\n\n"))), "first line");
  const first = encode("# yizhan drop 1\n");
  assertStringIncludes(
    String(parseDropHeader(concat([first, Uint8Array.of(0xff, 0x0a)]))),
    "not UTF-8",
  );
  const endless = concat([first, new Uint8Array(HEADER_LIMIT).fill(0x20)]);
  assertStringIncludes(String(parseDropHeader(endless)), "no end");
  const nested = concat([first, encode("[".repeat(500_000)), encode("\n")]);
  assertStringIncludes(String(parseDropHeader(nested)), "not JSON");
});

Deno.test("parseDropHeader() tells a later version, whatever follows", () => {
  assertEquals(parseDropHeader(encode("# yizhan drop 2\n\0\0")), { laterVersion: 2 });
  assertEquals(parseDropHeader(encode("# yizhan drop 20")), null);
});

Deno.test("parseDropHeader() never throws, and asks for more only of a beginning", () => {
  const whole = formatDropHeader(SOUND);
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.nat(whole.length),
      fc.nat(whole.length),
      (noise, cut, at) => {
        parseDropHeader(noise);
        assertEquals(
          parseDropHeader(whole.subarray(0, cut)),
          cut < whole.length ? null : parseDropHeader(whole),
        );
        parseDropHeader(concat([whole.subarray(0, at), noise, whole.subarray(at)]));
      },
    ),
  );
});

Deno.test("parseDropHeader() reads what formatDropHeader() writes", () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,12}$/);
  const address = fc.tuple(word, word).map(([local, domain]) => `${local}@${domain}.test`);
  const recipient = fc.record({
    address,
    notify: fc.constantFrom(["NEVER"] as const, ["SUCCESS", "DELAY"] as const),
    originalRecipient: fc.record({ type: fc.constant("rfc822"), address }),
  }, { requiredKeys: ["address"] });
  const envelope = fc.record({
    sender: fc.option(address),
    recipients: fc.array(recipient, { minLength: 1, maxLength: 5 }),
    dsnReturn: fc.constantFrom("FULL" as const, "HDRS" as const),
    dsnEnvelopeId: fc.stringMatching(/^[ -~]{1,100}$/),
    requireTls: fc.constant(true),
  }, { requiredKeys: ["sender", "recipients"] });
  fc.assert(fc.property(envelope, (value) => {
    const header = formatDropHeader(value);
    assertEquals(parseDropHeader(header), { envelope: value, messageAt: header.length });
  }));
});

const RULE = { hostname: "host.test", senders: {}, ownUid: 990 };
const ADDRESS = { local: "somebody", domain: "else.test" };

Deno.test("mayUseAddress() lets root and the server's user be anybody, and others themselves", () => {
  assert(mayUseAddress(RULE, { uid: 0, name: "root" }, ADDRESS));
  assert(mayUseAddress(RULE, { uid: 990, name: "yizhan" }, ADDRESS));
  const ann = { uid: 1000, name: "ann" };
  assert(!mayUseAddress(RULE, ann, ADDRESS));
  assert(mayUseAddress(RULE, ann, { local: "Ann", domain: "host.test" }));
  assert(mayUseAddress(RULE, ann, { local: "ann+tag", domain: "host.test" }));
  assert(
    !mayUseAddress({ ...RULE, subaddressDelimiter: null }, ann, {
      local: "ann+tag",
      domain: "host.test",
    }),
  );
  assert(!mayUseAddress(RULE, { uid: 1000, name: null }, { local: "ann", domain: "host.test" }));
  // A name with an @ in it is no way to another host.
  assert(
    !mayUseAddress(RULE, { uid: 1000, name: "x@else.test" }, {
      local: "x",
      domain: "else.test",
    }),
  );
});

Deno.test("mayUseAddress() gives what the configuration gives, by name and by number, and no more", () => {
  const senders = {
    ann: ["ann@else.test", "shop.test"],
    "1001": "any" as const,
    any: ["any"],
    constructor: "any" as const,
  };
  const rule = { ...RULE, senders };
  const ann = { uid: 1000, name: "ann" };
  assert(mayUseAddress(rule, ann, { local: "ann", domain: "ELSE.test" }));
  assert(mayUseAddress(rule, ann, { local: "whoever", domain: "shop.test" }));
  assert(!mayUseAddress(rule, ann, { local: "whoever", domain: "sub.shop.test" }));
  assert(!mayUseAddress(rule, ann, { local: "whoever", domain: "else.test" }));
  assert(mayUseAddress(rule, { uid: 1001, name: null }, ADDRESS));
  // A user who is called like somebody's number.
  assert(!mayUseAddress(rule, { uid: 5, name: "1001" }, ADDRESS));
  // "any" as a domain is a domain.
  assert(!mayUseAddress(rule, { uid: 6, name: "any" }, ADDRESS));
  assert(!mayUseAddress(rule, { uid: 7, name: "toString" }, ADDRESS));
});

Deno.test("senderTrouble() names the address that is not the user's, wherever it stands", async () => {
  const ann = { uid: 1000, name: "ann" };
  const own = { local: "ann", domain: "host.test" };
  const head = (text: string) => parseFields(encode(text.replaceAll("\n", "\r\n")));
  const trouble = (sender: typeof own | null, text: string) =>
    senderTrouble(RULE, ann, sender, head(text));
  assertEquals(await trouble(own, "Subject: x\n"), null);
  assertEquals(await trouble(null, "From: Ann <ann@host.test>\n"), null);
  assertStringIncludes((await trouble(ADDRESS, ""))!, "somebody@else.test");
  assertStringIncludes((await trouble(own, "From: boss@host.test\n"))!, "boss@host.test");
  assertStringIncludes((await trouble(own, "Sender: boss@host.test\n"))!, "Sender");
  assertStringIncludes(
    (await trouble(own, "From: ann@host.test\nFrom: ann@host.test\n"))!,
    "more than one",
  );
  assertEquals(await senderTrouble(RULE, { uid: 0, name: null }, ADDRESS, head("From: x\n")), null);
});
