/**
 * Where the server is to listen: free, or its own already; ports that need a privilege; and addresses of ours
 * that routes connect from. Each is listened on for a moment.
 *
 * @module
 */

import {
  formatSocketAddress,
  SOCKET_PATH_LIMIT,
  type SocketAddress,
} from "../../runtime/network.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { describeError, isNotCapable, NOT_PERMITTED } from "../trouble.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";
import type { MachineFacts } from "./machine_facts.ts";

const { ok, warning, error } = findingsOf("ports");

/** Something that is listened on. */
interface Place {
  readonly name: string;
  readonly address: SocketAddress;
}

/** What is wrong with the places. */
export async function checkPorts(
  { loaded, runtime, facts, server, closedServer }: CheckContext,
): Promise<CheckFinding[]> {
  if (loaded === null) return [];
  const { listeners, monitor, relay, web } = loaded.config;
  const places: Place[] = listeners.map(({ role, name = role, address }) => ({ name, address }));
  if (monitor.address !== undefined) places.push({ name: "monitor", address: monitor.address });
  for (const { address } of web.listeners) places.push({ name: "site", address });
  const running = [...server?.listeners.map(({ address }) => address) ?? [], ...server?.web ?? []];
  const taken = new Set(running.map(formatSocketAddress));
  const findings: CheckFinding[] = [];
  for (const place of places) {
    const where = formatSocketAddress(place.address);
    if (taken.has(where) || (server !== null && place.name === "monitor")) {
      findings.push(ok(`${where} (${place.name}): the running server has it`));
    } else {
      const found = await checkPlace(place, runtime, facts);
      findings.push(closedServer && found.message.endsWith(TAKEN) ? perhapsOurs(found) : found);
    }
  }
  const sources = relay.routes.flatMap(({ via }) => {
    const way = via.kind === "hold" ? via.then : via;
    const { source } = way.kind === "mx" || way.kind === "smarthost" ? way : {};
    return [source?.ipv4, source?.ipv6].filter((address) => address !== undefined);
  });
  for (const source of new Set(sources)) findings.push(...await checkSource(source, runtime));
  return findings;
}

const TAKEN = "something else listens there";

/** A server runs whose places this user may not know. */
function perhapsOurs({ message }: CheckFinding): CheckFinding {
  return warning(
    message.replace(TAKEN, "taken, by the running server or by something else"),
    "check as the user the server runs as, or as root",
  );
}

async function checkPlace(
  { name, address }: Place,
  runtime: Runtime,
  facts: MachineFacts,
): Promise<CheckFinding> {
  const where = `${formatSocketAddress(address)} (${name})`;
  if (address.transport === "unix") return await checkSocket(where, address.path, runtime, facts);
  const code = await listenOnce(runtime, address);
  switch (code) {
    case null:
      return ok(`${where}: free`);
    case "EADDRINUSE":
      return error(
        `${where}: ${TAKEN}`,
        "stop it (ss -ltnp shows what it is), or choose another port",
      );
    case "EADDRNOTAVAIL":
      return error(`${where}: this machine has no such address`, "ip addr shows those it has");
    case "EACCES":
    case "EPERM":
      return await checkPrivilege(where, address.port, facts);
    case NOT_PERMITTED:
      return warning(`${where}: cannot be tried: ${code}`);
    default:
      return error(`${where}: cannot be listened on: ${code}`);
  }
}

async function checkPrivilege(
  where: string,
  port: number,
  facts: MachineFacts,
): Promise<CheckFinding> {
  const first = await facts.firstFreePort();
  if (port >= first || await facts.anyPort()) return error(`${where}: not permitted`);
  // How the server will be started is not to be known here; the service gives it the right.
  return warning(
    `${where}: not tried: ports below ${first} need root, or a right that this process has not`,
    "run the server by the systemd unit in examples/systemd (AmbientCapabilities=CAP_NET_BIND_SERVICE); or, for " +
      "the single binary, setcap cap_net_bind_service=+ep FILE; or " +
      `sysctl net.ipv4.ip_unprivileged_port_start=${port}`,
  );
}

/** To listen there would make a file: it is only looked at. */
async function checkSocket(
  where: string,
  path: string,
  { files, network }: Runtime,
  facts: MachineFacts,
): Promise<CheckFinding> {
  const folder = path.slice(0, path.lastIndexOf("/")) || (path.startsWith("/") ? "/" : ".");
  if (new TextEncoder().encode(path).length > SOCKET_PATH_LIMIT) {
    const fault = `${where}: the path of a socket has at most ${SOCKET_PATH_LIMIT} octets`;
    return error(fault, "choose a shorter one");
  }
  const found = await files.stat(path);
  if (found !== null) {
    const open = await network.connect({ transport: "unix", path }).catch(() => null);
    open?.close();
    return error(
      `${where}: ${open === null ? "it is there, and nobody listens" : "something listens there"}`,
      open === null ? "remove it, if it is none's" : "stop it, or choose another path",
    );
  }
  const above = await facts.path(folder);
  if (above?.kind !== "directory") {
    return error(`${where}: there is no folder ${folder}`, "make it");
  }
  if (await facts.may(folder, "write")) return ok(`${where}: free`);
  return error(`${where}: this user may not write in ${folder}`);
}

async function checkSource(source: string, runtime: Runtime): Promise<CheckFinding[]> {
  const code = await listenOnce(runtime, { transport: "tcp", hostname: source, port: 0 });
  if (code === null) return [ok(`source ${source}: this machine has it`)];
  if (code !== "EADDRNOTAVAIL") return [warning(`source ${source}: cannot be tried: ${code}`)];
  const advice = "ip addr shows those it has";
  return [error(`source ${source}: this machine has no such address`, advice)];
}

/** The errno of an attempt; `null` when it went well. */
async function listenOnce({ network }: Runtime, address: SocketAddress): Promise<string | null> {
  try {
    (await network.listen(address)).close();
    return null;
  } catch (failure) {
    return isNotCapable(failure) ? NOT_PERMITTED : errorCode(failure) ?? describeError(failure);
  }
}
