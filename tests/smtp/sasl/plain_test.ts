import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, encode } from "../../../src/bytes.ts";
import { PlainServer } from "../../../src/smtp/sasl/plain.ts";

function plain(message: string | Uint8Array) {
  return new PlainServer().start(typeof message === "string" ? encode(message) : message);
}

Deno.test("PlainServer takes the two examples of RFC 4616 §4", () => {
  assertEquals(plain("\0tim\0tanstaaftanstaaf"), {
    type: "credentials",
    authorize: "tim",
    name: "tim",
    password: "tanstaaftanstaaf",
  });
  assertEquals(plain("Ursel\0Kurt\0xipj3plmq"), {
    type: "credentials",
    authorize: "Ursel",
    name: "Kurt",
    password: "xipj3plmq",
  });
});

Deno.test("PlainServer asks with an empty challenge when there is no initial response", () => {
  const machine = new PlainServer();
  assertEquals(machine.start(null), { type: "challenge", data: new Uint8Array(0) });
  assertEquals(machine.respond(encode("\0tim\0x")).type, "credentials");
});

Deno.test("PlainServer calls malformed what RFC 4616 §2 does not allow", async (t) => {
  const cases: Record<string, string | Uint8Array> = {
    "nothing": "",
    "no NUL": "tim",
    "one NUL": "tim\0secret",
    "three NULs": "\0tim\0sec\0ret",
    "no name": "\0\0secret",
    "no password": "\0tim\0",
    "not UTF-8": concat([encode("\0tim\0"), new Uint8Array([0xff, 0xfe])]),
    "a control in the name": "\0t\x01im\0secret",
    "a control in the password": "\0tim\0sec\nret",
    "a control in the authorization identity": "a\x7f\0tim\0secret",
    "a name of 513 octets": `\0${"n".repeat(513)}\0secret`,
    "a password of 1025 octets": `\0tim\0${"p".repeat(1025)}`,
    "a megabyte": "x".repeat(1 << 20),
  };
  for (const [what, message] of Object.entries(cases)) {
    await t.step(what, () => {
      const step = plain(message);
      assertEquals(step.type, "failed");
      assertEquals(step.type === "failed" && step.malformed, true);
    });
  }
});

Deno.test("PlainServer takes an empty password only where the rules say so", () => {
  const machine = new PlainServer({ emptyPassword: true });
  const tim = { type: "credentials" as const, authorize: "tim", name: "tim", password: "" };
  assertEquals(machine.start(encode("\0tim\0")), tim);
  assertEquals(plain("\0tim\0").type, "failed");
  assertEquals(new PlainServer({ emptyPassword: true }).start(encode("\0\0x")).type, "failed");
});

Deno.test("PlainServer takes 255 octets in each part, as RFC 4616 §2 demands", () => {
  const [a, b, c] = ["a".repeat(255), "b".repeat(255), "c".repeat(255)];
  assertEquals(plain(`${a}\0${b}\0${c}`), {
    type: "credentials",
    authorize: a,
    name: b,
    password: c,
  });
});

Deno.test("PlainServer gives name and password in one form whatever the keyboard sent", () => {
  const step = plain("\0ju\u0308rgen\0se\u00adcret\u00a0word");
  assertEquals(step, {
    type: "credentials",
    authorize: "jürgen",
    name: "jürgen",
    password: "secret word",
  });
});

Deno.test("PlainServer never throws on any octets", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
    const { type } = plain(octets);
    return type === "failed" || type === "credentials";
  }));
});
