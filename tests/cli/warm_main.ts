/**
 * The program for many command lines, one after the other: each comes as a line of JSON from whoever
 * listens on the port in the first argument, and its exit code goes back the same way. What it prints goes
 * to the standard streams, as always; on both the second argument follows as a mark of its end. The third is
 * the folder it starts in. A process that has not all permissions keeps none for that connection.
 *
 * @module
 */

import { main } from "../../src/cli/main.ts";

const [port, mark, home] = Deno.args;
const encoder = new TextEncoder();

/** Writes all of it. */
function write(stream: { writeSync(octets: Uint8Array): number }, text: string): void {
  const octets = encoder.encode(text);
  for (let at = 0; at < octets.length;) at += stream.writeSync(octets.subarray(at));
}

const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
const isFree = Deno.permissions.querySync({ name: "run" }).state === "granted";
if (!isFree) Deno.permissions.revokeSync({ name: "net" });
const decoder = new TextDecoderStream() as TransformStream;
let folder = home;
let text = "";
for await (const piece of connection.readable.pipeThrough(decoder)) {
  text += piece;
  const end = text.indexOf("\n");
  if (end < 0) continue;
  const { words, cwd } = JSON.parse(text.slice(0, end));
  text = text.slice(end + 1);
  if (cwd !== folder) Deno.chdir(cwd);
  folder = cwd;
  const code = await main(words);
  for (const stream of [Deno.stdout, Deno.stderr]) write(stream, mark!);
  await connection.write(encoder.encode(`${code}\n`));
}
Deno.exit();
