import { assertEquals } from "@std/assert";
import { configJsonSchema } from "../../src/config/json_schema.ts";

// deno-lint-ignore no-explicit-any
const schema = configJsonSchema() as any;

Deno.test("configJsonSchema() has what editors show: meanings, defaults as written, names", () => {
  assertEquals(schema.$schema, "http://json-schema.org/draft-07/schema#");
  assertEquals(schema.required, ["hostname", "listeners"]);
  assertEquals(schema.additionalProperties, false);
  const { first } = schema.properties.queue.properties.retry.properties;
  assertEquals([first.type, first.default], ["string", "6m"]);
  assertEquals(first.description, "From the first attempt to the second");
  assertEquals(schema.properties.limits.properties.messageSize.default, "50M");
  const { role, address } = schema.properties.listeners.items.properties;
  assertEquals(role.enum, ["mx", "submission", "submissions", "lmtp"]);
  assertEquals(address.examples.includes("[::]:25"), true);
});

Deno.test("configJsonSchema() wants no key that has a default, at any depth", () => {
  const wrong: string[] = [];
  const look = (node: unknown, path: string) => {
    if (typeof node !== "object" || node === null) return;
    const { properties = {}, required = [] } = node as {
      properties?: Record<string, { default?: unknown }>;
      required?: string[];
    };
    for (const key of required) {
      if (properties[key]?.default !== undefined) wrong.push(`${path}.${key}`);
    }
    for (const [key, below] of Object.entries(node)) look(below, `${path}.${key}`);
  };
  look(schema, "");
  assertEquals(wrong, []);
});
