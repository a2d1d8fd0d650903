/**
 * What may stand in a signature for who made it and what it covers (RFC 6376 §3.5): `d=`, `s=` and `h=`, of DKIM and of
 * ARC. Signers check it before they sign; a wrong name would be another tag, or a key that nobody finds.
 *
 * What fails: a name that cannot be throws a `TypeError`.
 *
 * @module
 */

const LABEL = "[a-z\\d](?:[a-z\\d_-]{0,61}[a-z\\d])?";
const DOMAIN = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`, "i");
const SELECTOR = /^(?=.{1,253}$)[a-z\d_](?:[a-z\d_.-]*[a-z\d_])?$/i;
/** RFC 5322 §2.2 but for the semicolon, which ends a tag. */
const FIELD_NAME = /^[!-9<-~]+$/;

/** Whether a text can be a domain in `d=` or `i=`: in A-labels, without a dot at its end. */
export function isSigningDomain(text: string): boolean {
  return DOMAIN.test(text);
}

/**
 * Whether somebody can sign by these names.
 *
 * @throws {TypeError} where not.
 *
 * @example
 * ```ts
 * import { checkSigner } from "./signer_names.ts";
 * import { assertThrows } from "@std/assert";
 *
 * checkSigner({ domain: "xn--bcher-kva.example", selector: "mail.2026" });
 * assertThrows(() => checkSigner({ domain: "bücher.example", selector: "mail" }), TypeError);
 * assertThrows(() => checkSigner({ domain: "example.org", selector: "mail; d=example.net" }), TypeError);
 * ```
 */
export function checkSigner(
  { domain, selector }: { readonly domain: string; readonly selector: string },
): void {
  if (!DOMAIN.test(domain)) throw new TypeError(`not a domain in A-labels: "${domain}"`);
  if (!SELECTOR.test(selector)) throw new TypeError(`not a selector: "${selector}"`);
}

/** Whether fields of these names can be signed. @throws {TypeError} where not. */
export function checkFieldNames(names: readonly string[]): void {
  if (!names.every((name) => FIELD_NAME.test(name))) throw new TypeError("not names of fields");
}
