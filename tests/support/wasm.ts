/**
 * Makes a TypeScript file of each WebAssembly text of the sources: `simd_scan_code.ts` of `simd_scan.wat`. As a program
 * it writes those files; tests hold the two together. The assembler is that of the WebAssembly Binary Toolkit
 * (WABT).
 *
 * @module
 */

import wabt from "npm:wabt@1.0.39";

/** The texts, without `.wat`, from the sources' folder. */
const TEXTS = [
  "smtp/simd_scan",
  "smtp/simd_text",
  "delivery/maildir/unix_lines",
  "mailauth/dkim/simd_blanks",
  "mailauth/dkim/rsa_power",
] as const;

function fileOf(path: string): URL {
  return new URL(`../../src/${path}`, import.meta.url);
}

/** The file that holds what a text is assembled to. */
export function codeFile(text: typeof TEXTS[number]): URL {
  return fileOf(`${text}_code.ts`);
}

/** What that file is to say. */
export async function assembled(text: typeof TEXTS[number]): Promise<string> {
  const name = text.slice(text.lastIndexOf("/") + 1);
  const source = await Deno.readTextFile(fileOf(`${text}.wat`));
  const parsed = (await wabt()).parseWat(name, source, { relaxed_simd: true });
  parsed.validate();
  const octets = parsed.toBinary({ write_debug_names: false }).buffer;
  const lines = octets.toBase64().match(/.{1,96}/g) ?? [];
  return `/**
 * What \`${name}.wat\` beside this is assembled to. Made by \`deno task wasm\`; not to be edited.
 *
 * @module
 */

/** The WebAssembly module, in Base64. */
export const ${name.toUpperCase()}_CODE: string = [
${lines.map((line) => `  "${line}",\n`).join("")}].join("");
`;
}

if (import.meta.main) {
  for (const text of TEXTS) await Deno.writeTextFile(codeFile(text), await assembled(text));
}
