import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { encode } from "../../../src/bytes.ts";
import { LoginServer } from "../../../src/smtp/sasl/login.ts";
import { formatBase64 } from "../../../src/smtp/sasl/base64.ts";
import type { SaslStep } from "../../../src/smtp/sasl/sasl.ts";

/** The challenge as it stands on the wire. */
function challenge(step: SaslStep): string {
  return step.type === "challenge" ? formatBase64(step.data) : step.type;
}

const CREDENTIALS = { type: "credentials", authorize: "tim", name: "tim", password: "secret" };

Deno.test("LoginServer asks with the prompts of draft-murchison-sasl-login-00", () => {
  const machine = new LoginServer();
  assertEquals(challenge(machine.start(null)), "VXNlcm5hbWU6");
  assertEquals(challenge(machine.respond(encode("tim"))), "UGFzc3dvcmQ6");
  assertEquals(machine.respond(encode("secret")), CREDENTIALS as SaslStep);
});

Deno.test("LoginServer takes an initial response as the name", () => {
  const machine = new LoginServer();
  assertEquals(challenge(machine.start(encode("tim"))), "UGFzc3dvcmQ6");
  assertEquals(machine.respond(encode("secret")), CREDENTIALS as SaslStep);
});

Deno.test("LoginServer calls malformed what is empty, not UTF-8, too long or has controls", () => {
  const bad = [encode(""), new Uint8Array([0xc0, 0x80]), encode("a\0b"), encode("x".repeat(9000))];
  for (const octets of bad) {
    const asName = new LoginServer().start(octets);
    assertEquals(asName.type === "failed" && asName.malformed, true);
    assertEquals(asName.type === "failed" && asName.name, null);
    const machine = new LoginServer();
    machine.start(encode("tim"));
    const asPassword = machine.respond(octets);
    assertEquals(asPassword.type === "failed" && asPassword.malformed, true);
    assertEquals(asPassword.type === "failed" && asPassword.name, "tim");
  }
});

Deno.test("LoginServer takes an empty password only where the rules say so", () => {
  const machine = new LoginServer({ emptyPassword: true });
  machine.start(encode("tim"));
  assertEquals(machine.respond(encode("")), { ...CREDENTIALS, password: "" } as SaslStep);
  assertEquals(new LoginServer({ emptyPassword: true }).start(encode("")).type, "failed");
});

Deno.test("LoginServer never throws on any octets", () => {
  const octets = fc.uint8Array({ maxLength: 100 });
  fc.assert(fc.property(octets, octets, (name, password) => {
    const machine = new LoginServer();
    if (machine.start(name).type !== "challenge") return true;
    const { type } = machine.respond(password);
    return type === "failed" || type === "credentials";
  }));
});
