/**
 * A server that takes every message and forgets it, for what is relayed to. Prints the number of messages when
 * it has taken as many as it was told to, and ends.
 *
 * It offers PIPELINING and 8BITMIME, says yes to everything, and looks for nothing in a message but its end.
 *
 *     deno run --no-prompt --allow-net bench/sink.ts PORT COUNT
 *
 * @module
 */

import { encode } from "../src/bytes.ts";
import { commandLine } from "./support/command_line.ts";

const LF = 10;
const END = encode("\r\n.\r\n");
const GREETING = encode("220 sink.test ESMTP\r\n");
const HELLO = "250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n";

/** One session; `taken` is called for every message. */
export async function sinkSession(connection: Deno.Conn, taken: () => void): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  let line = "";
  /** Octets of END at the end of what was read of the message; -1 outside of one. */
  let matched = -1;
  await connection.write(GREETING);
  for (let count; (count = await connection.read(buffer)) !== null;) {
    let replies = "";
    for (let at = 0; at < count;) {
      if (matched >= 0) {
        const octet = buffer[at++];
        // After a mismatch only a CR can begin the end anew: it is in no other place of END but the fourth.
        matched = octet === END[matched] ? matched + 1 : octet === END[0] ? 1 : 0;
        if (matched < END.length) continue;
        matched = -1;
        taken();
        replies += "250 2.0.0 ok\r\n";
        continue;
      }
      const end = buffer.subarray(0, count).indexOf(LF, at);
      const last = end < 0 ? count : end + 1;
      line += String.fromCharCode(...buffer.subarray(at, last));
      at = last;
      if (end < 0) continue;
      const verb = line.slice(0, 4).toUpperCase();
      line = "";
      if (verb === "DATA") {
        matched = 2; // an empty message ends with its first line
        replies += "354 go ahead\r\n";
      } else if (verb === "EHLO") replies += HELLO;
      else replies += verb === "QUIT" ? "221 2.0.0 bye\r\n" : "250 2.0.0 ok\r\n";
    }
    if (replies !== "") await connection.write(encode(replies));
  }
}

if (import.meta.main) {
  const { words } = commandLine({
    program: "bench/sink.ts",
    about: "Takes messages on a port of 127.0.0.1 and forgets them, until it has so many.",
    words: { any: "PORT COUNT" },
    flags: {},
  });
  const [port, count] = words.map(Number);
  let messages = 0;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: port ?? 0 });
  for (;;) {
    const connection = await listener.accept();
    connection.setNoDelay(true);
    const taken = () => {
      if (++messages !== count) return;
      console.log(messages);
      setTimeout(() => Deno.exit(0), 50); // the last reply leaves first
    };
    sinkSession(connection, taken).catch(() => {}).finally(() => connection.close());
  }
}
