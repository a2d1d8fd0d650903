/**
 * What `unix_lines.wat` beside this is assembled to. Made by `deno task wasm`; not to be edited.
 *
 * @module
 */

/** The WebAssembly module, in Base64. */
export const UNIX_LINES_CODE: string = [
  "AGFzbQEAAAABCAFgA39/fwF/AwIBAAUEAQECAgcTAgZtZW1vcnkCAAZlbmNvZGUAAAq3AQG0AQICfwJ7QQr9DyEGAkADQCAA",
  "IAFPDQEgAP0ABAAhBSACIAX9CwQAIAUgBv0j/WQhBCAERQRAIABBEGohACACQRBqIQIMAQsgBGghBCAAIARqIQAgAiAEaiEC",
  "IAAgAU8NASACQQFrLQAAQQ1GBEAgAkECay0AAEENRwRAIAJBAWshAgsFIANBAWohAwsgAkEKOgAAIABBAWohACACQQFqIQIM",
  "AAsLQQAgAzYCACACIAAgAWtrCw==",
].join("");
