/**
 * SMTP conversations over the control socket, followed while they go on.
 *
 * | `do` | fields | lines |
 * | --- | --- | --- |
 * | `trace` | one of `peer`, `id`, `listener`, `all` (switch); `limit` (lines), `for` (milliseconds) | `following` with `text`, then a `line` (a {@link TraceLine}) for each, and `lost` with how many `lines` came too fast; the end has `shown` and `lost` |
 *
 * It goes on until the client leaves, or until `limit` or `for` end it. What cannot come is refused at once: an
 * id that neither the queue nor an open session has, a listener that is none.
 *
 * @module
 */

import { parseDomain } from "../address.ts";
import { parseNetwork } from "../net_address.ts";
import type { Tracer } from "../observe/trace.ts";
import type { TraceFilter } from "../observe/trace_filter.ts";
import { queueMatcher } from "../queue/operator/queue_filter.ts";
import type { QueueControl } from "../queue/operator/queue_control.ts";
import type { Resolver } from "../runtime/resolver.ts";
import type { Clock } from "../runtime/runtime.ts";
import { ControlError, type ControlLine, type JsonObject } from "./control_protocol.ts";
import type { ControlCommand } from "./control_server.ts";

/** How long anybody may follow, in milliseconds: a week. */
const LONGEST = 7 * 86_400_000;

/** What conversations are followed with. */
export interface TraceServices {
  readonly tracer: Tracer;
  readonly clock: Clock;
  /** Finds the addresses of a host. */
  readonly resolver: Pick<Resolver, "a" | "aaaa">;
  /** The queue at this moment; `null` where there is none. */
  readonly queue: () => Pick<QueueControl, "show" | "list"> | null;
  /** The names of the listeners at this moment. */
  readonly listeners: () => readonly string[];
}

/** A filter, and what it means in words. */
interface Wanted {
  readonly filter: TraceFilter;
  readonly text: string;
}

/** The command, for a control server. */
export function traceCommands(services: TraceServices): Readonly<Record<string, ControlCommand>> {
  return { trace: (request, signal) => trace(services, request, signal) };
}

async function* trace(
  services: TraceServices,
  request: JsonObject,
  signal: AbortSignal,
): AsyncGenerator<ControlLine, JsonObject> {
  const limit = readNumber(request, "limit") ?? Infinity;
  const time = readNumber(request, "for", LONGEST);
  const { filter, text } = await readWanted(services, request, signal);
  using listener = services.tracer.listen(filter);
  if (listener === null) {
    throw new ControlError("busy", "too many follow conversations already; end one of them");
  }
  yield { type: "following", text };
  const over = new AbortController();
  const end = AbortSignal.any([signal, over.signal]);
  if (time !== undefined) services.clock.sleep(time, end).then(() => over.abort(), () => {});
  const counts = { shown: 0, lost: 0 };
  try {
    while (!over.signal.aborted) {
      for (const one of await listener.next(end)) {
        if ("lost" in one) {
          counts.lost += one.lost;
          yield { type: "lost", lines: one.lost };
          continue;
        }
        yield { type: "line", ...one };
        if (++counts.shown === limit) return counts;
      }
      signal.throwIfAborted();
    }
    return counts;
  } finally {
    over.abort();
  }
}

async function readWanted(
  services: TraceServices,
  { peer, id, listener, all }: JsonObject,
  signal: AbortSignal,
): Promise<Wanted> {
  const given = [peer, id, listener, all].filter((value) => value !== undefined);
  if (given.length !== 1) throw bad("give one of peer, id, listener and all");
  if (typeof peer === "string") return await readPeer(services, peer, signal);
  if (typeof id === "string") return await readId(services, id, signal);
  if (typeof listener === "string") return readListener(services, listener);
  if (all === true) return { filter: { by: "all" }, text: "all conversations" };
  throw bad("peer, id and listener must be text, and all true");
}

async function readPeer(
  { resolver }: TraceServices,
  peer: string,
  signal: AbortSignal,
): Promise<Wanted> {
  if (peer === "unix") {
    const filter = { by: "peer", networks: [], unix: true } as const;
    return { filter, text: "conversations over unix sockets" };
  }
  const network = parseNetwork(peer);
  if (network !== null) {
    return { filter: { by: "peer", networks: [network] }, text: `conversations with ${peer}` };
  }
  const host = parseDomain(peer.replace(/\.$/, ""))?.toLowerCase();
  if (host === undefined || /^[\d.]+$/.test(host)) {
    throw bad("peer must be an IP address, a network (192.0.2.0/24), a host name or unix");
  }
  const answers = await Promise.all([resolver.a(host, signal), resolver.aaaa(host, signal)]);
  const found = answers.flatMap((answer) => answer.status === "found" ? answer.records : []);
  const networks = found.map(parseNetwork).filter((one) => one !== null);
  const failed = answers.find((answer) => answer.status === "failed");
  const known = found.length > 0
    ? found.join(", ")
    : failed === undefined
    ? "which has no address"
    : `whose addresses are not to be had (${failed.reason})`;
  return { filter: { by: "peer", networks, host }, text: `conversations with ${host}, ${known}` };
}

/** What is neither in the queue nor comes in by an open session will never be heard of. */
async function readId(
  { tracer, queue }: TraceServices,
  id: string,
  signal: AbortSignal,
): Promise<Wanted> {
  if (!/^[\w-][\w.-]{0,99}$/.test(id)) throw bad("that is no id of a message or session");
  const filter = { by: "id", id } as const;
  if (tracer.hears(filter)) return { filter, text: `${id}, which is at work` };
  const control = queue();
  if (control !== null && await control.show(id) !== null) {
    return { filter, text: `attempts to deliver ${id} from now on` };
  }
  if (control !== null && await hasMessageOf(control, id, signal)) {
    return { filter, text: `attempts to deliver what session ${id} brought, from now on` };
  }
  const message = `there is no message ${id} in the queue, and no session ${id} is open`;
  throw new ControlError("not-found", message);
}

async function hasMessageOf(
  queue: Pick<QueueControl, "list">,
  session: string,
  signal: AbortSignal,
): Promise<boolean> {
  const everything = queueMatcher({});
  if ("wrong" in everything) return false;
  for await (const entry of queue.list(everything, signal)) {
    if (entry.id.startsWith(`${session}.`)) return true;
  }
  return false;
}

function readListener({ listeners }: TraceServices, name: string): Wanted {
  const names = listeners();
  if (names.includes(name)) {
    return { filter: { by: "listener", name }, text: `conversations of listener ${name}` };
  }
  const known = names.length === 0 ? "there is none" : `there are: ${names.join(", ")}`;
  throw bad(`no listener is called ${JSON.stringify(name)}; ${known}`);
}

function readNumber(
  request: JsonObject,
  name: string,
  most: number = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const value = request[name];
  if (value === undefined) return undefined;
  if (Number.isSafeInteger(value) && Number(value) > 0 && Number(value) <= most) {
    return Number(value);
  }
  throw bad(`${name} must be a whole number from 1 to ${most}`);
}

function bad(reason: string): ControlError {
  return new ControlError("bad-request", reason);
}
