/**
 * Certificates: whose they are, for which names, in what order their chain is, until when they are good. That
 * they can be read and that the keys are theirs is for the configuration to say. Pure.
 *
 * @module
 */

import type { X509Certificate } from "node:crypto";
import { acmeNames } from "../../config/site.ts";
import { coversName, readChain } from "./certificate_chain.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning, error } = findingsOf("certificates");

const DAY = 86_400_000;
/** Renewals come a month before; who has missed that by so many days should look. */
const SOON = 14;

/** What is doubtful about the certificates. */
export function checkCertificates({ loaded, now }: Pick<CheckContext, "loaded" | "now">) {
  if (loaded === null) return [];
  const { config, certificates } = loaded;
  const ofAcme = acmeNames(config);
  if (config.tls.certificates.length === 0) {
    return ofAcme.length > 0 || config.listeners.every(({ role }) => role === "lmtp")
      ? []
      : [warning(
        "there is no certificate: mail comes in without TLS",
        "give tls.certificates, or get them by acme, from Let's Encrypt or your own authority",
      )];
  }
  // Those that could not be read are problems of the configuration.
  if (certificates.length < config.tls.certificates.length) return [];
  const findings = certificates.flatMap(({ certificate }, index) => {
    const file = config.tls.certificates[index]?.certificate ?? "";
    return checkCertificate(certificate, now).map((finding) => ({ ...finding, file }));
  });
  const chains = certificates.map(({ certificate }) => readChain(certificate)[0]);
  const covers = (leaf?: X509Certificate) =>
    leaf !== undefined && coversName(leaf, config.hostname);
  if (!chains.some(covers) && !ofAcme.includes(config.hostname.toLowerCase())) {
    findings.push({
      ...warning(
        `no certificate is for ${config.hostname}, the name that servers and users connect to`,
        "get one for that name; whoever verifies certificates does not connect otherwise",
      ),
      file: config.tls.certificates[0]!.certificate,
    });
  }
  return findings;
}

/**
 * What is doubtful about one chain.
 *
 * @param pem the certificate, then its intermediates. @param now epoch milliseconds.
 */
export function checkCertificate(pem: string, now: number): CheckFinding[] {
  const chain = readChain(pem);
  const leaf = chain[0];
  if (leaf === undefined) return [];
  const names = (leaf.subjectAltName ?? leaf.subject).replaceAll(/(?:DNS|IP Address):/g, "");
  const findings = [...checkTimes(leaf, now), ...checkChain(chain), ...checkKey(leaf)];
  if (findings.length > 0) return findings;
  const days = Math.floor((Date.parse(leaf.validTo) - now) / DAY);
  return [ok(`for ${names}: good for ${days} days, signed by ${issuerOf(leaf)}`)];
}

function checkTimes({ validFrom, validTo }: X509Certificate, now: number): CheckFinding[] {
  const renew = "renew it: certbot renew, or whatever made it";
  const expires = Date.parse(validTo);
  const days = Math.floor((expires - now) / DAY);
  const day = new Date(expires).toISOString().slice(0, 10);
  if (expires < now) return [error(`expired on ${day}`, renew)];
  if (Date.parse(validFrom) > now) {
    const since = new Date(Date.parse(validFrom)).toISOString().slice(0, 10);
    return [error(`is good only from ${since} on`, "is the clock of this machine right?")];
  }
  return days < SOON ? [warning(`expires on ${day}, in ${days} days`, renew)] : [];
}

function checkChain(chain: readonly X509Certificate[]): CheckFinding[] {
  const [leaf, ...above] = chain;
  if (leaf!.checkIssued(leaf!)) {
    return [warning(
      "is self-signed: whoever verifies certificates does not connect",
      "other servers mostly do not look, your users' programs do: get one from an authority",
    )];
  }
  if (leaf!.ca) {
    return [
      error("is that of an authority, not of a server", "put the server's certificate first"),
    ];
  }
  if (above.length === 0) {
    return [warning(
      `stands alone, without that of ${issuerOf(leaf!)}, which signed it`,
      "give the whole chain, such as fullchain.pem; needless only where that is a root all know",
    )];
  }
  const gap = chain.findIndex((one, index) =>
    index + 1 < chain.length && !one.checkIssued(chain[index + 1]!)
  );
  if (gap === -1) return [];
  const [lower, upper] = [subjectOf(chain[gap]!), subjectOf(chain[gap + 1]!)];
  return [warning(
    `the chain is out of order: ${upper} stands behind ${lower} and did not sign it`,
    "put each certificate before the one that signed it",
  )];
}

function checkKey({ publicKey }: X509Certificate): CheckFinding[] {
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? Infinity;
  if (publicKey.asymmetricKeyType !== "rsa" || bits >= 2048) return [];
  return [
    warning(`its RSA key has ${bits} bits, too few for these days`, "make one of 2048, or ECDSA"),
  ];
}

function issuerOf({ issuer }: X509Certificate): string {
  return nameIn(issuer);
}

function subjectOf({ subject }: X509Certificate): string {
  return nameIn(subject);
}

/** The common name, or all in one line. */
function nameIn(distinguished: string): string {
  return /^CN=(.*)$/m.exec(distinguished)?.[1] ?? distinguished.replaceAll("\n", ", ");
}
