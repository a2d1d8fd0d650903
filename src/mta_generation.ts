/**
 * All that is made of one set of options, as one value that never changes. A session takes the generation it began
 * with along to its end; a reload makes another one beside it, and when all of that is well the station goes on
 * with that. When its last session ends the garbage collector has the old one: nothing in it needs to be closed.
 *
 * What is common to all generations is in `mta_core.ts`; the parts are made by `mta_parts.ts`.
 *
 * @module
 */

import type { OutboundSettings } from "./delivery/outbound.ts";
import type { RunnerRules } from "./delivery/runner_rules.ts";
import type { IntakeServices } from "./intake/services.ts";
import type { StationCore } from "./mta_core.ts";
import { type MtaOptions, readNetwork, readPostmaster } from "./mta_options.ts";
import {
  connectionSettings,
  newDelivery,
  newRouter,
  newSenderIdentity,
  newSpaceGuard,
  ownStation,
} from "./mta_parts.ts";
import type { Network } from "./net_address.ts";
import { PolicyChain } from "./policy/chain.ts";
import type { Policy } from "./policy/policy.ts";
import type { LocalDelivery } from "./queue/local_delivery.ts";
import { RouteTable } from "./routing/route_table.ts";
import type { TlsServer } from "./runtime/tls.ts";
import { type ConnectionLimits, DEFAULT_CONNECTION_LIMITS } from "./server/listener.ts";
import type { WantedListener } from "./server/listener_set.ts";
import type { ConnectionServices, ConnectionSettings } from "./server/smtp_connection.ts";

/** What is made of options alone. */
export interface Draft {
  readonly options: MtaOptions;
  readonly routes: RouteTable;
  readonly tls: TlsServer | null;
  readonly relayFrom: readonly Network[];
  /** For each listener, in their order. */
  readonly settings: readonly ConnectionSettings[];
}

/** What a station goes by. */
export interface Generation {
  readonly options: MtaOptions;
  readonly tls: TlsServer | null;
  readonly delivery: LocalDelivery;
  /** What senders of forwarded mail are signed with, the newest first; none without a queue. */
  readonly srsSecrets: readonly string[];
  readonly intake: IntakeServices;
  readonly listeners: readonly WantedListener[];
  /** For mail out; `null` without a queue. */
  readonly mailOut: RunnerRules | null;
}

/**
 * Reads options that {@link checkOptions} has passed.
 *
 * @throws {TypeError} for routes, certificates, networks or listeners that cannot be; the message says which.
 */
export function draftGeneration(options: MtaOptions): Draft {
  const { runtime, certificates = [], listeners, relayFrom = [] } = options;
  const routes = new RouteTable(options.routes);
  const tls = certificates.length === 0 ? null : runtime.network.tlsServer({ certificates });
  return {
    ...{ options, routes, tls },
    relayFrom: relayFrom.map(readNetwork),
    settings: listeners.map((listener) => connectionSettings(listener, options, routes, tls)),
  };
}

/**
 * Makes a generation of a draft. It does nothing until it is used.
 *
 * @param before the one in force; `null` at the start.
 * @throws {TypeError} for a postmaster that cannot be; what the directory throws when it is asked about it, and
 * what the disk says when the secret of SRS cannot be read.
 */
export async function buildGeneration(
  { options, routes, tls, relayFrom, settings }: Draft,
  core: StationCore,
  before: Generation | null,
): Promise<Generation> {
  const { runtime: { clock, random }, hostname, directory, queue: queueOptions } = options;
  const { emit, queue } = core;
  const postmaster = await readPostmaster(options);
  const srsSecrets = queue === null || queueOptions === undefined
    ? []
    : await queue.srsSecrets(queueOptions, before?.srsSecrets ?? []);
  const router = newRouter(options, postmaster, srsSecrets);
  const delivery = before !== null && sameDelivery(before.options, options)
    ? before.delivery
    : newDelivery(options);
  const intake: IntakeServices = {
    ...{ hostname, clock, random, directory, router, delivery, relayFrom, emit },
    bodies: core.bodies,
    policies: new PolicyChain([newSenderIdentity(options), ...options.policies ?? []], clock),
    space: newSpaceGuard(options),
    queue: queue && {
      ...{ store: queue.store, routes },
      start: (domain) => {
        queue.startDomain(domain);
        options.onTurn?.(domain);
      },
    },
  };
  const services = connectionServices(core, intake);
  const { retry, limits, paused } = queueOptions ?? {};
  const mailOut: OutboundSettings = {
    ...{ hostname, router, routes, delivery },
    own: () => ownStation(options, core.listeners.current),
    srsSecret: srsSecrets[0] ?? "",
    ...(postmaster && { postmaster }),
    ...(options.subaddressDelimiter !== undefined &&
      { subaddressDelimiter: options.subaddressDelimiter }),
    ...(retry && { retry }),
    ...(limits && { limits }),
    ...(paused && { paused }),
    ...(options.guards && { guards: options.guards }),
    ...noticeFields(options.policies ?? []),
  };
  return {
    ...{ options, tls, delivery, srsSecrets, intake },
    listeners: options.listeners.map((listener, index) => ({
      address: listener.address,
      plan: { services, settings: settings[index]!, limits: connectionLimits(listener) },
    })),
    mailOut: queue && queue.rules(mailOut),
  };
}

/** What policies put on top of notices; each sees what those before it have put there. */
function noticeFields(policies: readonly Policy[]): Pick<OutboundSettings, "fieldsFor"> {
  const asked = policies.filter(({ notice }) => notice !== undefined);
  if (asked.length === 0) return {};
  return {
    async fieldsFor(notice) {
      let fields = notice.fields;
      for (const policy of asked) {
        fields = [...await policy.notice!({ ...notice, fields }), ...fields];
      }
      return fields.slice(0, fields.length - notice.fields.length);
    },
  };
}

function connectionServices(
  { runtime: { clock }, deadlines, moments, buffers, tracer, nonce, emit }: StationCore,
  intake: IntakeServices,
): ConnectionServices {
  return { intake, deadlines, moments, buffers, tracer, clock, nonce, emit };
}

function connectionLimits(
  {
    connections = DEFAULT_CONNECTION_LIMITS.connections,
    connectionsPerClient = DEFAULT_CONNECTION_LIMITS.connectionsPerClient,
  }: Partial<ConnectionLimits>,
): ConnectionLimits {
  return { connections, connectionsPerClient };
}

/** Whether mailboxes are where they were: quotas are reckoned, and writes kept in bounds, by one for all. */
function sameDelivery(before: MtaOptions, after: MtaOptions): boolean {
  const rootOf = ({ delivery }: MtaOptions) =>
    "maildirRoot" in delivery ? delivery.maildirRoot : delivery;
  return rootOf(before) === rootOf(after) && before.hostname === after.hostname;
}
