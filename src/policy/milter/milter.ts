/**
 * A policy that asks a milter: a filter that speaks the protocol of sendmail's libmilter, such as rspamd, OpenDKIM or
 * clamav-milter. It may refuse, put off or drop mail at every step, and at the end change all of it. Several filters
 * are several policies, asked in their order; each sees what those before have changed.
 *
 * It concerns all clients of the roles it is for, also those who have logged in (whose mail a filter may sign), and
 * what the program itself submits. A filter hears of a client once that wants to send something (MAIL), of the envelope
 * as it comes, of the content when it is whole. It sees no command that we do not know.
 *
 * What fails: a filter that is down, slow or does not keep to the protocol, however ill it behaves, counts as
 * `onTrouble` for the message, with the event `policy.failed`; the next MAIL tries again.
 *
 * @module
 */

import type { Network, SocketAddress } from "../../runtime/network.ts";
import type { Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { reply } from "../../smtp/reply.ts";
import type { Policy, SessionView, Verdict } from "../policy.ts";
import { SessionMemory } from "../session_memory.ts";
import { DEFAULT_MILTER_TIMEOUTS, LONGEST, type MilterTimeouts } from "./link.ts";
import { DEFAULT_CONNECTIONS, Places } from "./places.ts";
import { MilterSession, type MilterSetting } from "./session.ts";

/** Which filter, and what holds without it. */
export interface MilterOptions {
  /** Its name, for logs. Default `milter`. */
  readonly name?: string;
  /** Where it listens. */
  readonly address: SocketAddress;
  /** Our own name, which filters are told, and put into Authentication-Results. */
  readonly hostname: string;
  /** Milliseconds each wait may last; default {@link DEFAULT_MILTER_TIMEOUTS}. */
  readonly timeouts?: Partial<MilterTimeouts>;
  /** Links at once; see `places.ts`. Default {@link DEFAULT_CONNECTIONS}. */
  readonly connections?: number;
  /** What a message is answered of which the filter failed; default `defer`: 451 4.7.1. */
  readonly onTrouble?: MilterTrouble;
  /** The roles of listeners whose mail it sees (`submit` is the program itself); default: all. */
  readonly roles?: readonly string[];
}

/** What is done without the filter. */
export type MilterTrouble = "accept" | "defer" | "reject";

/** What the policy needs of the machine; without a resolver filters are told no names of clients. */
export interface MilterServices {
  /** Connects to it. */
  readonly network: Network;
  /** Tells the time. */
  readonly clock: Clock;
  /** Answers for DNS. */
  readonly resolver?: Resolver;
}

/** Milliseconds, at most, that DNS takes, and all that is no wait for the filter. */
const BESIDE = 10_000;

const TROUBLES: Readonly<Record<MilterTrouble, Verdict>> = {
  accept: { action: "accept" },
  defer: {
    action: "defer",
    reply: reply(451, "4.7.1", "a filter is not available now: try again later"),
  },
  reject: { action: "reject", reply: reply(550, "5.7.1", "a filter is not available") },
};

/**
 * The policy.
 *
 * @example
 * ```ts
 * import { milter } from "./milter.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const { network, clock } = memoryRuntime();
 * const policy = milter({
 *   address: { transport: "unix", path: "/run/opendkim.sock" },
 *   hostname: "mx.example.org",
 * }, { network, clock });
 * const session = {
 *   ...{ id: "1", role: "mx", client: "192.0.2.1", hello: "client.example", tls: null },
 *   ...{ identity: null, trusted: false },
 * };
 * // Nobody listens there.
 * await assertRejects(async () => await policy.sender?.(session, null), Error, "opendkim.sock");
 * assertEquals(policy.onFailure?.action, "defer");
 * ```
 */
export function milter(options: MilterOptions, services: MilterServices): Policy {
  const { name = "milter", address, hostname, roles } = options;
  const { connections = DEFAULT_CONNECTIONS } = options;
  const timeouts = { ...DEFAULT_MILTER_TIMEOUTS, ...options.timeouts };
  const onTrouble = TROUBLES[options.onTrouble ?? "defer"];
  const setting: MilterSetting = {
    ...{ address, hostname, services, onTrouble, timeouts },
    places: new Places(connections, services.clock),
  };
  const sessions = new SessionMemory<MilterSession>((forgotten) => forgotten.close());

  const of = (view: SessionView): MilterSession | undefined => {
    if (roles !== undefined && !roles.includes(view.role)) return undefined;
    const known = sessions.get(view);
    if (known !== undefined) return known;
    const session = new MilterSession(setting);
    sessions.set(view, session);
    return session;
  };

  return {
    name,
    onFailure: onTrouble,
    // Ours runs out first: a place, a connection, an agreement, and the talk.
    timeout: 3 * timeouts.connect + LONGEST + BESIDE,
    sender: (session, sender, parameters) => of(session)?.sender(session, sender, parameters),
    recipient: (session, recipient, envelope) =>
      of(session)?.recipient(session, recipient, envelope),
    message: (message) => of(message.session)?.message(message),
    refused(session, { stage, address, reply, policy }) {
      if (stage !== "recipient" || policy === name || !address) return;
      return sessions.get(session)?.refusedRecipient(session, address, reply);
    },
    close(session) {
      sessions.drop(session)?.close();
    },
  };
}
