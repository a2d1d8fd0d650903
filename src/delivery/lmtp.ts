/**
 * The way to an LMTP server (RFC 2033), over TCP or a unix socket: the end of the road, with one answer
 * for each recipient. In clear: such a server is next door.
 *
 * @module
 */

import type { LmtpRoute } from "../routing/route.ts";
import { formatSocketAddress } from "../runtime/network.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { attempt } from "./attempt.ts";
import { ConnectionPool } from "./connection_pool.ts";
import { putOff } from "./outcomes.ts";
import type { ExchangeServices, ExchangeTarget } from "./smtp_exchange.ts";
import type { KeepingTransport } from "./transport.ts";

/** What LMTP delivery is made of. */
export interface LmtpServices extends ExchangeServices {
  /** Where connections rest; default one of its own. {@link KeepingTransport.stop} ends it. */
  readonly pool?: ConnectionPool;
}

/** The transport of routes `lmtp`. */
export function lmtpTransport(services: LmtpServices): KeepingTransport {
  const pool = services.pool ?? new ConnectionPool(services.clock);
  const shared = { ...services, pool };
  return {
    get resting() {
      return pool.size;
    },
    async deliver(job, signal) {
      const { route, recipients } = job;
      if (route.kind !== "lmtp") return putOff(recipients, NO_SERVER);
      const plan = { job, targets: [targetOf(route)], chosen: true, taken: "delivered" } as const;
      return await attempt(shared, plan, signal);
    },
    stop: () => pool.stop(),
  };
}

function targetOf({ address }: LmtpRoute): ExchangeTarget {
  return {
    address,
    serverName: "",
    label: formatSocketAddress(address),
    protocol: "lmtp",
    tls: { start: "never", mandatory: false, verify: false, requireTls: false },
  };
}

const NO_SERVER: Reply = reply(451, "4.3.5", "no LMTP server is known for this recipient");
