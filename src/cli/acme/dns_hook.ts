/**
 * The program that publishes proofs in DNS (RFC 8555 §8.4): it is called with `add` or `remove`, the name of the TXT
 * record and its value, and ends when the record can be seen, or is gone. It gets no variable of ours but a `PATH`:
 * what it must know it reads from a file of its own.
 *
 * What fails: a program that cannot be run, ends with another code than 0 or takes too long is thrown, with what it
 * said.
 *
 * @module
 */

import type { Programs } from "../../runtime/programs.ts";

/** Milliseconds that it may take: DNS is slow in some places. */
const PATIENCE = 10 * 60 * 1000;

/** Calls it; it is killed when the signal comes. */
export async function runDnsHook(
  { programs, dnsHook }: { readonly programs: Programs; readonly dnsHook?: string },
  action: "add" | "remove",
  domain: string,
  value: string,
  signal: AbortSignal,
): Promise<void> {
  if (dnsHook === undefined) throw new Error("acme.dnsHook is not given, and dns-01 needs it");
  const name = `_acme-challenge.${domain}`;
  const { code, output } = await programs.run({
    program: dnsHook,
    arguments: [action, name, value],
    environment: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
    input: nothing(),
  }, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]));
  if (code === 0) return;
  const said = output.trim() === "" ? "" : `: ${output.trim().slice(0, 500)}`;
  throw new Error(`${dnsHook} ${action} ${name} ended with code ${code}${said}`);
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
