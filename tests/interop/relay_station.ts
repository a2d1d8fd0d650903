/**
 * A station of ours inside the test: what the command line has no flags for (retries within seconds,
 * certificates to trust) is given as options, and what happens is seen as it happens.
 *
 * @module
 */

import {
  type MapAccount,
  mapDirectory,
  type Mta,
  type MtaEvent,
  type MtaFact,
  type MtaOptions,
  startMta,
} from "../../mod.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { until } from "./daemon.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "./support.ts";
import { type StoredMail, untilMail } from "./maildir.ts";

/** A fact of one type. */
export type Fact<T extends MtaFact["type"]> = Extract<MtaEvent, { type: T }>;

/** A running station. */
export interface RelayStation extends AsyncDisposable {
  readonly folder: TemporaryFolder;
  readonly mta: Mta;
  /** All that happened so far. */
  readonly events: readonly MtaEvent[];
  /** The port of the first listener. */
  readonly port: number;
  /** Submits a mail from `alice@example.test` and gives its id. */
  send(to: string | readonly string[], mail: Uint8Array): Promise<string>;
  /** The events of one type about one message, once there are `count`. */
  happened<T extends MtaFact["type"]>(
    type: T,
    message?: string,
    count?: number,
  ): Promise<Fact<T>[]>;
  /** The mail in a mailbox, once there are `count`. */
  mail(address: string, count?: number): Promise<StoredMail[]>;
}

/** Who sends, and gets the notices. */
export const ALICE = "alice@example.test";

/** Starts a station for `example.test`, where Alice lives; it tries again after a second. */
export async function startRelayStation(
  options: Partial<MtaOptions> & { readonly accounts?: Readonly<Record<string, MapAccount>> } = {},
): Promise<RelayStation> {
  const folder = await makeTemporaryFolder();
  const events: MtaEvent[] = [];
  const { accounts = {}, ...rest } = options;
  const mta = await startMta({
    runtime: denoRuntime(),
    hostname: "mx.example.test",
    directory: mapDirectory({ accounts: { [ALICE]: { password: "secret" }, ...accounts } }),
    listeners: [{ role: "mx", address: { transport: "tcp", hostname: "127.0.0.1", port: 0 } }],
    delivery: { maildirRoot: `${folder.path}/mail` },
    queue: {
      directory: `${folder.path}/queue`,
      retry: { usual: { first: 1000, factor: 1, longest: 1000, jitter: 0 } },
      limits: { downFirst: 1000, downLongest: 1000 },
    },
    onEvent: (event) => events.push(event),
    ...rest,
  });
  const log = () => events.map((event) => JSON.stringify(event)).join("\n");
  const [address] = mta.addresses;
  return {
    folder,
    mta,
    events,
    port: address?.transport === "tcp" ? address.port : 0,
    async send(to, mail) {
      const recipients = typeof to === "string" ? [to] : to;
      const { id } = await mta.submit({ sender: ALICE, recipients }, mail);
      return id;
    },
    async happened<T extends MtaFact["type"]>(type: T, message?: string, count = 1) {
      const find = () => {
        const found = events.filter((event) =>
          event.type === type &&
          (message === undefined || "message" in event && event.message === message)
        );
        return found.length >= count ? found : null;
      };
      return await until(`${type} of ${message}`, find, { log }) as Fact<T>[];
    },
    async mail(address, count = 1) {
      const at = address.lastIndexOf("@");
      const maildir = `${folder.path}/mail/${address.slice(at + 1)}/${address.slice(0, at)}`;
      return await untilMail(maildir, count, log);
    },
    async [Symbol.asyncDispose]() {
      await mta.stop({ grace: 2000 });
      await folder[Symbol.asyncDispose]();
    },
  };
}
