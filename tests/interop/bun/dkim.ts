/**
 * The tests of DKIM's hashes and signatures in Bun, whose cryptography and WebAssembly are others: bundled and run by
 * `bun_dkim_test.ts`.
 *
 * @module
 */

import { runTests } from "./deno_test_shim.ts";
import process from "node:process";
import "../../mailauth/dkim/body_hashes_test.ts";
import "../../mailauth/dkim/canonical_body_test.ts";
import "../../mailauth/dkim/canonical_field_test.ts";
import "../../mailauth/dkim/sign_test.ts";

process.exit(await runTests() === 0 ? 0 : 1);
