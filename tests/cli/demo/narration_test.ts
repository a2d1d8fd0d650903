import { assert, assertEquals } from "@std/assert";
import { Narration } from "../../../src/cli/demo/narration.ts";

const plain = new Narration({ width: Infinity, colour: false });
const narrow = new Narration({ width: 40, colour: false });
const coloured = new Narration({ width: 80, colour: true });

const SAID = {
  from: "A",
  to: "B",
  kind: "command",
  text: "MAIL FROM:<a@b>",
  secret: false,
} as const;

Deno.test("Narration.speech() has the client on the left in both directions", () => {
  assertEquals(plain.speech(SAID), "    A → B │ MAIL FROM:<a@b>");
  const reply = { from: "B", to: "A", kind: "reply", text: "250 ok", secret: true } as const;
  assertEquals(plain.speech(reply), "    A ← B ║ 250 ok");
  assertEquals(plain.speech({ ...SAID, kind: "message", text: "" }), "    A → B │");
});

Deno.test("Narration.speech() cuts what a narrow terminal would wrap", () => {
  const line = narrow.speech({ ...SAID, text: `250 ${"x".repeat(100)}` });
  assertEquals([...line].length, 40);
  assert(line.endsWith("x…"));
});

Deno.test("Narration.speech() lets no control character through", () => {
  assertEquals(
    plain.speech({ ...SAID, text: "\x1b[2J\u202Eevil" }),
    "    A → B │ \\u{1b}[2J\\u{202e}evil",
  );
});

Deno.test("Narration is coloured only where it is asked for", () => {
  // deno-lint-ignore no-control-regex
  const escapes = /\x1b\[[\d;]*m/g;
  const question = { name: "b.example", type: "MX", answers: ["10 mx.b.example"] };
  for (
    const make of [
      (n: Narration) => n.heading("One"),
      (n: Narration) => n.speech(SAID),
      (n: Narration) => n.tls("A", "B", { protocol: "TLSv1.3", cipher: "X" }),
      (n: Narration) => n.question("A", question),
      (n: Narration) => n.event("A", "has it", true),
      (n: Narration) => n.quote("text"),
      (n: Narration) => n.check({ what: "it arrived", ok: true }),
      (n: Narration) => n.check({ what: "it arrived", ok: false }),
    ]
  ) {
    const [without, within] = [new Narration({ width: 80, colour: false }), coloured].map(make);
    assertEquals(without!.match(escapes), null);
    assert(within!.match(escapes) !== null);
    assertEquals(within!.replace(escapes, ""), without);
  }
});

Deno.test("Narration.tell() and check() wrap between words", () => {
  const text = "Alice hands a letter to her station A, over TLS and with her password.";
  const told = narrow.tell(text).split("\n");
  assertEquals(told.join(" "), text);
  assert(told.length > 1 && told.every((line) => line.length <= 40));
  const checked = narrow.check({ what: text, ok: true }).split("\n");
  assert(checked[0]!.startsWith("  ✓ Alice") && checked[1]!.startsWith("    "));
  assert(checked.every((line) => line.length <= 40));
});

Deno.test("Narration.question() tells of an answer, and of none", () => {
  const ask = (answers: string[]) =>
    plain.question("A", { name: "b.example", type: "MX", answers });
  assertEquals(ask(["10 mx.b.example"]), "  A ? DNS │ MX of b.example: 10 mx.b.example");
  assertEquals(ask([]), "  A ? DNS │ MX of b.example: nothing");
});
