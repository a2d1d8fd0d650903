import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { encode } from "../../../src/bytes.ts";
import { HOOK_STAGES } from "../../../src/policy/http_hook/hook_request.ts";
import { parseHookVerdict } from "../../../src/policy/http_hook/hook_verdict.ts";
import { checkVerdict } from "../../../src/policy/verdict.ts";

function read(value: unknown, stage: typeof HOOK_STAGES[number] = "message") {
  return parseHookVerdict(stage, JSON.stringify(value));
}

function change(value: unknown) {
  return read({ action: "annotate", changes: [value] });
}

Deno.test("parseHookVerdict() reads each action", () => {
  assertEquals(read({ action: "accept" }), { action: "accept" });
  assertEquals(read({ action: "reject" }), {
    action: "reject",
    reply: { code: 550, enhanced: "5.7.1", lines: ["not accepted"] },
  });
  assertEquals(read({ action: "reject", code: 554, enhanced: "5.6.0", text: "a\nb" }), {
    action: "reject",
    reply: { code: 554, enhanced: "5.6.0", lines: ["a", "b"] },
  });
  assertEquals(read({ action: "defer", text: "later" }), {
    action: "defer",
    reply: { code: 451, enhanced: "4.7.1", lines: ["later"] },
  });
  assertEquals(read({ action: "discard", reason: "spam" }), { action: "discard", reason: "spam" });
});

Deno.test("parseHookVerdict() reads each change", () => {
  const alice = { local: "alice", domain: "example.org" };
  const pairs: [unknown, unknown][] = [
    [{ change: "add-field", name: "X-A", value: "b" }, undefined],
    [{ change: "insert-field", index: 0, name: "X-A", value: "b" }, undefined],
    [{ change: "replace-field", name: "X-A", occurrence: 1, value: "b" }, undefined],
    [{ change: "replace-field", name: "X-A", occurrence: 2, value: null }, undefined],
    [{ change: "remove-field", name: "X-A" }, undefined],
    [{ change: "replace-sender", sender: null }, undefined],
    [{ change: "replace-sender", sender: "alice@example.org" }, {
      change: "replace-sender",
      sender: alice,
    }],
    [{ change: "add-recipient", recipient: "alice@example.org" }, {
      change: "add-recipient",
      recipient: alice,
    }],
    [{ change: "remove-recipient", recipient: "alice@example.org" }, {
      change: "remove-recipient",
      recipient: alice,
    }],
    [{ change: "replace-body", body: btoa("a\r\n") }, {
      change: "replace-body",
      body: encode("a\r\n"),
    }],
    [{ change: "quarantine", reason: "odd" }, undefined],
  ];
  for (const [given, wanted] of pairs) {
    const verdict = change(given);
    assertEquals<unknown>(verdict, { action: "annotate", changes: [wanted ?? given] });
    checkVerdict(verdict); // throws for what is none
  }
});

Deno.test("parseHookVerdict() says what is wrong, for each slip", () => {
  const wrong: [unknown, RegExp][] = [
    [null, /wanted an object/],
    [[], /wanted an object/],
    ["accept", /wanted an object/],
    [{}, /unknown action: nothing/],
    [{ action: "ACCEPT" }, /unknown action: "ACCEPT"/],
    [{ action: "accept", text: "fine" }, /unknown key: "text"/],
    [{ action: "reject", code: 250 }, /code of reject: wanted 500 to 559, found 250/],
    [{ action: "reject", code: 450 }, /code of reject/],
    [{ action: "reject", code: "550" }, /code of reject/],
    [{ action: "reject", code: 550.5 }, /code of reject/],
    [{ action: "defer", code: 550 }, /code of defer/],
    [{ action: "defer", enhanced: "5.7.1" }, /enhanced of defer/],
    [{ action: "reject", enhanced: "5.7.1 x" }, /enhanced of reject/],
    [{ action: "reject", text: 1 }, /text: wanted text/],
    [{ action: "reject", text: "x".repeat(401) }, /text: longer than 400/],
    [{ action: "discard" }, /reason: wanted text, found nothing/],
    [{ action: "annotate" }, /changes: wanted a list/],
    [{ action: "annotate", changes: [1] }, /a change: wanted an object/],
    [{ action: "annotate", changes: Array(101).fill({}) }, /more than 100/],
  ];
  for (const [value, words] of wrong) {
    const verdict = read(value);
    assert("wrong" in verdict && words.test(verdict.wrong), JSON.stringify([value, verdict]));
  }
  const changes: [unknown, RegExp][] = [
    [{ change: "add-header", name: "X-A", value: "b" }, /unknown change: "add-header"/],
    [{ change: "add-field", name: "X A", value: "b" }, /no header field/],
    [{ change: "add-field", name: "X-A:\r\nB", value: "b" }, /no header field/],
    [{ change: "add-field", name: "X-A" }, /value: wanted text/],
    [{ change: "add-field", name: "X-A", value: "x".repeat(8001) }, /value: longer/],
    [{ change: "insert-field", name: "X-A", value: "b" }, /index: wanted a whole number/],
    [{ change: "insert-field", index: -1, name: "X-A", value: "b" }, /index/],
    [{ change: "replace-field", occurrence: 0, name: "X-A", value: "b" }, /occurrence/],
    [{ change: "replace-sender", sender: "nobody" }, /no address: "nobody"/],
    [{ change: "replace-sender" }, /sender: wanted text/],
    [{ change: "add-recipient", recipient: null }, /recipient: wanted text/],
    [{ change: "add-recipient", recipient: "a@b.example>\r\nDATA" }, /no address/],
    [{ change: "replace-body", body: "no!" }, /no base64/],
    [{ change: "replace-body", body: btoa("a\n.\n") }, /CRLF/],
    [{ change: "replace-body", body: btoa("a\r.\r\n") }, /CRLF/],
    [{ change: "replace-body", body: btoa("a") }, /last line has no end/],
    [{ change: "quarantine" }, /reason/],
  ];
  for (const [value, words] of changes) {
    const verdict = change(value);
    assert("wrong" in verdict && words.test(verdict.wrong), JSON.stringify([value, verdict]));
  }
});

Deno.test("parseHookVerdict() lets a hook annotate only what there is at the stage", () => {
  const field = { action: "annotate", changes: [{ change: "add-field", name: "X-A", value: "b" }] };
  const body = { action: "annotate", changes: [{ change: "quarantine", reason: "odd" }] };
  const taken = (value: unknown) => HOOK_STAGES.filter((stage) => !("wrong" in read(value, stage)));
  assertEquals(taken(field), ["sender", "recipient", "message"]);
  assertEquals(taken(body), ["message"]);
});

Deno.test("attack: parseHookVerdict() never throws, and what it gives can be carried out", () => {
  const key = fc.constantFrom("action", "changes", "change", "name", "value", "code", "__proto__");
  const word = fc.constantFrom("annotate", "reject", "add-field", "replace-body", "accept");
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      word,
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(key, tie("tree"), { maxKeys: 4 }),
    ),
  }));
  const texts = fc.oneof(fc.string(), tree.map((value) => JSON.stringify(value)));
  fc.assert(fc.property(texts, fc.constantFrom(...HOOK_STAGES), (text, stage) => {
    const verdict = parseHookVerdict(stage, text);
    if ("wrong" in verdict) assert(/^[\x20-\x7e]*$/.test(verdict.wrong));
    else checkVerdict(verdict);
  }));
  assert("wrong" in parseHookVerdict("message", "[".repeat(60_000)));
});
