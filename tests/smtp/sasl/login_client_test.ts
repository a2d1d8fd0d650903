import { assertEquals } from "@std/assert";
import { encode } from "../../../src/bytes.ts";
import { LoginClient } from "../../../src/smtp/sasl/login_client.ts";

Deno.test("LoginClient answers two questions and no third", () => {
  const client = new LoginClient("tim", "secret");
  assertEquals(client.start(), { type: "wait" });
  assertEquals(client.challenge(), { type: "respond", data: encode("tim") });
  assertEquals(client.complete, false);
  assertEquals(client.challenge(), { type: "respond", data: encode("secret") });
  assertEquals(client.complete, true);
  assertEquals(client.challenge().type, "failed");
});
