/**
 * The assertions of `@std/assert`, under the same names and with the same meaning, over
 * `node:assert/strict` (which draws the differences). `deno.json` maps the name `@std/assert` to this
 * file because JSR cannot be reached from everywhere the tests run; where it can, the mapping may be
 * `jsr:@std/assert@1` and this file is not needed.
 *
 * Stricter than the original in two places where that one cannot see: errors are equal only with the
 * same name and message, array buffers only with the same octets. A difference between byte strings is
 * shown as text around the first octet that differs.
 *
 * @module
 */

import { difference, show } from "./difference.ts";
import { equal } from "./equal.ts";

export { equal };

/** What a failed assertion throws. */
export class AssertionError extends Error {
  /** @param message what was expected and what came instead. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

// deno-lint-ignore no-explicit-any
type ErrorConstructorOf<E extends Error> = abstract new (...args: any[]) => E;
// deno-lint-ignore no-explicit-any
type AnyConstructor = abstract new (...args: any[]) => any;

/** Fails unless `value` is truthy. */
export function assert(value: unknown, message = ""): asserts value {
  if (!value) throw new AssertionError(message);
}

/** Fails unless `value` is falsy. */
export function assertFalse(value: unknown, message = ""): asserts value is Falsy {
  if (value) throw new AssertionError(message);
}

/** The values that are not truthy. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** Fails always. */
export function fail(message?: string): never {
  throw new AssertionError(`Failed assertion${suffix(message)}`);
}

/** Fails: this line was not to be reached. */
export function unreachable(reason?: string): never {
  throw new AssertionError(`Unreachable${suffix(reason)}`);
}

/** Fails unless both are deeply equal, see {@link equal}. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(
    `Values are not equal${suffix(message)}\n${difference(actual, expected)}`,
  );
}

/** Fails when both are deeply equal, see {@link equal}. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    `Expected actual: ${show(actual)} not to be: ${show(expected)}${suffix(message)}`,
  );
}

/** Fails unless both are the same by `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const what = equal(actual, expected)
    ? `Values have the same structure but are not reference-equal${suffix(message)}\n${
      show(actual)
    }`
    : `Values are not strictly equal${suffix(message)}\n${difference(actual, expected)}`;
  throw new AssertionError(what);
}

/** Fails when both are the same by `Object.is`. */
export function assertNotStrictEquals<T>(actual: T, expected: T, message?: string): void {
  if (!Object.is(actual, expected)) return;
  throw new AssertionError(
    `Expected "actual" to not be strictly equal to: ${show(actual)}${suffix(message)}`,
  );
}

/** Fails when `actual` is `null` or `undefined`. */
export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to not be null or undefined${suffix(message)}`,
  );
}

/** Fails unless `text` holds `part`. */
export function assertStringIncludes(text: string, part: string, message?: string): void {
  if (text.includes(part)) return;
  throw new AssertionError(
    `Expected actual: ${show(text)} to contain: ${show(part)}${suffix(message)}`,
  );
}

/** Fails unless the pattern matches. */
export function assertMatch(text: string, pattern: RegExp, message?: string): void {
  if (pattern.test(text)) return;
  throw new AssertionError(
    `Expected actual: ${show(text)} to match: ${show(pattern)}${suffix(message)}`,
  );
}

/** Fails when the pattern matches. */
export function assertNotMatch(text: string, pattern: RegExp, message?: string): void {
  if (!pattern.test(text)) return;
  throw new AssertionError(
    `Expected actual: ${show(text)} to not match: ${show(pattern)}${suffix(message)}`,
  );
}

/** Fails unless every one of `expected` is, by {@link equal}, somewhere in `actual`. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  message?: string,
): void {
  const all = Array.from(actual);
  const missing = Array.from(expected).filter((one) => !all.some((other) => equal(one, other)));
  if (missing.length === 0) return;
  throw new AssertionError(
    `Expected actual: ${show(actual)} to include: ${show(expected)}${suffix(message)}\n` +
      `missing: ${show(missing)}`,
  );
}

/** Fails unless all that is in `expected`, however deep, is in `actual` too. */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  message?: string,
): void {
  assertEquals(shared(actual, expected), shared(expected, expected), message);
}

/** Fails unless `actual` is an instance of the class. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  message?: string,
): asserts actual is InstanceType<T> {
  if (actual instanceof expectedType) return;
  throw new AssertionError(
    `Expected object to be an instance of "${expectedType.name}" but was ${describeType(actual)}${
      suffix(message)
    }`,
  );
}

/** Fails when `actual` is an instance of the class. */
export function assertNotInstanceOf<A, T>(
  actual: A,
  // deno-lint-ignore no-explicit-any
  unexpectedType: abstract new (...args: any[]) => T,
  message?: string,
): asserts actual is Exclude<A, T> {
  if (!(actual instanceof unexpectedType)) return;
  throw new AssertionError(
    `Expected object to not be an instance of "${unexpectedType.name}"${suffix(message)}`,
  );
}

/** Fails unless `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, message?: string): void {
  if (!(actual > expected)) throw unordered(actual, ">", expected, message);
}

/** Fails unless `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual >= expected)) throw unordered(actual, ">=", expected, message);
}

/** Fails unless `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, message?: string): void {
  if (!(actual < expected)) throw unordered(actual, "<", expected, message);
}

/** Fails unless `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual <= expected)) throw unordered(actual, "<=", expected, message);
}

/** Fails unless the numbers are as near as `tolerance` (default: a ten-millionth of `expected`). */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance = Math.abs(expected) > 0 ? Math.abs(expected * 1e-7) : 1e-7,
  message?: string,
): void {
  if (Object.is(actual, expected) || Math.abs(expected - actual) <= tolerance) return;
  throw new AssertionError(
    `Expected actual: ${actual} to be close to ${expected}${suffix(message)}`,
  );
}

/** Fails unless `error` is an error, of the class and with the text asked for. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  errorClass?: ErrorConstructorOf<E>,
  messageMatches?: string | RegExp,
  message?: string,
): asserts error is E {
  if (!(error instanceof Error)) {
    throw new AssertionError(
      `Expected "error" to be an Error object${suffix(message)} ${show(error)}`,
    );
  }
  if (errorClass !== undefined && !(error instanceof errorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${errorClass.name}", but was "${error.constructor.name}"` +
        `${suffix(message)} ${error.message}`,
      { cause: error },
    );
  }
  if (messageMatches === undefined || messageMatches === "") return;
  const found = typeof messageMatches === "string"
    ? error.message.includes(messageMatches)
    : messageMatches.test(error.message);
  if (found) return;
  throw new AssertionError(
    `Expected error message to include ${show(messageMatches)}, but got ${show(error.message)}${
      suffix(message)
    }`,
    { cause: error },
  );
}

/** Fails unless `fn` throws; gives what it threw. */
export function assertThrows(fn: () => unknown, message?: string): unknown;
/** Fails unless `fn` throws an error of the class whose message holds `messageIncludes`; gives it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorConstructorOf<E>,
  messageIncludes?: string,
  message?: string,
): E;
export function assertThrows<E extends Error>(
  fn: () => unknown,
  classOrMessage?: ErrorConstructorOf<E> | string,
  messageIncludes?: string,
  message?: string,
): unknown {
  const wanted = readWanted(classOrMessage, messageIncludes, message);
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
    checkThrown(error, "thrown", wanted);
    return thrown;
  }
  throw new AssertionError(`Expected function to throw${suffix(wanted.message)}`);
}

/** Fails unless the promise of `fn` rejects; gives the reason. A synchronous throw is a failure. */
export function assertRejects(fn: () => PromiseLike<unknown>, message?: string): Promise<unknown>;
/** As above, with the class of the error and a part of its message. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorConstructorOf<E>,
  messageIncludes?: string,
  message?: string,
): Promise<E>;
export async function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  classOrMessage?: ErrorConstructorOf<E> | string,
  messageIncludes?: string,
  message?: string,
): Promise<unknown> {
  const wanted = readWanted(classOrMessage, messageIncludes, message);
  let promise: PromiseLike<unknown> | undefined;
  try {
    promise = fn();
  } catch (error) {
    throw new AssertionError(
      `Function throws when expected to reject${suffix(wanted.message)}`,
      { cause: error },
    );
  }
  if (typeof promise?.then !== "function") {
    throw new AssertionError(`Function throws when expected to reject${suffix(wanted.message)}`);
  }
  try {
    await promise;
  } catch (error) {
    checkThrown(error, "rejected", wanted);
    return error;
  }
  throw new AssertionError(`Expected function to reject${suffix(wanted.message)}`);
}

/** The plain copies already made, by the value and the pattern they were made for. */
type Copies = Map<
  object,
  { readonly pattern: object; readonly copy: Record<PropertyKey, unknown> }
>;

/** What of `value` has a counterpart in `pattern`, as plain objects, however deep. */
function shared(value: object, pattern: object, copies: Copies = new Map()): object {
  const known = copies.get(value);
  if (known !== undefined && known.pattern === pattern) return known.copy;
  const copy: Record<PropertyKey, unknown> = {};
  copies.set(value, { pattern, copy });
  for (const key of Reflect.ownKeys(value)) {
    if (!(key in pattern) || (Array.isArray(value) && key === "length")) continue;
    copy[key] = sharedValue(Reflect.get(value, key), Reflect.get(pattern, key), copies);
  }
  return copy;
}

function sharedValue(value: unknown, pattern: unknown, copies: Copies): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (typeof pattern !== "object" || pattern === null) return value;
  if (Array.isArray(value) && !Array.isArray(pattern)) return value;
  if (value instanceof RegExp || value instanceof Date || ArrayBuffer.isView(value)) return value;
  if (value instanceof Set && pattern instanceof Set) {
    return new Set([...value].filter((member) => pattern.has(member)));
  }
  if (value instanceof Map && pattern instanceof Map) {
    const kept = [...value].filter(([key]) => pattern.has(key));
    return new Map(kept.map(([key, one]) => [key, sharedValue(one, pattern.get(key), copies)]));
  }
  return shared(value, pattern, copies);
}

interface Wanted {
  readonly errorClass?: ErrorConstructorOf<Error>;
  readonly messageIncludes?: string;
  readonly message?: string;
}

function readWanted(
  classOrMessage: ErrorConstructorOf<Error> | string | undefined,
  messageIncludes: string | undefined,
  message: string | undefined,
): Wanted {
  if (typeof classOrMessage === "string") return { message: classOrMessage };
  return { errorClass: classOrMessage, messageIncludes, message };
}

function checkThrown(error: unknown, verb: string, wanted: Wanted): void {
  if (wanted.errorClass === undefined) return;
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was ${verb}${suffix(wanted.message)}`);
  }
  assertIsError(error, wanted.errorClass, wanted.messageIncludes, wanted.message);
}

function unordered(actual: unknown, sign: string, expected: unknown, message?: string) {
  return new AssertionError(`Expect ${show(actual)} ${sign} ${show(expected)}${suffix(message)}`);
}

function suffix(message: string | undefined): string {
  return message ? `: ${message}` : ".";
}

function describeType(value: unknown): string {
  if (value === null || typeof value !== "object") {
    return `"${value === null ? "null" : typeof value}"`;
  }
  return `"${value.constructor?.name ?? "Object"}"`;
}
