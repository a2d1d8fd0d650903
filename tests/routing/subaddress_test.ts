import { assertEquals } from "@std/assert";
import { withoutTag } from "../../src/routing/subaddress.ts";

const domain = "example.org";

function strip(local: string, delimiter?: string | null): string | undefined {
  return withoutTag({ local, domain }, delimiter)?.local;
}

Deno.test("withoutTag() takes off what stands behind the first delimiter", () => {
  assertEquals(strip("alice+news"), "alice");
  assertEquals(strip("alice+"), "alice");
  assertEquals(strip("alice+a+b"), "alice");
  assertEquals(strip("alice-news", "-"), "alice");
  assertEquals(strip("alice--news", "--"), "alice");
});

Deno.test("withoutTag() gives null where there is no user, no tag or no delimiter", () => {
  assertEquals(strip("alice"), undefined);
  assertEquals(strip("+news"), undefined);
  assertEquals(strip("alice+news", "-"), undefined);
  assertEquals(strip("alice+news", null), undefined);
  assertEquals(strip("alice+news", ""), undefined);
});
