/**
 * The commands that tell a filter of a session and its message, as packets. Pure.
 *
 * @module
 */

import { type Address, formatAddress } from "../../address.ts";
import type { RawField } from "../../message/header.ts";
import type { SessionView } from "../policy.ts";
import { ownReceived } from "./edits.ts";
import { addressOf } from "./macros.ts";
import { BODY_CHUNK, COMMANDS, formatPacket, MAX_DATA } from "./packet.ts";

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const COLON = 0x3a;
const QUESTION_MARK = 0x3f;

/** A client connected. @param name as `ClientName.name`. */
export function formatConnect(name: string, session: SessionView): Uint8Array {
  const address = addressOf(session);
  const family = address.includes(":") ? "6" : "4";
  const info = new Uint8Array(3);
  info[0] = family.charCodeAt(0);
  new DataView(info.buffer).setUint16(1, session.port ?? 0);
  return formatPacket(COMMANDS.connect, name, info, address);
}

/** MAIL or RCPT with a path, and its ESMTP parameters as the client could have said them. */
export function formatAddressed(
  kind: string,
  address: Address | null,
  parameters: readonly string[],
): Uint8Array {
  return formatPacket(kind, address === null ? "<>" : `<${formatAddress(address)}>`, ...parameters);
}

/**
 * A field a packet. Our own Received, the first, is not shown, as sendmail and Postfix do not show theirs; line breaks
 * are LF alone. Of a field that is larger than a packet may be the beginning is shown: libmilter hangs up on what is
 * larger, and mail would pass it unseen where `onTrouble` lets it.
 */
export function* headerPackets(
  fields: readonly RawField[],
  leadingSpace: boolean,
): Generator<Uint8Array> {
  const own = ownReceived(fields);
  for (const [index, field] of fields.entries()) {
    if (index === own || field.name === "") continue;
    const value = valueOf(field, leadingSpace);
    // A name may be as long as a head.
    const name = field.name.slice(0, MAX_DATA - 2);
    const room = MAX_DATA - name.length - 2;
    if (value.length > room + 1) value[room] = NUL;
    yield formatPacket(COMMANDS.header, name, value.subarray(0, room + 1));
  }
}

/** What stands behind the colon, as a C string. */
function valueOf({ raw }: RawField, leadingSpace: boolean): Uint8Array {
  let start = raw.indexOf(COLON) + 1;
  // sendmail takes away one space, and no tab, where the filter does not want it.
  if (!leadingSpace && raw[start] === SP) start++;
  let end = raw.length;
  if (raw[end - 1] === LF) end--;
  if (raw[end - 1] === CR) end--;
  const value = new Uint8Array(Math.max(0, end - start) + 1);
  let length = 0;
  for (let at = start; at < end; at++) {
    const octet = raw[at]!;
    if (octet === CR && raw[at + 1] === LF) continue;
    value[length++] = octet === NUL ? QUESTION_MARK : octet;
  }
  return value.subarray(0, length + 1);
}

/** A body in packets that are as large as they may be. */
export async function* bodyPackets(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(BODY_CHUNK);
  let filled = 0;
  for await (const piece of body) {
    for (let rest = piece; rest.length > 0;) {
      const part = rest.subarray(0, BODY_CHUNK - filled);
      chunk.set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
      if (filled < BODY_CHUNK) continue;
      yield formatPacket(COMMANDS.body, chunk);
      filled = 0;
    }
  }
  if (filled > 0) yield formatPacket(COMMANDS.body, chunk.subarray(0, filled));
}
