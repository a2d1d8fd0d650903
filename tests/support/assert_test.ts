/**
 * The assertions fail where `@std/assert` fails and pass where it passes; the cases of equality are
 * those its documentation and its users rely on. `node:assert` checks them, so that they do not check
 * themselves.
 *
 * @module
 */

import node from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotInstanceOf,
  assertNotMatch,
  assertNotStrictEquals,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
  unreachable,
} from "@std/assert";

/** `fn` must fail as an assertion, with `text` in the message. */
function fails(fn: () => unknown, text: string | RegExp = ""): void {
  node.throws(fn, (error) => {
    node.ok(error instanceof AssertionError, String(error));
    node.equal(error.name, "AssertionError");
    if (typeof text === "string") node.ok(error.message.includes(text), error.message);
    else node.match(error.message, text);
    return true;
  });
}

async function failsLater(promise: Promise<unknown>, text: string): Promise<void> {
  const error = await promise.then(() => null, (reason: unknown) => reason);
  node.ok(error instanceof AssertionError, String(error));
  node.ok(error.message.includes(text), error.message);
}

function cyclic(value: number): unknown {
  const one: Record<string, unknown> = { value };
  one.self = one;
  return one;
}

function withoutPrototype(values: object): object {
  return Object.assign(Object.create(null), values);
}

class Point {
  constructor(readonly x: number) {}
}

class OtherPoint {
  constructor(readonly x: number) {}
}

const SAME: [string, unknown, unknown][] = [
  ["NaN", NaN, NaN],
  ["0 and -0", 0, -0],
  ["0 and -0 deep inside", { a: [0] }, { a: [-0] }],
  ["key order", { a: 1, b: 2 }, { b: 2, a: 1 }],
  ["undefined properties on both sides", { a: undefined }, { a: undefined }],
  ["symbol keys", { [Symbol.for("a")]: 1 }, { [Symbol.for("a")]: 1 }],
  ["a subarray and a copy", Uint8Array.of(0, 1, 2, 3).subarray(1, 3), Uint8Array.of(1, 2)],
  ["floats with NaN", Float64Array.of(NaN), Float64Array.of(NaN)],
  ["array buffers", Uint8Array.of(1).buffer, Uint8Array.of(1).buffer],
  ["sets without order", new Set([1, 2, 3]), new Set([3, 2, 1])],
  ["sets of sets", new Set([1, new Set([2, 3])]), new Set([new Set([3, 2]), 1])],
  ["maps without order", new Map([["a", 1], ["b", 2]]), new Map([["b", 2], ["a", 1]])],
  ["maps with object keys", new Map([[{ x: 1 }, true]]), new Map([[{ x: 1 }, true]])],
  ["dates", new Date(5), new Date(5)],
  ["invalid dates", new Date(NaN), new Date(NaN)],
  ["patterns", /a/g, /a/g],
  ["URLs", new URL("https://example.test"), new URL("https://example.test")],
  ["cycles", cyclic(1), cyclic(1)],
  ["no prototype and a plain object", withoutPrototype({ a: 1 }), { a: 1 }],
  ["errors", new TypeError("a"), new TypeError("a")],
  ["instances", new Point(1), new Point(1)],
  ["a property called constructor", { constructor: [1] }, { constructor: [1] }],
];

const DIFFERENT: [string, unknown, unknown][] = [
  ["a number and its text", 1, "1"],
  ["null and undefined", null, undefined],
  ["null and an object", null, {}],
  ["bigint and number", 1n, 1],
  ["an undefined property and none", { a: undefined }, {}],
  ["none and an undefined property", {}, { a: undefined }],
  ["undefined properties of other names", { a: undefined }, { b: undefined }],
  ["a longer array", [1, 2], [1, 2, 3]],
  ["another order", [1, 2], [2, 1]],
  ["an array and an object", [1], { 0: 1 }],
  ["other octets", Uint8Array.of(1, 2), Uint8Array.of(1, 3)],
  ["a prefix", Uint8Array.of(1), Uint8Array.of(1, 0)],
  ["a Buffer and a Uint8Array", Buffer.from([1]), Uint8Array.of(1)],
  ["views of other widths", Uint8Array.of(1), Uint16Array.of(1)],
  ["other array buffers", Uint8Array.of(1).buffer, Uint8Array.of(2).buffer],
  ["other symbols", { [Symbol("a")]: 1 }, { [Symbol("a")]: 1 }],
  ["sets", new Set([1, 2, 3]), new Set([4, 5, 6])],
  ["a smaller set", new Set([1, 2]), new Set([1, 2, 3])],
  ["sets of pairs that match twice", new Set([[1], [1]]), new Set([[1], [2]])],
  ["map values", new Map([["a", 1]]), new Map([["a", 2]])],
  ["map keys", new Map([[{ x: 1 }, 1]]), new Map([[{ x: 2 }, 1]])],
  ["a map and a set", new Map(), new Set()],
  ["dates", new Date(1), new Date(2)],
  ["a date and an invalid one", new Date(1), new Date(NaN)],
  ["patterns", /a/, /a/g],
  ["URLs", new URL("https://example.test"), new URL("https://example.test/path")],
  ["cycles", cyclic(1), cyclic(2)],
  ["error messages", new Error("a"), new Error("b")],
  ["error classes", new Error("a"), new TypeError("a")],
  ["classes", new Point(1), new OtherPoint(1)],
  ["properties called constructor", { constructor: [1] }, { constructor: [2] }],
];

for (const [name, a, b] of SAME) {
  Deno.test(`equal() holds for ${name}`, () => {
    node.equal(equal(a, b), true);
    node.equal(equal(b, a), true);
    assertEquals(a, b);
    fails(() => assertNotEquals(a, b));
  });
}

for (const [name, a, b] of DIFFERENT) {
  Deno.test(`equal() does not hold for ${name}`, () => {
    node.equal(equal(a, b), false);
    node.equal(equal(b, a), false);
    assertNotEquals(a, b);
    fails(() => assertEquals(a, b), "Values are not equal");
  });
}

Deno.test("equal() throws on weak collections, which nobody can compare", () => {
  node.throws(() => equal(new WeakMap(), new WeakMap()), TypeError);
  node.throws(() => equal(new WeakSet(), new WeakSet()), TypeError);
});

Deno.test("equal() compares a megabyte of octets element by element, not as properties", () => {
  const a = new Uint8Array(1 << 20);
  const b = a.slice();
  node.equal(equal(a, b), true);
  b[b.length - 1] = 1;
  node.equal(equal(a, b), false);
});

Deno.test("assertEquals() shows what differs and the message", () => {
  fails(
    () => assertEquals({ a: 1, b: [1, 2] }, { a: 1, b: [1, 3] }, "at b"),
    /at b[^]*\+ +2\n- +3/,
  );
  fails(() => assertEquals("250 ok", "550 no"), '+ "250 ok"\n- "550 no"');
});

Deno.test("assertEquals() shows byte strings as text around the first difference", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  fails(() => assertEquals(bytes("a\r\nb"), bytes("a\nb")), 'at octet 1\n+ "a\\r\\nb"\n- "a\\nb"');
  fails(() => assertEquals(bytes("ab"), bytes("abc")), "2 octets, expected 3");
  const long = "x".repeat(500);
  fails(() => assertEquals(bytes(`${long}1${long}`), bytes(`${long}2${long}`)), "at octet 500");
});

Deno.test("assert() and assertFalse() tell truth from the rest", () => {
  for (const value of [1, "a", {}, [], true]) {
    assert(value);
    fails(() => assertFalse(value));
  }
  for (const value of [0, "", null, undefined, false, NaN]) {
    assertFalse(value);
    fails(() => assert(value, "no"), "no");
  }
});

Deno.test("assertStrictEquals() asks for the same object", () => {
  const one = { a: 1 };
  assertStrictEquals(one, one);
  assertStrictEquals(NaN, NaN);
  fails(() => assertStrictEquals<unknown>(one, { a: 1 }), "not reference-equal");
  fails(() => assertStrictEquals(1, 2), "not strictly equal");
  fails(() => assertStrictEquals(0, -0));
  assertNotStrictEquals(one, { a: 1 });
  fails(() => assertNotStrictEquals(one, one));
});

Deno.test("assertExists() refuses null and undefined alone", () => {
  for (const value of [0, "", false, NaN]) assertExists(value);
  fails(() => assertExists(null));
  fails(() => assertExists(undefined));
});

Deno.test("assertStringIncludes() and assertMatch() look into text", () => {
  assertStringIncludes("abc", "bc");
  fails(() => assertStringIncludes("abc", "cb"), '"abc"');
  assertMatch("abc", /b./);
  fails(() => assertMatch("abc", /^b/), "/^b/");
  assertNotMatch("abc", /^b/);
  fails(() => assertNotMatch("abc", /b/));
});

Deno.test("assertArrayIncludes() finds members by deep equality", () => {
  assertArrayIncludes([{ a: 1 }, { a: 2 }], [{ a: 2 }]);
  assertArrayIncludes("abc", "ca");
  fails(() => assertArrayIncludes([{ a: 1 }], [{ a: 1 }, { a: 2 }]), "missing: [ { a: 2 } ]");
});

Deno.test("assertObjectMatch() asks for a part, however deep", () => {
  const actual = { a: 1, b: { c: [1, { d: 2, e: 3 }, 4], f: null }, g: undefined };
  assertObjectMatch(actual, { a: 1 });
  assertObjectMatch(actual, { b: { c: [1, { d: 2 }] } });
  assertObjectMatch(actual, { b: { f: null } });
  assertObjectMatch({ p: new Point(1) }, { p: { x: 1 } });
  assertObjectMatch({ m: new Map([["a", { b: 1, c: 2 }]]) }, { m: new Map([["a", { b: 1 }]]) });
  assertObjectMatch(cyclic(1) as Record<string, unknown>, cyclic(1) as Record<string, unknown>);
  fails(() => assertObjectMatch(actual, { a: 2 }));
  fails(() => assertObjectMatch(actual, { h: undefined }));
  fails(() => assertObjectMatch(actual, { b: { c: [1, { d: 3 }] } }));
  fails(() => assertObjectMatch({ a: null }, { a: {} }));
  fails(() => assertObjectMatch({ bytes: Uint8Array.of(1, 2) }, { bytes: Uint8Array.of(1) }));
});

Deno.test("assertInstanceOf() asks for the class or one below it", () => {
  assertInstanceOf(new TypeError(), Error);
  fails(() => assertInstanceOf(new Error(), TypeError), '"TypeError" but was "Error"');
  fails(() => assertInstanceOf(null, Error), '"null"');
  fails(() => assertInstanceOf(1, Error), '"number"');
  assertNotInstanceOf(new Error(), TypeError);
  fails(() => assertNotInstanceOf(new TypeError(), Error));
});

Deno.test("assertGreater() and its kin compare by the operators", () => {
  assertGreater(2, 1);
  assertGreaterOrEqual(2, 2);
  assertLess("a", "b");
  assertLessOrEqual(1n, 1n);
  fails(() => assertGreater(1, 1), "1 > 1");
  fails(() => assertGreaterOrEqual(1, 2));
  fails(() => assertLess(1, 1));
  fails(() => assertLessOrEqual(2, 1));
  fails(() => assertLessOrEqual(NaN, 1));
  assertAlmostEquals(0.1 + 0.2, 0.3);
  fails(() => assertAlmostEquals(1, 1.1));
});

Deno.test("assertIsError() asks for class and text", () => {
  assertIsError(new RangeError("too far"), RangeError, "far");
  assertIsError(new RangeError("too far"), Error, /^too/);
  fails(() => assertIsError("text"));
  fails(() => assertIsError(new RangeError("x"), TypeError), 'instance of "TypeError"');
  fails(() => assertIsError(new RangeError("x"), RangeError, "y"), '"y"');
});

Deno.test("assertThrows() gives what was thrown, and fails when nothing or another thing was", () => {
  const error = new RangeError("too far");
  const thrower = () => {
    throw error;
  };
  node.equal(assertThrows(thrower), error);
  node.equal(assertThrows(thrower, RangeError, "far"), error);
  node.equal(
    assertThrows(() => {
      throw "text";
    }),
    "text",
  );
  fails(() => assertThrows(() => 1, "why"), "why");
  fails(() => assertThrows(() => Promise.reject(error).catch(() => {}), RangeError), "to throw");
  fails(() => assertThrows(thrower, TypeError), "TypeError");
  fails(() => assertThrows(thrower, RangeError, "near"), "near");
  fails(
    () =>
      assertThrows(() => {
        throw "text";
      }, Error),
    "non-Error",
  );
});

Deno.test("assertRejects() gives the reason, and fails on success or a synchronous throw", async () => {
  const error = new RangeError("too far");
  node.equal(await assertRejects(() => Promise.reject(error)), error);
  node.equal(await assertRejects(() => Promise.reject(error), RangeError, "far"), error);
  await failsLater(assertRejects(() => Promise.resolve(1), "why"), "why");
  await failsLater(assertRejects(() => Promise.reject(error), TypeError), "TypeError");
  await failsLater(assertRejects(() => Promise.reject(error), RangeError, "near"), "near");
  await failsLater(assertRejects(() => Promise.reject("text"), Error), "non-Error");
  await failsLater(
    assertRejects(() => {
      throw error;
    }),
    "throws when expected to reject",
  );
  await failsLater(
    assertRejects((() => 1) as unknown as () => Promise<unknown>),
    "throws when expected to reject",
  );
});

Deno.test("fail() and unreachable() always fail", () => {
  fails(() => fail("why"), "Failed assertion: why");
  fails(() => unreachable(), "Unreachable.");
});
