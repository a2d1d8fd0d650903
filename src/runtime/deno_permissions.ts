/**
 * What Deno permits, asked before it is needed: Node's sockets throw a missing permission where nobody can catch
 * it, which is the end of the process. Nobody at the terminal is asked, and nothing fails.
 *
 * @module
 */

/** Whether an address may be connected to, or with port 0 be bound to. */
export async function mayUse(hostname: string, port: number): Promise<boolean> {
  const host = hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
  return (await Deno.permissions.query({ name: "net", host })).state === "granted";
}

/** How Deno itself says that it does not permit something with the network; its code will be EACCES. */
export function notPermitted(hostname: string): Error {
  return new Deno.errors.NotCapable(`${hostname} may not be used (--allow-net)`);
}
