/**
 * What intake works with, made once by `mta.ts` and shared by all sessions.
 *
 * @module
 */

import type { Directory } from "../directory/directory.ts";
import type { MtaFact } from "../events.ts";
import type { Network } from "../net_address.ts";
import type { PolicyChain } from "../policy/chain.ts";
import type { BodyStore } from "../queue/body_store.ts";
import type { LocalDelivery } from "../queue/local_delivery.ts";
import type { QueueStore } from "../queue/store.ts";
import type { SpaceGuard } from "../queue/space_guard.ts";
import type { RouteTable } from "../routing/route_table.ts";
import type { Router } from "../routing/router.ts";
import type { Clock, Random } from "../runtime/runtime.ts";

/** The queue, as intake needs it. */
export interface QueueServices {
  readonly store: QueueStore;
  /** Says for which domains anybody may send mail through us. */
  readonly routes: RouteTable;
  /** Starts the queue of a domain that is held for ETRN (`@domain`: and of all below it); does not wait for it. */
  start(domain: string): void;
}

/** The services of a station, as intake needs them. */
export interface IntakeServices {
  /** Our name, for Received and Message-ID. */
  readonly hostname: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly directory: Directory;
  readonly router: Router;
  readonly policies: PolicyChain;
  readonly delivery: LocalDelivery;
  readonly bodies: BodyStore;
  readonly space: SpaceGuard;
  /** Takes what must go on; `null` where a station only delivers. */
  readonly queue: QueueServices | null;
  /** Clients that may relay without logging in. */
  readonly relayFrom: readonly Network[];
  /** Tells those who watch. */
  readonly emit: (fact: MtaFact) => void;
}
