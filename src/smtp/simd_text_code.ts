/**
 * What `simd_text.wat` beside this is assembled to. Made by `deno task wasm`; not to be edited.
 *
 * @module
 */

/** The WebAssembly module, in Base64. */
export const SIMD_TEXT_CODE: string = [
  "AGFzbQEAAAABDgJgA39/fwF/YAJ/fwF/AwMCAAEFBAEBAgIHHAMGbWVtb3J5AgAFcGxhaW4AAAdoYXM4Yml0AAEKvQECgwEC",
  "AX8Ge0Eu/Q8hB0EK/Q8hCEEN/Q8hCSAC/RAhBSABQRBrIQMCQANAIAAgA0oNASAA/QAEACEEIAUgBP0NDxAREhMUFRYXGBka",
  "GxwdHiEGIAQgCP0jIAYgCf0j/VEgBCAH/SMgBiAI/SP9Tv1Q/VMNASAEIQUgAEEQaiEADAALCyAACzYCAX8BeyABQRBrIQIC",
  "QANAIAAgAkoNASADIAD9AAQA/VAhAyAAQRBqIQAMAAsLIAP9ZEEARws=",
].join("");
