/**
 * Pairs of connections and whole reads, for tests of what runs over connections.
 *
 * @module
 */

import { concat } from "../../src/bytes.ts";
import type { Connection, Network, SocketAddress } from "../../src/runtime/network.ts";
import { errorCode } from "../../src/runtime/system_error.ts";

/** Any free port of the loopback address. */
export const anyPort: SocketAddress = { transport: "tcp", hostname: "127.0.0.1", port: 0 };

/** Two connected ends. */
export interface Pair {
  readonly client: Connection;
  readonly server: Connection;
}

/** Gives two connected ends to a test, and closes them after it. */
export async function withPair(
  network: Network,
  test: (pair: Pair) => Promise<void>,
): Promise<void> {
  const listener = await network.listen(anyPort);
  const [client, server] = await Promise.all([
    network.connect(listener.address),
    listener.accept(),
  ]);
  listener.close();
  try {
    await test({ client, server: server! });
  } finally {
    client.close();
    server!.close();
  }
}

/** Reads exactly `length` octets, or fewer at the end. */
export async function readOctets(connection: Connection, length: number): Promise<Uint8Array> {
  const octets = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const read = await connection.read(octets.subarray(at));
    if (read === null) break;
    at += read;
  }
  return octets.subarray(0, at);
}

/** Reads to the end. */
export async function readToEnd(connection: Connection): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const buffer = new Uint8Array(65536);
    const read = await connection.read(buffer);
    if (read === null) return concat(parts);
    parts.push(buffer.subarray(0, read));
  }
}

/** The errno name a promise rejects with; `"resolved"` when it does not. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
    return "resolved";
  } catch (error) {
    return errorCode(error) ?? `no code: ${error}`;
  }
}

/** Whether a promise has settled once everything that was due has run. */
export async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  for (let turn = 0; turn < 5 && !settled; turn++) {
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
  return settled;
}
