/**
 * As much of a milter's client as it takes to have a mail signed: one connection for each mail, nothing agreed upon but
 * what is needed, and the fields that the milter puts in. (What the program itself says to milters is another thing.)
 *
 * @module
 */

import { octets } from "./support.ts";

/** Bits of the negotiation: what the milter may change, and what it need not be told. */
const ADD_HEADERS = 0x01 | 0x10;
/** Field values come and go with the white space behind the colon. */
const LEADING_SPACE = 0x100000;

/** The fields that a milter puts into a mail of 127.0.0.1, octet for octet. */
export async function fieldsOfMilter(port: number, mail: Uint8Array): Promise<string[]> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const write = async (command: string, ...parts: (string | Uint8Array)[]) => {
    const data = parts.map((part) => typeof part === "string" ? octets(part) : part);
    const length = data.reduce((sum, { length }) => sum + length, 1);
    const packet = new Uint8Array(4 + length);
    new DataView(packet.buffer).setUint32(0, length);
    packet[4] = command.charCodeAt(0);
    let at = 5;
    for (const part of data) {
      packet.set(part, at);
      at += part.length;
    }
    for (let sent = 0; sent < packet.length;) sent += await connection.write(packet.subarray(sent));
  };
  const read = async () => {
    const head = await readExactly(connection, 5);
    const data = await readExactly(connection, new DataView(head.buffer).getUint32(0) - 1);
    return { command: String.fromCharCode(head[4]!), data };
  };
  const say = async (command: string, ...parts: (string | Uint8Array)[]) => {
    await write(command, ...parts);
    const reply = await read();
    if (reply.command !== "c") throw new Error(`the milter says ${reply.command} to ${command}`);
  };
  await write("O", words(6, ADD_HEADERS, LEADING_SPACE));
  if ((await read()).command !== "O") throw new Error("the milter does not negotiate");
  await say("C", "client.test\0", "4", new Uint8Array([0x12, 0x34]), "127.0.0.1\0");
  await say("H", "client.test\0");
  await say("M", "<ann@football.example.com>\0");
  await say("R", "<bob@example.net>\0");
  const whole = text(mail);
  const end = whole.indexOf("\r\n\r\n") + 2;
  for (const field of whole.slice(0, end).split(/(?<=\r\n)(?![ \t])/).filter((one) => one !== "")) {
    const colon = field.indexOf(":");
    const value = field.slice(colon + 1, -2).replaceAll("\r\n", "\n");
    await say("L", `${field.slice(0, colon)}\0${value}\0`);
  }
  await say("N");
  for (let at = end + 2; at < mail.length; at += 65535) await say("B", mail.slice(at, at + 65535));
  await write("E");
  const fields: string[] = [];
  for (;;) {
    const { command, data } = await read();
    if (command === "i" || command === "h") {
      const [name = "", value = ""] = text(command === "i" ? data.subarray(4) : data)
        .split("\0");
      fields.push(`${name}:${value.replaceAll("\n", "\r\n")}\r\n`);
    } else if (command === "c" || command === "a") {
      return fields;
    } else if (command !== "p") {
      throw new Error(`the milter says ${command} to the end`);
    }
  }
}

async function readExactly(
  connection: Deno.Conn,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const data = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await connection.read(data.subarray(at));
    if (count === null) throw new Error("the milter has hung up");
    at += count;
  }
  return data;
}

function words(...numbers: readonly number[]): Uint8Array {
  const data = new Uint8Array(numbers.length * 4);
  numbers.forEach((number, index) => new DataView(data.buffer).setUint32(index * 4, number));
  return data;
}

/** One character an octet. (What TextDecoder calls Latin-1 is another encoding.) */
function text(octets: Uint8Array): string {
  let text = "";
  for (let at = 0; at < octets.length; at += 8192) {
    text += String.fromCharCode(...octets.subarray(at, at + 8192));
  }
  return text;
}
