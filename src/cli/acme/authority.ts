/**
 * One certificate from an authority by ACME (RFC 8555). The protocol is the business of `npm:acme-client`, which is named
 * here only and loaded only when a certificate is wanted; what is ours is how a name is proved.
 *
 * What fails: whatever the authority, the way to it or the hook says, thrown as it is said.
 *
 * @module
 */

import { Agent } from "node:https";
import { runDnsHook } from "./dns_hook.ts";
import type { Programs, TlsCertificate } from "../../runtime/runtime.ts";
import type { Proofs } from "./proofs.ts";

/** How names are proved. */
export type Challenge = "http-01" | "tls-alpn-01" | "dns-01";

/** The authority, and who asks it. */
export interface AuthorityOptions {
  /** The URL of its directory. */
  readonly directory: string;
  /** The key of our account there, PEM. */
  readonly accountKey: string;
  /** Whom it may write to. */
  readonly contact?: string;
  readonly challenge: Challenge;
  /** The program that publishes a TXT record, for `dns-01`. */
  readonly dnsHook?: string;
  /** Roots to trust for its directory, PEM; absent: the system's. */
  readonly authorities?: readonly string[];
  readonly proofs: Proofs;
  readonly programs: Programs;
}

/** Loads the library. It reads the whole environment, see `serve_needs.ts`. */
async function loadLibrary() {
  // Named inline: a program that is run by URL has no import map.
  // deno-lint-ignore no-import-prefix
  return (await import("npm:acme-client@5.4.0")).default;
}

/** A key for an account (EC P-256), PEM. */
export async function makeAccountKey(): Promise<string> {
  const { crypto } = await loadLibrary();
  return (await crypto.createPrivateEcdsaKey("P-256")).toString();
}

/** Orders a certificate for one name, with a key of its own (EC P-256). It takes seconds, or a minute. */
export async function orderCertificate(
  options: AuthorityOptions,
  name: string,
): Promise<TlsCertificate> {
  const { directory, accountKey, contact, challenge, authorities } = options;
  const acme = await loadLibrary();
  if (authorities !== undefined && authorities.length > 0) {
    acme.axios.defaults.httpsAgent = new Agent({ ca: [...authorities] });
  }
  const client = new acme.Client({ directoryUrl: directory, accountKey });
  const key = await acme.crypto.createPrivateEcdsaKey("P-256");
  const [, csr] = await acme.crypto.createCsr({ altNames: [name] }, key);
  const certificate = await client.auto({
    csr,
    ...(contact !== undefined && { email: contact }),
    // Who writes acme.agreeToTerms in the configuration has said so.
    termsOfServiceAgreed: true,
    // To look by ourselves first would be to ask our own name from inside, which often leads elsewhere.
    skipChallengeVerification: true,
    challengePriority: [challenge],
    challengeCreateFn: async (authorization, { type: given, token }, answer) => {
      const type: string = given; // its types know two of the three
      const of = authorization.identifier.value;
      if (type === "http-01") options.proofs.putText(token, answer);
      else if (type === "tls-alpn-01") {
        const [proofKey, proof] = await acme.crypto.createAlpnCertificate(authorization, answer);
        const pair = { certificate: proof.toString(), key: proofKey.toString() };
        options.proofs.putCertificate(of, pair);
      } else await runDnsHook(options, "add", of, answer);
    },
    challengeRemoveFn: async (authorization, { type, token }, answer) => {
      const of = authorization.identifier.value;
      options.proofs.remove(of, token);
      if (type === "dns-01") await runDnsHook(options, "remove", of, answer);
    },
  });
  return { certificate, key: key.toString() };
}
