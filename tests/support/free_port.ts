/**
 * Ports for programs that cannot be given port 0: they are told of a port that is free, and listen a moment
 * later. Nobody may come in between, though tests run side by side. So each file of tests has a block of ports,
 * of which it holds the first for as long as it runs; and they lie below those that Linux gives to whoever asks for
 * port 0, or connects.
 *
 * @module
 */

/** Ports of a block. */
const BLOCK = 64;
/** Where the blocks lie: what is well known is below, what the system hands out above. */
const FIRST = 12_288;
const LAST = 32_767;

/** What is left of the last block. */
let next = 0;
let end = 0;
/** Keep the blocks ours: what nobody refers to is closed. */
const held: Deno.Listener[] = [];

/** A port of 127.0.0.1 that nobody has and nobody else is told of. */
export function findFreePort(): number {
  for (;;) {
    if (next === end) {
      next = takeBlock();
      end = next + BLOCK - 1;
    }
    const port = next++;
    const listener = tryListen(port);
    if (listener === null) continue;
    listener.close();
    return port;
  }
}

/** Takes a block that nobody has, and gives the second port of it. */
function takeBlock(): number {
  const blocks = Math.floor((LAST + 1 - FIRST) / BLOCK);
  const start = Math.floor(Math.random() * blocks);
  for (let count = 0; count < blocks; count++) {
    const port = FIRST + (start + count) % blocks * BLOCK;
    const listener = tryListen(port);
    if (listener === null) continue;
    held.push(listener);
    return port + 1;
  }
  throw new Error("there are no free ports");
}

function tryListen(port: number): Deno.Listener | null {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port });
  } catch {
    return null;
  }
}
