/**
 * Where mail comes in: that no two want the same port, and that no password is asked for in clear.
 *
 * @module
 */

import { canonicalIp, classifyIp } from "../net_address.ts";
import { formatSocketAddress, type SocketAddress } from "../runtime/network.ts";
import type { Finding, Parts } from "./parts.ts";
import { formatKey, type KeyPath } from "./problems.ts";

/** What is wrong with the listeners, and with the address of the metrics beside them. */
export function checkListeners(
  { listeners, certificates, monitor, web, acme }: Parts,
): Finding[] {
  const taken: { readonly path: KeyPath; readonly address: SocketAddress }[] = [];
  const findings: Finding[] = [];
  const take = (path: KeyPath, address: SocketAddress) => {
    const other = taken.find((one) => overlap(one.address, address));
    taken.push({ path, address });
    if (other === undefined) return;
    const found = formatSocketAddress(address);
    const holder = `${formatKey(other.path)} (${formatSocketAddress(other.address)})`;
    findings.push({
      ...{ path, of: "value" },
      message: `found ${found}, which ${holder} has already; wanted another port or address`,
    });
  };
  for (const [index, listener] of listeners.entries()) {
    if (listener === null) continue;
    const { role, address } = listener;
    take(["listeners", index, "address"], address);
    if (!role.startsWith("submission") || certificates.length > 0 || acme) continue;
    findings.push({
      ...{ path: ["listeners", index, "role"], of: "value" },
      message: `found ${role} without a certificate, so that no password would be safe`,
      hint:
        "give tls.certificates, get them by acme, or take mail from your own networks by relay.from",
    });
  }
  for (const [index, { address }] of (web?.listeners ?? []).entries()) {
    take(["web", "listeners", index, "address"], address);
  }
  if (monitor !== null && monitor !== undefined) take(["monitor", "address"], monitor);
  return findings;
}

/** Whether who has one keeps others from the other. */
function overlap(a: SocketAddress, b: SocketAddress): boolean {
  if (a.transport === "unix" || b.transport === "unix") {
    return a.transport === "unix" && b.transport === "unix" && a.path === b.path;
  }
  // Port 0 is a free one.
  if (a.port !== b.port || a.port === 0) return false;
  const [one, other] = [nameOf(a.hostname), nameOf(b.hostname)];
  return one === other || covers(one, other) || covers(other, one);
}

function nameOf(hostname: string): string {
  const name = hostname.toLowerCase();
  return name === "localhost" ? "127.0.0.1" : canonicalIp(name);
}

/** `[::]` takes IPv4 too; a name other than `localhost` may lead anywhere. */
function covers(all: string, one: string): boolean {
  if (all === "::") return true;
  return all === "0.0.0.0" && classifyIp(one) !== null && !one.includes(":");
}
