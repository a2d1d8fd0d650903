/**
 * The bans over the control socket.
 *
 * | `do` | asks | lines |
 * | --- | --- | --- |
 * | `bans` | | `ban`: a {@link Ban}; the end says how many were `shown`, and with `off` that none of them holds now |
 * | `ban` | `network`, `duration` (milliseconds), `reason` | `ban`: as it is now |
 * | `unban` | `network` | `removed` for each `network` that is banned no more |
 *
 * `ban` is refused where it would keep nobody out, such as of a network that is exempt.
 *
 * An address stands for what a client is everywhere: itself, or the /64 of an IPv6 address. `unban` of an address ends
 * whatever ban it is under, that of a larger network too, and forgets what was counted against it.
 *
 * @module
 */

import type { MtaFact } from "../events.ts";
import {
  clientKey,
  formatClients,
  type Network,
  networkOf,
  parseIp,
  parseNetwork,
} from "../net_address.ts";
import { BanList } from "../policy/abuse/ban_list.ts";
import { forgiveClient } from "../policy/abuse/bans.ts";
import type { Ledger } from "../policy/ledger/ledger.ts";
import type { Clock } from "../runtime/runtime.ts";
import { ControlError, type ControlLine, type JsonObject } from "./control_protocol.ts";
import type { ControlCommand } from "./control_server.ts";

/** Ten years. */
const LONGEST = 3650 * 86_400_000;

/** Networks of different sizes that one address may be banned by: there are no more lengths. */
const MOST_REMOVED = 128;

type Answer = AsyncGenerator<ControlLine, JsonObject>;

/** What the commands work with. */
export interface BanServices {
  /** Of the station: its bans are there. */
  readonly ledger: Ledger;
  /** Tells the time. */
  readonly clock: Pick<Clock, "now">;
  /** Is told of bans that begin. */
  readonly emit: (fact: MtaFact) => void;
  /** Why a ban would keep nobody out now, in words; `null`: it would. */
  readonly whyNoBan: (named: string) => string | null;
  /** Whether bans hold at all now; default: they do. */
  readonly inForce?: () => boolean;
}

/** The commands, for a control server. */
export function banCommands(
  { ledger, clock, emit, whyNoBan, inForce = () => true }: BanServices,
): Readonly<Record<string, ControlCommand>> {
  const list = new BanList(ledger, clock);
  return {
    async *bans(_request, signal): Answer {
      let shown = 0;
      for await (const ban of list.list()) {
        signal.throwIfAborted();
        yield { type: "ban", ...ban };
        shown++;
      }
      return { shown, ...(!inForce() && { off: true }) };
    },
    async *ban({ network: text, duration, reason }): Answer {
      const network = readNetwork(text);
      if (network.prefix === 0) throw new ControlError("bad-request", "that would ban everybody");
      if (typeof duration !== "number" || !(duration >= 1000 && duration <= LONGEST)) {
        throw new ControlError("bad-request", "wanted a duration of 1s to 3650d");
      }
      if (typeof reason !== "string") throw new ControlError("bad-request", "wanted a reason");
      const why = whyNoBan(String(text));
      if (why !== null) throw new ControlError("refused", why);
      const ban = await list.add(network, { reason, by: "operator" }, duration);
      const told = ban.reason === "" ? "by the operator" : `by the operator: ${ban.reason}`;
      emit({ type: "client.banned", client: ban.network, reason: told, duration });
      yield { type: "ban", ...ban };
      return {};
    },
    async *unban({ network: text }): Answer {
      const named = readNetwork(text);
      const removed: string[] = [];
      const remove = async (network: Network) => {
        if (!await list.remove(network)) return false;
        removed.push(formatClients(network));
        return true;
      };
      if (String(text).includes("/")) await remove(named);
      else {
        for (let count = 0; count < MOST_REMOVED; count++) {
          const ban = await list.find(String(text));
          if (ban === null || !await remove(parseNetwork(ban.network)!)) break;
        }
      }
      if (removed.length === 0) {
        throw new ControlError("not-found", `${formatClients(named)} is not banned`);
      }
      if (parseIp(String(text)) !== null) await forgiveClient(ledger, clientKey(String(text)));
      for (const network of removed) yield { type: "removed", network };
      return { shown: removed.length };
    },
  };
}

function readNetwork(text: unknown): Network {
  const network = typeof text !== "string" || text.length > 64
    ? null
    : text.includes("/")
    ? parseNetwork(text)
    : networkOf(parseIp(text) === null ? "" : text, { ipv4: 32, ipv6: 64 });
  if (network !== null) return network;
  throw new ControlError("bad-request", "wanted an IP address, or a network such as 192.0.2.0/24");
}
