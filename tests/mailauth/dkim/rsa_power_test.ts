import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { inverse, rsaPower } from "../../../src/mailauth/dkim/rsa_power.ts";
import { assembled, codeFile } from "../../support/wasm.ts";

Deno.test("rsa_power_code.ts is made of rsa_power.wat (if not: deno task wasm)", async () => {
  assertEquals(
    await Deno.readTextFile(codeFile("mailauth/dkim/rsa_power")),
    await assembled("mailauth/dkim/rsa_power"),
  );
});

/** Where products are rounded before they are added to, nothing can be computed, nor tried. */
function powerTest(name: string, work: () => void): void {
  const ignore = rsaPower([3n, 5n], [1n, 1n]) === null;
  Deno.test({
    name: ignore ? `${name} (not tried: no fused multiply-add here)` : name,
    ignore,
    fn: work,
  });
}

/** RFC 8017 does not say how; that is how anybody would. */
function reference(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n % modulus;
  for (const bit of exponent.toString(2)) {
    result = result * result % modulus;
    if (bit === "1") result = result * base % modulus;
  }
  return result;
}

const MOST = (1n << 1024n) - 1n;
const number = fc.oneof(
  fc.bigInt({ min: 0n, max: MOST }),
  // Limbs and digits of ones, and of zeros.
  fc.constantFrom(0n, 1n, 2n, 15n, (1n << 51n) - 1n, 1n << 51n, 1n << 1023n, MOST - 1n, MOST),
  fc.tuple(fc.nat(1023), fc.nat(1023)).map(([a, b]) => (1n << BigInt(a)) ^ (1n << BigInt(b))),
);
const modulus = number.map((any) => (any | 1n) === 1n ? 3n : any | 1n);

powerTest(
  "rsaPower() gives what multiplying gives, for both moduli, whatever the numbers are",
  () => {
    fc.assert(
      fc.property(
        fc.tuple(modulus, modulus),
        fc.tuple(number, number),
        fc.tuple(number, number),
        (moduli, exponents, numbers) => {
          const bases = [numbers[0] % moduli[0], numbers[1] % moduli[1]] as const;
          const power = rsaPower(moduli, exponents)!;
          assertEquals(power(bases), [
            reference(bases[0], exponents[0], moduli[0]),
            reference(bases[1], exponents[1], moduli[1]),
          ]);
        },
      ),
      { numRuns: 60 },
    );
  },
);

powerTest("rsaPower() of two keys, in turns, mixes nothing up", () => {
  const one = rsaPower([MOST, 7n], [5n, 3n])!;
  const other = rsaPower([11n, 13n], [MOST, 2n])!;
  for (let turn = 0; turn < 2; turn++) {
    assertEquals(one([2n, 3n]), [32n, 6n]);
    assertEquals(other([2n, 5n]), [reference(2n, MOST, 11n), 12n]);
  }
});

Deno.test("inverse() times the number is 1", () => {
  fc.assert(fc.property(modulus, (modulus) => {
    const power = 1n << 51n;
    assertEquals(inverse(modulus, power) * modulus % power, 1n);
  }));
});
