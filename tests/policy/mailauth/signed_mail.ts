/**
 * Mail that is really signed, and the key record that goes with it, for tests of what receivers make of it.
 *
 * @module
 */

import { concat, decode, encode } from "../../../src/bytes.ts";
import { sealArc } from "../../../src/mailauth/arc/seal.ts";
import { BodyHashes } from "../../../src/mailauth/dkim/body_hashes.ts";
import { signDkim } from "../../../src/mailauth/dkim/sign.ts";
import { openSigningKey, type SigningKey } from "../../../src/mailauth/dkim/signing_key.ts";
import { parseFields } from "../../../src/message/header.ts";

/** RFC 8463 Appendix A.2. */
const PEM = "-----BEGIN PRIVATE KEY-----\n" +
  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" +
  "-----END PRIVATE KEY-----\n";

/** The record of the key, as RFC 8463 Appendix A.2 has it. */
export const KEY_RECORD = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/** The key. */
export async function testKey(): Promise<SigningKey> {
  const opened = await openSigningKey(PEM);
  if (opened.status !== "key") throw new Error(opened.reason);
  return opened.key;
}

/** What a message is made of, for who signs it. */
function partsOf(text: string) {
  const end = text.indexOf("\r\n\r\n") + 2;
  const hashes = new BodyHashes();
  const hash = hashes.want("relaxed", null);
  hashes.write(encode(text.slice(end + 2)));
  hashes.end();
  return { fields: parseFields(encode(text.slice(0, end))), hash };
}

/** The message as a station sealed it that saw what `results` says (RFC 8617); the selector is `s`. */
export async function sealed(
  text: string,
  domain: string,
  results: string,
  now: number,
): Promise<string> {
  const { fields, hash } = partsOf(text);
  const options = {
    results,
    domain,
    selector: "s",
    key: await testKey(),
    cv: "none",
    now,
  } as const;
  const set = await sealArc(fields, hash, options);
  return decode(concat([...set.map(({ raw }) => raw), encode(text)]));
}

/** The message with a signature of `domain` on top, made by the selector `s`. */
export async function signed(text: string, domain: string, now: number): Promise<string> {
  const { fields, hash } = partsOf(text);
  const field = await signDkim(fields, hash, { domain, selector: "s", key: await testKey(), now });
  return decode(concat([field.raw, encode(text)]));
}
