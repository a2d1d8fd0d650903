/**
 * The name of a client, as filters are told it: what DNS says of its address, and whether that name has the address
 * (xxfi_connect of libmilter wants the address in brackets where it does not).
 *
 * What fails: nothing. A DNS that does not answer in time gives no name.
 *
 * @module
 */

import { parseIp } from "../../net_address.ts";
import type { DnsAnswer, Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { equal } from "../../bytes.ts";

/** What is known of the name. */
export interface ClientName {
  /** The name, or the address in brackets where no name is sure. */
  readonly name: string;
  /** What DNS calls it, true or not; `null`: nothing. */
  readonly ptr: string | null;
  /** As sendmail says it. */
  readonly resolve: "OK" | "FAIL" | "FORGED" | "TEMP";
}

/** Milliseconds DNS may take. */
const PATIENCE = 5_000;
/** Names of one address that are looked at. */
const MAX_NAMES = 3;
/**
 * What is a name of a host. Whoever has an address may write anything into DNS, and filters put what they are told into
 * headers of HTTP, log lines and replies.
 */
const HOST_NAME = /^[A-Za-z0-9_.-]{1,255}$/;

/** Asks for the name of an IP address; without a resolver there is none. */
export async function findClientName(
  address: string,
  resolver: Resolver | undefined,
  clock: Clock,
): Promise<ClientName> {
  const nameless = { name: `[${address}]`, ptr: null, resolve: "FAIL" } as const;
  if (resolver === undefined || parseIp(address) === null) return nameless;
  const stop = new AbortController();
  const late = clock.sleep(PATIENCE, stop.signal).then(
    () => ({ ...nameless, resolve: "TEMP" }) as const,
    () => nameless,
  );
  try {
    return await Promise.race([ask(address, resolver, stop.signal), late]);
  } catch {
    return { ...nameless, resolve: "TEMP" };
  } finally {
    stop.abort(null);
  }
}

async function ask(
  address: string,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<ClientName> {
  const name = `[${address}]`;
  const names = await resolver.ptr(address, signal);
  if (names.status === "failed") return { name, ptr: null, resolve: "TEMP" };
  const hosts = names.status === "found"
    ? names.records.filter((each) => HOST_NAME.test(each)).slice(0, MAX_NAMES)
    : [];
  const [ptr] = hosts;
  if (ptr === undefined) return { name, ptr: null, resolve: "FAIL" };
  let failed = false;
  for (const each of hosts) {
    const forward = address.includes(":")
      ? await resolver.aaaa(each, signal)
      : await resolver.a(each, signal);
    if (hasAddress(forward, address)) return { name: each, ptr: each, resolve: "OK" };
    failed ||= forward.status === "failed";
  }
  return { name, ptr, resolve: failed ? "TEMP" : "FORGED" };
}

function hasAddress(answer: DnsAnswer<string>, address: string): boolean {
  const wanted = parseIp(address)!;
  return answer.status === "found" && answer.records.some((record) => {
    const found = parseIp(record);
    return found !== null && equal(found, wanted);
  });
}
