/**
 * Makes `src/smtp/simd_scan_code.ts` of `src/smtp/simd_scan.wat`. As a program it writes that file; a
 * test holds the two together. The assembler is that of the WebAssembly Binary Toolkit (WABT).
 *
 * @module
 */

import wabt from "npm:wabt@1.0.39";

const SOURCE = new URL("../../src/smtp/simd_scan.wat", import.meta.url);

/** The file that holds what {@link assembleSimdScan} gives. */
export const CODE = new URL("../../src/smtp/simd_scan_code.ts", import.meta.url);

/** The WebAssembly module that the source describes. */
export async function assembleSimdScan(): Promise<Uint8Array> {
  const parsed = (await wabt()).parseWat("simd_scan.wat", await Deno.readTextFile(SOURCE));
  parsed.validate();
  return parsed.toBinary({ write_debug_names: false }).buffer;
}

/** What the file says of it. */
export function formatCode(module: Uint8Array): string {
  const lines = module.toBase64().match(/.{1,96}/g) ?? [];
  return `/**
 * What \`simd_scan.wat\` beside this is assembled to. Made by \`deno task wasm\`; not to be edited.
 *
 * @module
 */

/** The WebAssembly module, in Base64. */
export const SIMD_SCAN_CODE: string = [
${lines.map((line) => `  "${line}",\n`).join("")}].join("");
`;
}

if (import.meta.main) await Deno.writeTextFile(CODE, formatCode(await assembleSimdScan()));
