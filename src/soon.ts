/**
 * Answers that are usually there at once and sometimes come later. Each command of each client asks a dozen
 * questions (is there room? whose address is this? what do the policies say?), and nearly all are answered from
 * memory. A promise for each would cost more than the answers; so what may have to wait says so by its type,
 * and only what has to wait makes a promise.
 *
 * Whoever does not mind may `await` such a value like any other.
 *
 * @module
 */

/** A value that is here, or a promise of it. */
export type Soon<T> = T | Promise<T>;

/** Whether the answer comes later, be it with a promise of another making. */
export function isPending<T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> {
  return typeof (answer as PromiseLike<T> | undefined | null)?.then === "function";
}

/**
 * What follows from a value: at once where it is here, else when it has come.
 *
 * @example
 * ```ts
 * import { type Soon, whenKnown } from "./soon.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const double = (value: Soon<number>) => whenKnown(value, (known) => known * 2);
 * assertEquals(double(2), 4);
 * assertEquals(await double(Promise.resolve(2)), 4);
 * ```
 */
export function whenKnown<T, R>(value: Soon<T>, next: (value: T) => Soon<R>): Soon<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
