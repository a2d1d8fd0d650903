/**
 * The TXT record by which a domain says that it has an MTA-STS policy, and which (RFC 8461 §3.1). It is no promise of
 * anything: it tells when to fetch the policy again. Pure.
 *
 * @module
 */

/** What the TXT records of `_mta-sts.DOMAIN` say. */
export type StsRecord =
  /** There is a policy; another one has another id. */
  | { readonly id: string }
  /** No policy is to be looked for, since the record is wrong; in words. */
  | { readonly fault: string };

const VERSION = /^v=STSv1[ \t]*;/;
const ID = /^[A-Za-z0-9]{1,32}$/;
/** RFC 8461 §3.1: `sts-ext-name "=" sts-ext-value`. */
const EXTENSION = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]+$/;

/**
 * Reads the TXT records of `_mta-sts.DOMAIN`; `null` where none speaks of MTA-STS.
 *
 * @example
 * ```ts
 * import { parseStsRecord } from "./record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseStsRecord(["v=STSv1; id=20160831085700Z;"]), { id: "20160831085700Z" });
 * assertEquals(parseStsRecord(["v=spf1 -all"]), null);
 * ```
 */
export function parseStsRecord(texts: readonly string[]): StsRecord | null {
  const records = texts.filter((text) => VERSION.test(text));
  if (records.length === 0) return null;
  // More than one is as none at all (§3.1): nobody could tell which of them is meant.
  if (records.length > 1) return { fault: "there are several records v=STSv1" };
  const fields = records[0]!.split(";").slice(1).map((field) =>
    field.replace(/^[ \t]+|[ \t]+$/g, "")
  );
  if (fields.at(-1) === "") fields.pop();
  let id: string | undefined;
  for (const field of fields) {
    if (field.startsWith("id=")) {
      if (id !== undefined) return { fault: "it has several ids" };
      id = field.slice(3);
      if (!ID.test(id)) return { fault: "its id is none: 1 to 32 letters and digits are" };
    } else if (!EXTENSION.test(field)) {
      return { fault: "it has a field that is none" };
    }
  }
  return id === undefined ? { fault: "it has no id" } : { id };
}
