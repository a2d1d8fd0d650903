/**
 * Ports for servers under test.
 *
 * @module
 */

/**
 * The first of `count` ports in a row that are free on 127.0.0.1 now. They lie below those that the system gives to
 * clients, of which a load takes thousands.
 */
export function freePorts(count: number): number {
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = 12_000 + Math.floor(Math.random() * 18_000);
    if (Array.from({ length: count }, (_, index) => first + index).every(isFree)) return first;
  }
  throw new Error(`no ${count} free ports in a row`);
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}

/** Waits until something listens there, for twenty seconds at most. */
export async function untilListening(port: number, what: string): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`${what} does not listen on port ${port}`);
}
