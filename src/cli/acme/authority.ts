/**
 * Certificates from an authority by ACME (RFC 8555). The protocol is the business of `npm:acme-client`, which is named
 * here only and loaded only when the authority is asked; what is ours is how a name is proved, and that nothing is
 * asked twice: when to ask again is for others to say.
 *
 * What fails: whatever the authority, the way to it or the hook says, thrown as it is said; what takes too long.
 *
 * @module
 */

import { Agent } from "node:https";
import type { Programs } from "../../runtime/programs.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { TlsCertificate } from "../../runtime/tls.ts";
import { runDnsHook } from "./dns_hook.ts";
import type { Proofs } from "./proofs.ts";
import { readRenewalInfo, type RenewalInfo } from "./renewal_info.ts";

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
  /** The key id of the customer's account that it was bound to, where it was. */
  readonly boundTo?: string;
}

/** An account that the authority's customer has beside, in whose name this one is opened (RFC 8555 §7.3.4). */
export interface ExternalAccount {
  readonly keyId: string;
  /** base64url. */
  readonly hmacKey: string;
}

/** Who gives certificates. */
export interface Authority {
  /** Opens an account: with this key, or one of its own. An account that the key has already is found again. */
  openAccount(key: string | null, signal: AbortSignal): Promise<Account>;
  /** Orders a certificate for one name: for this key (PEM), or a new one. It takes seconds, or minutes. */
  order(
    account: Account,
    name: string,
    key: string | null,
    signal: AbortSignal,
  ): Promise<TlsCertificate>;
  /** When it wants a certificate renewed, by what that is called; `null` where it does not say (RFC 9773). */
  renewalInfo(id: string, signal: AbortSignal): Promise<RenewalInfo | null>;
}

/** The authority, and who asks it. */
export interface AuthorityOptions {
  /** The URL of its directory. */
  readonly directory: string;
  /** Whom it may write to. */
  readonly contact?: string;
  /** Where it opens accounts for its customers only. */
  readonly externalAccount?: ExternalAccount;
  readonly challenge: Challenge;
  /** The program that publishes a TXT record, for `dns-01`. */
  readonly dnsHook?: string;
  /** Roots to trust for its directory, PEM; absent: the system's. */
  readonly authorities?: readonly string[];
  readonly proofs: Proofs;
  readonly programs: Programs;
  readonly clock: Pick<Clock, "now">;
  /** What went wrong and does not keep a certificate from being given. */
  readonly onTrouble: (error: unknown) => void;
}

/** Milliseconds for one answer of the authority. */
const PATIENCE = 60_000;
/** Octets of one answer. */
const ANSWER_LIMIT = 1024 * 1024;

/** An authority that is asked over the network. */
export function acmeAuthority(options: AuthorityOptions): Authority {
  return {
    openAccount: (key, signal) => unless(signal, openAccount(options, key)),
    order: (account, name, key, signal) =>
      unless(signal, order(options, account, { name, key }, signal)),
    renewalInfo: (id, signal) => unless(signal, askRenewalInfo(options, id)),
  };
}

/** What a promise gives, unless a signal comes first: the library knows of none. */
async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, aborted]);
  } catch (error) {
    throw withCause(error);
  } finally {
    signal.removeEventListener("abort", onAbort);
    work.catch(() => {}); // nobody waits for it any more
  }
}

/** The words of an answer that did not come hide why: in the last of its causes. */
function withCause(error: unknown): unknown {
  let cause = error;
  for (
    let depth = 0;
    depth < 5 && cause instanceof Error && cause.cause instanceof Error;
    depth++
  ) {
    cause = cause.cause;
  }
  if (cause === error || !(error instanceof Error)) return error;
  return new Error(`${error.message}: ${(cause as Error).message}`, { cause: error });
}

/**
 * Loads the library, where it is not yet: once it is, its files need not be read any more. It reads the whole
 * environment, see `serve_needs.ts`.
 */
export async function loadAcmeLibrary() {
  // Named inline: a program that is run by URL has no import map.
  // deno-lint-ignore no-import-prefix
  return (await import("npm:acme-client@5.4.0")).default;
}

/** The library, as it shall ask. */
async function loadLibrary({ authorities = [] }: AuthorityOptions) {
  const acme = await loadAcmeLibrary();
  const { defaults, interceptors } = acme.axios;
  // It would ask again by itself, for as long as the authority says, and lose why there was no answer.
  interceptors.request.clear();
  interceptors.response.clear();
  Object.assign(defaults, { timeout: PATIENCE, maxContentLength: ANSWER_LIMIT, maxRedirects: 2 });
  // By `node:https` the system's roots take all of Deno's `--allow-sys`; by `fetch` they take nothing.
  const own = authorities.length > 0;
  defaults.adapter = own ? "http" : "fetch";
  defaults.httpsAgent = own ? new Agent({ ca: [...authorities] }) : undefined;
  return acme;
}

async function openAccount(options: AuthorityOptions, kept: string | null): Promise<Account> {
  const { directory, contact, externalAccount: bound } = options;
  const acme = await loadLibrary(options);
  const key = kept ?? (await acme.crypto.createPrivateEcdsaKey("P-256")).toString();
  const client = new acme.Client({
    ...{ directoryUrl: directory, accountKey: key },
    ...(bound && { externalAccountBinding: { kid: bound.keyId, hmacKey: bound.hmacKey } }),
  });
  const create = () =>
    client.createAccount({
      // Who writes acme.agreeToTerms in the configuration has said so.
      termsOfServiceAgreed: true,
      ...(contact !== undefined && { contact: [`mailto:${contact}`] }),
    });
  // A binding is good once only with some: an account that is there is looked for without it (RFC 8555 §7.3.1).
  if (bound === undefined || kept === null) await create();
  else await client.createAccount({ onlyReturnExisting: true }).catch(create);
  return {
    ...{ directory, key, url: client.getAccountUrl() },
    ...(bound && { boundTo: bound.keyId }),
  };
}

async function order(
  options: AuthorityOptions,
  account: Account,
  wanted: { readonly name: string; readonly key: string | null },
  signal: AbortSignal,
): Promise<TlsCertificate> {
  const { challenge, proofs, onTrouble } = options;
  const acme = await loadLibrary(options);
  const client = new acme.Client({
    directoryUrl: account.directory,
    accountKey: account.key,
    accountUrl: account.url,
    // It looks whether the authority is done: after a second, two, … half a minute.
    ...{ backoffMin: 1000, backoffMax: 30_000, backoffAttempts: 15 },
  });
  const key = wanted.key ?? (await acme.crypto.createPrivateEcdsaKey("P-256")).toString();
  const [, csr] = await acme.crypto.createCsr({ altNames: [wanted.name] }, key);
  const certificate = await client.auto({
    csr,
    // To look by ourselves first would be to ask our own name from inside, which often leads elsewhere.
    skipChallengeVerification: true,
    challengePriority: [challenge],
    challengeCreateFn: async (authorization, { type: given, token }, answer) => {
      const type: string = given; // its types know two of the three
      const of = authorization.identifier.value;
      signal.throwIfAborted();
      // The library takes another where the one that is wanted is not offered.
      if (type !== challenge) {
        throw new Error(`the authority does not offer ${challenge} for ${of}`);
      }
      if (type === "http-01") proofs.putText(token, answer);
      else if (type === "tls-alpn-01") {
        const [proofKey, proof] = await acme.crypto.createAlpnCertificate(authorization, answer);
        proofs.putCertificate(of, { certificate: proof.toString(), key: proofKey.toString() });
      } else await runDnsHook(options, "add", of, answer, signal);
    },
    challengeRemoveFn: async (authorization, { type, token }, answer) => {
      const of = authorization.identifier.value;
      proofs.remove(of, token);
      if (type !== "dns-01" || challenge !== "dns-01") return;
      // The library keeps it to itself.
      await runDnsHook(options, "remove", of, answer, signal).catch(onTrouble);
    },
  });
  return { certificate, key };
}

/** The library does not know of it; it takes two plain questions. */
async function askRenewalInfo(options: AuthorityOptions, id: string): Promise<RenewalInfo | null> {
  const { axios } = await loadLibrary(options);
  const { renewalInfo } = Object((await axios.get(options.directory)).data);
  if (typeof renewalInfo !== "string" || !renewalInfo.startsWith("https:")) return null;
  const { data, headers } = await axios.get(`${renewalInfo.replace(/\/$/, "")}/${id}`);
  return readRenewalInfo(data, headers["retry-after"], options.clock.now());
}
