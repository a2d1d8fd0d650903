/**
 * The schema as JSON Schema (draft-07, which all editors take), with what each key means, its default
 * and examples: for completion and checks while somebody writes a configuration.
 *
 * @module
 */

import { z } from "./packages.ts";
import { configSchema } from "./schema.ts";
import { unwrap } from "./schema_walk.ts";

/** The JSON Schema of a configuration. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, {
    target: "draft-7",
    io: "input",
    override: ({ zodSchema, jsonSchema }) => {
      // Defaults of durations and the like are kept as they are read, not as they are written.
      const given = unwrap(zodSchema).default;
      if (given !== undefined) jsonSchema.default = given as typeof jsonSchema.default;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return {
    ...schema,
    title: "yizhan.yaml",
    description: "The configuration of Yizhan, a mail server",
  };
}
