import { assertThrows } from "@std/assert";
import { clientSettings } from "../../src/smtp/client_settings.ts";

Deno.test("clientSettings() throws when the name would break the EHLO line", () => {
  for (const name of ["", "a b", "a\r\nMAIL", "bücher.example", "x".repeat(256)]) {
    assertThrows(() => clientSettings(name), TypeError, "hostname");
  }
});
