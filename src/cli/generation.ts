/**
 * What a running server has of one configuration: its users, certificates, keys and policies, and the options of its
 * station. It is built whole beside the one in force; nothing of it runs before it takes over.
 *
 * What fails: {@link buildGeneration} throws for whatever cannot be used, and what was in force is as it was.
 *
 * @module
 */

import process from "node:process";
import { restartKeys } from "../config/changes.ts";
import type { LoadedConfig } from "../config/load.ts";
import { acmeFolder } from "../config/paths.ts";
import { formatProblem } from "../config/problems.ts";
import { buildPolicies, policyPlan } from "../config/policies/build.ts";
import { secretText } from "../config/secrets.ts";
import { acmeNames } from "../config/site.ts";
import { stationOptions } from "../config/station.ts";
import { type FileDirectory, openFileDirectory } from "../directory/file_directory.ts";
import type { EventSink } from "../events.ts";
import type { MtaOptions } from "../mta_options.ts";
import type { Ledger } from "../policy/ledger/ledger.ts";
import type { Files } from "../runtime/files.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TlsCertificate } from "../runtime/tls.ts";
import { acmeAuthority } from "./acme/authority.ts";
import { reasonOf } from "./acme/certificate_store.ts";
import { canProve, ManagedCertificates, managedPaths } from "./acme/managed_certificates.ts";
import type { Proofs } from "./acme/proofs.ts";
import { CertificateFiles } from "./certificate_files.ts";
import { CommandError, EXIT } from "./exit.ts";
import { policyServices } from "./policy_services.ts";
import type { CountingObserver } from "./dmarc_observer.ts";
import type { RoadGuards } from "./road_guards.ts";
import { ServedKeys } from "./served_keys.ts";
import { say, warn } from "./terminal.ts";
import { describeError, explainFailure } from "./trouble.ts";
import { shareOf, sharePolicies } from "./workers/shares.ts";

/** What belongs to one configuration. */
export interface Generation {
  readonly loaded: LoadedConfig;
  readonly directory: FileDirectory;
  readonly certificates: CertificateFiles;
  /** What was read from their files last. */
  inForce: readonly TlsCertificate[];
  readonly keys: ServedKeys;
  /** Those it gets by itself; `null`: none. */
  readonly managed: ManagedCertificates | null;
  readonly options: MtaOptions;
}

/** What is the same for every configuration. */
export interface GenerationOptions extends Pick<MtaOptions, "onTurn"> {
  /** The machine, for what stands around the station. */
  readonly runtime: Runtime;
  /** The same for the station: it may share its addresses with others. */
  readonly stationRuntime: Runtime;
  /** How many serve: this thread, and the others. */
  readonly workers: number;
  readonly onEvent: EventSink;
  /** What policies remember, of all that serve. */
  readonly ledger: Ledger;
  /** What guards the road of mail out; `null`: none goes out. */
  readonly road: RoadGuards | null;
  /** What counts mail in the name of others; `null`: no report could be sent. */
  readonly observer: CountingObserver | null;
  readonly proofs: Proofs;
  /** A certificate was renewed. */
  readonly onRenewed: () => Promise<void>;
}

/** Makes what belongs to a configuration; nothing runs of it yet. */
export async function buildGeneration(
  given: GenerationOptions,
  loaded: LoadedConfig,
): Promise<Generation> {
  const { runtime, stationRuntime, workers, ledger, road, observer, onEvent, onTurn } = given;
  const { config, paths } = loaded;
  await demandUsers(runtime.files, paths.users);
  const directory = await openFileDirectory({
    ...runtime,
    path: paths.users,
    domains: config.domains,
    onChange: () => say("users reloaded"),
    onTrouble: (error) => warn(`the users stay as they were: ${explain(error)}`),
  });
  const managed = manage(given, loaded);
  await managed?.prepare();
  const certificates = new CertificateFiles([
    ...config.tls.certificates,
    ...managedPaths(acmeFolder(paths), acmeNames(config)),
  ], runtime.files);
  const inForce = await certificates.load();
  const keys = await ServedKeys.load(runtime.files, loaded);
  const station = shareOf(stationOptions(loaded), workers);
  const policies = sharePolicies(policyPlan(config), workers);
  const options: MtaOptions = {
    ...station,
    ...{ runtime: stationRuntime, directory, onEvent, onTurn, certificates: inForce },
    ...(road && { guards: road.guards }),
    policies: buildPolicies(
      policies,
      policyServices(runtime, ledger, onEvent, keys.signing, observer?.observe),
    ),
    ...(station.queue && { queue: { ...station.queue, pid: process.pid } as MtaOptions["queue"] }),
  };
  return { loaded, directory, certificates, inForce, keys, managed, options };
}

/** What gets certificates by ACME, where the configuration says so. */
function manage(
  { runtime: { files, clock, random, programs }, proofs, onRenewed }: GenerationOptions,
  { config, paths, authorities }: LoadedConfig,
): ManagedCertificates | null {
  const { acme } = config;
  if (acme === undefined) return null;
  const { directory, challenge, dnsHook, contact, externalAccount, renewBefore, reuseKey } = acme;
  if (!canProve(challenge)) {
    const advice = "use http-01 or dns-01, or the single binary, which can";
    throw new CommandError(
      EXIT.config,
      `acme.challenge: Deno's TLS cannot do ${challenge}: ${advice}`,
    );
  }
  const authority = acmeAuthority({
    ...{ programs, clock, proofs, directory, challenge },
    ...(dnsHook !== undefined && { dnsHook }),
    ...(contact !== undefined && { contact }),
    ...(externalAccount && {
      externalAccount: { ...externalAccount, hmacKey: secretText(externalAccount.hmacKey) },
    }),
    authorities: acme.authorities.map((path) => authorities.get(path) ?? ""),
    onTrouble: (error) => warn(`acme: ${reasonOf(describeError(error))}`),
  });
  return new ManagedCertificates({
    ...{ authority, directory, files, clock, random, renewBefore, reuseKey },
    ...(externalAccount && { boundTo: externalAccount.keyId }),
    folder: acmeFolder(paths),
    names: acmeNames(config),
    onRenewed: async (name) => {
      say(`a new certificate for ${name}`);
      await onRenewed();
    },
    onTrouble: warn,
  });
}

async function demandUsers(files: Files, path: string): Promise<void> {
  if (await files.stat(path, { follow: true }) !== null) return;
  const advice = "make it with: yizhan user add you@example.org";
  throw new CommandError(EXIT.noInput, `users: ${path} does not exist; ${advice}`);
}

/** @throws {CommandError} for changes that a running station cannot make. */
export function demandSame(old: LoadedConfig, next: LoadedConfig): void {
  const keys = restartKeys(old, next);
  if (keys.length === 0) return;
  throw new CommandError(
    EXIT.config,
    keys.map((key) => formatProblem(next.at(key, "has changed, which takes a restart"))).join("\n"),
  );
}

/** Why something cannot be used, a line for each problem. */
export function explain(error: unknown): string {
  return explainFailure("cannot be used", error)?.message ?? describeError(error);
}
