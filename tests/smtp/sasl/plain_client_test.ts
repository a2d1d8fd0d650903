import { assertEquals } from "@std/assert";
import { encode } from "../../../src/bytes.ts";
import { PlainClient } from "../../../src/smtp/sasl/plain_client.ts";

// RFC 4616 §4
Deno.test("PlainClient sends the message of RFC 4616 §2, at once or when asked", () => {
  const message = { type: "respond", data: encode("\0tim\0tanstaaftanstaaf") } as const;
  const client = new PlainClient("tim", "tanstaaftanstaaf");
  assertEquals(client.complete, false);
  assertEquals(client.start(), message);
  assertEquals(client.complete, true);
  assertEquals(client.challenge(), message);
  assertEquals(client.challenge().type, "failed");
});

Deno.test("PlainClient cannot say NUL or no name", () => {
  assertEquals(new PlainClient("a\0b", "c").start().type, "failed");
  assertEquals(new PlainClient("a", "b\0c").start().type, "failed");
  assertEquals(new PlainClient("", "c").start().type, "failed");
});
