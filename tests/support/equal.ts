/**
 * Deep equality, for the assertions in `assert.ts`.
 *
 * @module
 */

/**
 * Deep equality as `@std/assert` has it: `NaN` equals `NaN`, `0` equals `-0`, a property that is
 * `undefined` is not the same as one that is missing, the constructors must be the same (a `Buffer` is
 * not a `Uint8Array`; an object without a prototype is like a plain one), maps and sets are compared
 * without order, and cycles are followed once.
 */
export function equal(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}

function compare(a: unknown, b: unknown, seen: Map<object, object>): boolean {
  if (Object.is(a, b) || a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Date && b instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (a instanceof RegExp && b instanceof RegExp) return String(a) === String(b);
  if (a instanceof URL && b instanceof URL) return String(a) === String(b);
  if (!sameConstructor(a, b)) return false;
  if (a instanceof WeakMap || a instanceof WeakSet) {
    throw new TypeError(`cannot compare ${a.constructor.name} instances`);
  }
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b) && !(a instanceof DataView)) {
    return sameElements(a as unknown as ArrayLike<unknown>, b as unknown as ArrayLike<unknown>);
  }
  if (isBuffer(a) && isBuffer(b)) return sameElements(new Uint8Array(a), new Uint8Array(b));
  if (a instanceof Error && b instanceof Error && (a.name !== b.name || a.message !== b.message)) {
    return false;
  }
  if (seen.get(a) === b) return true;
  seen.set(a, b);
  if (a instanceof Map && b instanceof Map && !sameEntries(a, b, seen)) return false;
  if (a instanceof Set && b instanceof Set && !sameMembers(a, b, seen)) return false;
  return sameProperties(a, b, seen);
}

/** Whether both were made by the same class; no prototype is as good as a plain object's. */
export function sameConstructor(a: object, b: object): boolean {
  return constructorOf(a) === constructorOf(b);
}

/** That of its prototype: a property of its own may be called so too. */
function constructorOf(value: object): unknown {
  return Object.getPrototypeOf(value)?.constructor ?? Object;
}

function isBuffer(value: object): value is ArrayBuffer | SharedArrayBuffer {
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

/** Numbers only, so no recursion: `===` but for `NaN`. */
function sameElements(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && !Object.is(a[i], b[i])) return false;
  }
  return true;
}

function sameEntries(
  a: Map<unknown, unknown>,
  b: Map<unknown, unknown>,
  seen: Map<object, object>,
): boolean {
  return pairUp([...a], [...b], ([keyA, valueA], [keyB, valueB]) => {
    return compare(keyA, keyB, new Map(seen)) && compare(valueA, valueB, new Map(seen));
  });
}

function sameMembers(a: Set<unknown>, b: Set<unknown>, seen: Map<object, object>): boolean {
  if (a.size === b.size && [...a].every((member) => b.has(member))) return true;
  return pairUp([...a], [...b], (memberA, memberB) => compare(memberA, memberB, new Map(seen)));
}

/** Whether each of `a` has a partner of its own in `b`, with none left over. */
function pairUp<T>(a: readonly T[], b: T[], same: (a: T, b: T) => boolean): boolean {
  if (a.length !== b.length) return false;
  return a.every((one) => {
    const at = b.findIndex((other) => same(one, other));
    if (at >= 0) b.splice(at, 1);
    return at >= 0;
  });
}

function sameProperties(a: object, b: object, seen: Map<object, object>): boolean {
  const keys = ownKeys(a);
  if (keys.length !== ownKeys(b).length) return false;
  return keys.every((key) =>
    Object.hasOwn(b, key) && compare(Reflect.get(a, key), Reflect.get(b, key), seen)
  );
}

function ownKeys(value: object): PropertyKey[] {
  return Reflect.ownKeys(value).filter((key) =>
    Object.prototype.propertyIsEnumerable.call(value, key)
  );
}
