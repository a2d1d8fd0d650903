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

/** An account with an authority. */
export interface Account {
  /** The URL of the authority's directory. */
  readonly directory: string;
  /** Its key, PEM. */
  readonly key: string;
  /** Its own URL; an authority takes it ill to be told of an account again and again. */
  readonly url: string;
}

/** The authority, and who asks it. */
export interface AuthorityOptions {
  /** The URL of its directory. */
  readonly directory: string;
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
async function loadLibrary({ authorities = [] }: Pick<AuthorityOptions, "authorities">) {
  // Named inline: a program that is run by URL has no import map.
  // deno-lint-ignore no-import-prefix
  const { default: acme } = await import("npm:acme-client@5.4.0");
  if (authorities.length > 0) {
    acme.axios.defaults.httpsAgent = new Agent({ ca: [...authorities] });
  }
  return acme;
}

/** Opens an account, with a key of its own (EC P-256). */
export async function openAccount(options: AuthorityOptions): Promise<Account> {
  const { directory, contact } = options;
  const acme = await loadLibrary(options);
  const key = (await acme.crypto.createPrivateEcdsaKey("P-256")).toString();
  const client = new acme.Client({ directoryUrl: directory, accountKey: key });
  await client.createAccount({
    // Who writes acme.agreeToTerms in the configuration has said so.
    termsOfServiceAgreed: true,
    ...(contact !== undefined && { contact: [`mailto:${contact}`] }),
  });
  return { directory, key, url: client.getAccountUrl() };
}

/** Orders a certificate for one name, with a key of its own (EC P-256). It takes seconds, or a minute. */
export async function orderCertificate(
  options: AuthorityOptions,
  account: Account,
  name: string,
): Promise<TlsCertificate> {
  const { challenge } = options;
  const acme = await loadLibrary(options);
  const client = new acme.Client({
    directoryUrl: account.directory,
    accountKey: account.key,
    accountUrl: account.url,
  });
  const key = await acme.crypto.createPrivateEcdsaKey("P-256");
  const [, csr] = await acme.crypto.createCsr({ altNames: [name] }, key);
  const certificate = await client.auto({
    csr,
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
