/**
 * The schema looked at from outside: which keys there are, what kind each is, its default and what is
 * said of it. What environment variables, hints, the list of defaults and the reference come from.
 *
 * @module
 */

import { z } from "./packages.ts";

/** A schema with what wraps it taken off. */
export interface Unwrapped {
  /** What is inside. */
  readonly schema: z.core.$ZodType;
  /** Whether the key may be left out. */
  readonly optional: boolean;
  readonly nullable: boolean;
  /** As it is written in a file; `undefined` where there is none. */
  readonly default: unknown;
}

// The kinds that the configuration is made of; the types of zod say them only one by one.
type Definition = {
  readonly type: string;
  readonly innerType?: z.core.$ZodType;
  readonly defaultValue?: unknown;
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly element?: z.core.$ZodType;
  readonly keyType?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
  readonly discriminator?: string;
  readonly in?: z.core.$ZodType;
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly unknown[];
};

/** What a schema is made of. */
export function definitionOf(schema: z.core.$ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}

/** Takes off defaults and the like. */
export function unwrap(schema: z.core.$ZodType): Unwrapped {
  let [optional, nullable] = [false, false];
  let given: unknown;
  for (;;) {
    const { type, innerType, defaultValue } = definitionOf(schema);
    if (innerType === undefined) return { schema, optional, nullable, default: given };
    if (type === "nullable") nullable = true;
    else optional = true;
    // The default of a codec is what is read, not what is written.
    if (type === "default") given ??= z.encode(innerType as z.ZodType, defaultValue);
    if (type === "prefault") given ??= defaultValue;
    schema = innerType;
  }
}

/** What is said of a schema, of itself or of what is inside. */
export function describeSchema(schema: z.core.$ZodType): string {
  return metaOf(schema, "description") as string | undefined ?? "";
}

/** What kind of value it is, in a word or two; `""` where that says nothing new. */
export function titleOf(schema: z.core.$ZodType): string {
  return metaOf(schema, "title") as string | undefined ?? "";
}

/** A text that fits, for people to see; `undefined` where none was given. */
export function exampleOf(schema: z.core.$ZodType): unknown {
  return (metaOf(schema, "examples") as readonly unknown[] | undefined)?.[0];
}

function metaOf(schema: z.core.$ZodType, name: string): unknown {
  for (let at: z.core.$ZodType | undefined = schema; at !== undefined;) {
    const found = z.globalRegistry.get(at)?.[name];
    if (found !== undefined) return found;
    const { innerType, in: input }: Definition = definitionOf(at);
    at = innerType ?? input;
  }
  return undefined;
}

/** The keys of a schema that is an object, by name; `null` for anything else. */
export function shapeOf(
  schema: z.core.$ZodType,
): Readonly<Record<string, z.core.$ZodType>> | null {
  return definitionOf(unwrap(schema).schema).shape ?? null;
}

/** What a choice (`via`) chooses by, and its kinds; `null` for anything else. */
export function choicesOf(
  schema: z.core.$ZodType,
): { readonly by: string; readonly kinds: ReadonlyMap<string, z.core.$ZodType> } | null {
  const { discriminator, options } = definitionOf(unwrap(schema).schema);
  if (discriminator === undefined || options === undefined) return null;
  const kinds = new Map<string, z.core.$ZodType>();
  for (const option of options) {
    const kind = shapeOf(option)?.[discriminator];
    if (kind !== undefined) kinds.set(String(definitionOf(kind).values?.[0]), option);
  }
  return { by: discriminator, kinds };
}

/** The schema of what stands at a path in a value, as far as there is one. */
export function schemaAt(
  schema: z.core.$ZodType,
  path: readonly PropertyKey[],
  value: unknown,
): z.core.$ZodType | null {
  let at: z.core.$ZodType | undefined = schema;
  for (const [index, part] of [...path, null].entries()) {
    const choices = choicesOf(at);
    if (choices !== null) {
      const kind = (value as Record<string, unknown> | null)?.[choices.by];
      at = choices.kinds.get(String(kind)) ?? at;
    }
    if (index === path.length) return at;
    const { shape, element, valueType }: Definition = definitionOf(unwrap(at).schema);
    at = shape?.[String(part)] ?? element ?? valueType;
    if (at === undefined) return null;
    value = (value as Record<PropertyKey, unknown> | null)?.[part!];
  }
  return null;
}

/** Every key that is not below a list or a table, sections among them, in order. */
export function listKeys(
  schema: z.core.$ZodType,
  above: readonly string[] = [],
): { readonly path: readonly string[]; readonly schema: z.core.$ZodType }[] {
  return Object.entries(shapeOf(schema) ?? {}).flatMap(([name, below]) => {
    const path = [...above, name];
    return [{ path, schema: below }, ...listKeys(below, path)];
  });
}
