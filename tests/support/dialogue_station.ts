/**
 * Carries a dialogue to a whole station: on a machine in memory, or on this one over TCP.
 *
 * @module
 */

import { mapDirectory } from "../../src/directory/map_directory.ts";
import { type Mta, startMta } from "../../src/mta.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import type { Connection, SocketAddress } from "../../src/runtime/network.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Role } from "../../src/server/roles.ts";
import { mxCertificate } from "./certificates.ts";
import type { DialogueSetup, DialogueTransport } from "./dialogue.ts";
import { overridesOf } from "./dialogue_settings.ts";

/** Runs `dialogue` against a station in memory. */
export async function withMemoryStation(
  setup: DialogueSetup,
  dialogue: (transport: DialogueTransport) => Promise<void>,
): Promise<void> {
  const server = memoryRuntime({ address: "192.0.2.25" });
  const client = memoryRuntime({ address: "198.51.100.7", beside: server });
  const settle = <T>(promise: Promise<T>) => server.clock.runUntil(promise);
  const address: SocketAddress = { transport: "tcp", hostname: "192.0.2.25", port: 25 };
  const mta = await settle(startStation(setup, server, address, "/mail"));
  await converse(mta, client, settle, dialogue);
}

/** Runs `dialogue` against a station on this machine, over TCP on loopback. */
export async function withTcpStation(
  setup: DialogueSetup,
  dialogue: (transport: DialogueTransport) => Promise<void>,
): Promise<void> {
  const runtime = denoRuntime();
  const folder = await Deno.makeTempDir({ prefix: "yizhan-dialogue-" });
  try {
    const address: SocketAddress = { transport: "tcp", hostname: "127.0.0.1", port: 0 };
    const mta = await startStation(setup, runtime, address, `${folder}/mail`);
    await converse(mta, runtime, (promise) => promise, dialogue);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function converse(
  mta: Mta,
  client: Runtime,
  settle: <T>(promise: Promise<T>) => Promise<T>,
  dialogue: (transport: DialogueTransport) => Promise<void>,
): Promise<void> {
  try {
    const connection = await settle(client.network.connect(mta.addresses[0]!));
    const transport = new ConnectionTransport(connection, settle);
    try {
      await dialogue(transport);
    } finally {
      await transport.close();
    }
  } finally {
    await settle(mta.stop({ grace: 1000 }));
  }
}

function startStation(
  setup: DialogueSetup,
  runtime: Runtime,
  address: SocketAddress,
  maildirRoot: string,
): Promise<Mta> {
  const mailboxes = setup.mailboxes.map((name) => [name, {}] as const);
  const users = setup.users.map(({ name, password }) => [name, { password }] as const);
  return startMta({
    runtime,
    hostname: setup.hostname,
    listeners: [{ role: setup.listener as Role, address, ...overridesOf(setup) }],
    directory: mapDirectory({
      accounts: Object.fromEntries([...mailboxes, ...users]),
      domains: setup.domains,
    }),
    delivery: { maildirRoot },
    certificates: [mxCertificate],
  });
}

/** The client's end. */
class ConnectionTransport implements DialogueTransport {
  #connection: Connection;
  readonly #settle: <T>(promise: Promise<T>) => Promise<T>;
  readonly #buffer = new Uint8Array(4096);

  constructor(connection: Connection, settle: <T>(promise: Promise<T>) => Promise<T>) {
    this.#connection = connection;
    this.#settle = settle;
  }

  async send(bytes: Uint8Array): Promise<void> {
    await this.#settle(this.#connection.write(bytes));
  }

  async receive(): Promise<Uint8Array | null> {
    const length = await this.#settle(this.#connection.read(this.#buffer));
    return length === null ? null : this.#buffer.slice(0, length);
  }

  async startTls(): Promise<void> {
    const handshake = this.#connection.startTlsClient({ serverName: "localhost", verify: false });
    this.#connection = await this.#settle(handshake);
  }

  close(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }
}
