import { assertEquals } from "@std/assert";
import { saslServer } from "../../../src/smtp/sasl/mechanisms.ts";

Deno.test("saslServer() gives the machine of the name", () => {
  for (const mechanism of ["PLAIN", "LOGIN", "SCRAM-SHA-256"] as const) {
    assertEquals(saslServer(mechanism, "abc").mechanism, mechanism);
  }
});
