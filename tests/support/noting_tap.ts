/**
 * Somebody who listens in on a session and notes everything, as lines.
 *
 * @module
 */

import { decode } from "../../src/bytes.ts";
import { formatReply, type Reply } from "../../src/smtp/reply.ts";
import type { SessionTap } from "../../src/smtp/session_tap.ts";

/** Notes what it is told: `C: …`, `S: …`, `-- …`. */
export class NotingTap implements SessionTap {
  readonly heard = true;
  readonly lines: string[] = [];

  command(line: string): void {
    this.lines.push(`C: ${line}`);
  }

  reply(given: Reply, enhanced: boolean): void {
    const text = decode(formatReply(given, enhanced)).slice(0, -2);
    this.lines.push(...text.split("\r\n").map((line) => `S: ${line}`));
  }

  message(octets: number): void {
    this.lines.push(`C: [${octets} octets]`);
  }

  note(text: string): void {
    this.lines.push(`-- ${text}`);
  }

  /** All of it. */
  get text(): string {
    return this.lines.join("\n");
  }
}
