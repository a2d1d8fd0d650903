/**
 * The two stations of the demonstration, each a whole server as `yizhan serve` runs it, but for short
 * waits and a next station that listens on loopback, on a port of its own.
 *
 * @module
 */

import { mapDirectory } from "../../directory/map_directory.ts";
import type { EventSink } from "../../events.ts";
import { type Mta, startMta } from "../../mta.ts";
import type { Policy } from "../../policy/policy.ts";
import type { SocketAddress } from "../../runtime/network.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { TlsCertificate } from "../../runtime/tls.ts";
import { reply } from "../../smtp/reply.ts";

/** Who lives at station A. */
export const ALICE = { address: "alice@a.example", password: "through the looking-glass" };

/** Who lives at station B. */
export const BOB = "bob@b.example";

/** Lives at B too, behind the greylisting. */
export const CAROL = "carol@b.example";

/** Lives nowhere. */
export const NOBODY = "nobody@b.example";

/** What a station needs. */
export interface StationOptions {
  readonly runtime: Runtime;
  /** Everything of the station lies here. */
  readonly folder: string;
  readonly certificate: TlsCertificate;
  readonly onEvent: EventSink;
}

const LOOPBACK: SocketAddress = { transport: "tcp", hostname: "127.0.0.1", port: 0 };

/** Station A takes mail from Alice and hands it on to whoever DNS says. */
export function startStationA(
  { runtime, folder, certificate, onEvent }: StationOptions,
  next: { readonly port: number },
): Promise<Mta> {
  return startMta({
    runtime,
    hostname: "mx.a.example",
    listeners: [{ role: "submission", address: LOOPBACK }],
    directory: mapDirectory({ accounts: { [ALICE.address]: { password: ALICE.password } } }),
    delivery: { maildirRoot: `${folder}/mail` },
    certificates: [certificate],
    queue: {
      directory: `${folder}/queue`,
      retry: { usual: { first: 1500, factor: 1, jitter: 0 } },
    },
    // Port 25 is for real stations; and DNS must not send anybody to loopback unless it is meant.
    routes: [{
      domains: ["*"],
      via: { kind: "mx", port: next.port, family: "ipv4-only", allowAddresses: ["127.0.0.0/8"] },
    }],
    onEvent,
  });
}

/** Station B takes mail from the world for those who live there. */
export function startStationB(
  { runtime, folder, certificate, onEvent }: StationOptions,
): Promise<Mta> {
  return startMta({
    runtime,
    hostname: "mx.b.example",
    listeners: [{ role: "mx", address: LOOPBACK }],
    directory: mapDirectory({ accounts: { [BOB]: {}, [CAROL]: {} } }),
    delivery: { maildirRoot: `${folder}/mail` },
    certificates: [certificate],
    policies: [greylistOnce(CAROL)],
    onEvent,
  });
}

/** Greylisting in its simplest form: the first attempt is put off, whoever comes again is welcome. */
function greylistOnce(recipient: string): Policy {
  let seen = false;
  return {
    name: "greylist",
    recipient(_session, { local, domain }) {
      if (seen || `${local}@${domain}` !== recipient) return;
      seen = true;
      return {
        action: "defer",
        reply: reply(451, "4.7.1", "I do not know you yet; come back in a moment"),
      };
    },
  };
}
