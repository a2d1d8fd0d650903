/**
 * A station that is only asked what it would do: the parts of a real one, made from the same options by the same
 * functions, over a disk that is only looked at. Nothing listens, nothing is queued, nobody is connected to.
 *
 * What fails: options that cannot be, as `startMta` says it ({@link TypeError}). A listener that could not
 * start is told as such.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { OwnStation } from "../delivery/mx.ts";
import type { Account, Directory } from "../directory/directory.ts";
import type { MtaFact } from "../events.ts";
import type { IntakeServices } from "../intake/services.ts";
import {
  connectionSettings,
  newBodyStore,
  newDelivery,
  newRouter,
  newSenderIdentity,
  newSpaceGuard,
  ownStation,
} from "../mta_parts.ts";
import {
  checkOptions,
  type ListenerOptions,
  type MtaOptions,
  readNetwork,
  readPostmaster,
} from "../mta_options.ts";
import { queueFolder } from "../mta_queue.ts";
import { PolicyChain } from "../policy/chain.ts";
import { MemoryStore } from "../queue/memory_store.ts";
import { retrySchedules, type ScheduleFor } from "../queue/retry.ts";
import { RouteTable } from "../routing/route_table.ts";
import type { Router } from "../routing/router.ts";
import { readSrsSecret } from "../routing/srs_secret.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TlsServer } from "../runtime/tls.ts";
import type { ConnectionSettings } from "../server/smtp_connection.ts";
import { readOnlyFiles } from "./read_only_files.ts";

/** A listener as it would be, or why it could not. */
export interface ExplainedListener {
  readonly options: ListenerOptions;
  readonly settings: ConnectionSettings | { readonly wrong: string };
}

/** What is asked. */
export interface ExplainedStation {
  readonly options: MtaOptions;
  readonly runtime: Runtime;
  readonly listeners: readonly ExplainedListener[];
  readonly router: Router;
  readonly routes: RouteTable;
  readonly own: OwnStation;
  readonly scheduleFor: ScheduleFor;
  /** What rewritten senders are signed with. */
  readonly srsSecret: string;
  /** Whether the secret is not the station's own: its file is not there yet, or cannot be read. */
  readonly srsGuessed: boolean;
  /** For a conversation; `emit` gets its events. */
  intake(emit: (fact: MtaFact) => void): IntakeServices;
}

/**
 * Makes it.
 *
 * @throws {TypeError} as `startMta`.
 */
export async function explainedStation(given: MtaOptions): Promise<ExplainedStation> {
  checkOptions(given);
  const runtime = { ...given.runtime, files: readOnlyFiles(given.runtime.files) };
  const options: MtaOptions = { ...given, runtime };
  const { hostname, directory, queue, listeners } = options;
  const { clock, random } = runtime;
  const routes = new RouteTable(options.routes);
  const postmaster = await readPostmaster(options);
  const found = await findSecret(options);
  const srsSecret = found ?? "not the secret of this station";
  const router = newRouter(options, postmaster, queue === undefined ? [] : [srsSecret]);
  const relayFrom = (options.relayFrom ?? []).map(readNetwork);
  const policies = [newSenderIdentity(options), ...options.policies ?? []];
  // Nothing is added to it: a rehearsal ends before the message.
  const store = new MemoryStore({ clock });
  const shared = {
    ...{ hostname, clock, random, router, relayFrom },
    directory: trusting(directory),
    policies: new PolicyChain(policies, clock),
    delivery: newDelivery(options),
    bodies: newBodyStore(options),
    space: newSpaceGuard(options),
    queue: queue === undefined ? null : { store, routes, start: () => {} },
  };
  return {
    ...{ options, runtime, router, routes, srsSecret },
    srsGuessed: found === null,
    listeners: listeners.map((one) => ({
      options: one,
      settings: settingsOf(one, options, routes),
    })),
    own: ownStation(options, listeners),
    scheduleFor: retrySchedules(queue?.retry),
    intake: (emit) => ({ ...shared, emit }),
  };
}

function settingsOf(
  listener: ListenerOptions,
  options: MtaOptions,
  routes: RouteTable,
): ExplainedListener["settings"] {
  const certificates = options.certificates ?? [];
  // No handshake is made with it.
  const tls: TlsServer | null = certificates.length === 0 ? null : { replace: () => {} };
  try {
    return connectionSettings(listener, options, routes, tls);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { wrong: error.message };
  }
}

async function findSecret({ queue, runtime: { files } }: MtaOptions): Promise<string | null> {
  if (queue?.srsSecret !== undefined) return queue.srsSecret;
  const folder = queueFolder(queue);
  if (folder === null) return null;
  return await readSrsSecret(files, `${folder}/srs.key`).catch(() => null);
}

/** The directory, to whom every password is right of those who can log in. */
function trusting(directory: Directory): Directory {
  return {
    isLocalDomain: (domain) => directory.isLocalDomain(domain),
    lookup: (address) => directory.lookup(address),
    catchAll: (domain) => directory.catchAll?.(domain) ?? null,
    verify: (name) => accountOf(directory, name),
    maySendAs: (account, address) => directory.maySendAs(account, address),
  };
}

/** Who logs in by a name; `null` where nobody can. A directory without SCRAM does not tell: anybody then. */
export async function accountOf(directory: Directory, name: string): Promise<Account | null> {
  if (directory.scramVerifier === undefined) return { name };
  return (await directory.scramVerifier(name)).account;
}

/** Whether an address is a mailbox of ours under just that name. */
export async function isMailbox(directory: Directory, address: Address): Promise<boolean> {
  return (await directory.lookup(address))?.kind === "mailbox";
}
