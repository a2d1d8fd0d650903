/**
 * Counts the octets of byte arrays made while a function runs: the measure of "bounded memory" and "no copy".
 *
 * @module
 */

/** The octets of all `Uint8Array`s with memory of their own that the synchronous `run` makes. */
export function octetsAllocated(run: () => void): number {
  const original = globalThis.Uint8Array;
  let allocated = 0;
  const counting = new Proxy(original, {
    construct(target, args: unknown[], newTarget) {
      const array = Reflect.construct(target, args, newTarget);
      if (!(args[0] instanceof ArrayBuffer)) allocated += array.byteLength;
      return array;
    },
  });
  Reflect.set(globalThis, "Uint8Array", counting);
  try {
    run();
  } finally {
    Reflect.set(globalThis, "Uint8Array", original);
  }
  return allocated;
}
