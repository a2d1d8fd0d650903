/**
 * The client's side of the control socket: one request, and its answer line by line.
 *
 * What fails is a {@link ControlError}, whether the server said so, nobody listens, or what came makes no
 * sense. Whoever stops reading early closes the connection, and so ends the server's work on it.
 *
 * @module
 */

import { encode } from "../bytes.ts";
import { describeError } from "../events.ts";
import { type Connection, type Network, SOCKET_PATH_LIMIT } from "../runtime/network.ts";
import { errorCode } from "../runtime/system_error.ts";
import {
  ANSWER_LINE_LIMIT,
  CONTROL_VERSION,
  ControlError,
  type ControlErrorCode,
  type ControlLine,
  type JsonObject,
  parseControlEnd,
  parseControlLine,
} from "./control_protocol.ts";
import { readLines } from "./line_reader.ts";

/**
 * Asks; yields the lines of the answer as they come and returns what its end says.
 *
 * @param path of the socket.
 * @param request with `do` and what belongs to it; the version is added here.
 * @throws {ControlError}
 */
export async function* askControl(
  network: Network,
  path: string,
  request: JsonObject,
): AsyncGenerator<ControlLine, JsonObject, void> {
  const connection = await connect(network, path);
  try {
    await send(connection, request);
    for await (const bytes of readLines(connection, ANSWER_LINE_LIMIT)) {
      const line = parseControlLine(bytes);
      if (line === null || typeof line.type !== "string") throw garbled("a line is no JSON");
      if (line.type !== "end") {
        yield line as ControlLine;
        continue;
      }
      const end = parseControlEnd(line);
      if (end === null) throw garbled("its end makes no sense");
      if (end.ok) return end;
      throw new ControlError(end.error.code as ControlErrorCode, end.error.message);
    }
    throw garbled("it ended too early");
  } catch (error) {
    throw error instanceof ControlError ? error : garbled(describeError(error), error);
  } finally {
    connection.close();
  }
}

async function connect(network: Network, path: string): Promise<Connection> {
  try {
    return await network.connect({ transport: "unix", path });
  } catch (error) {
    const code = errorCode(error);
    if (code === "EACCES" || code === "EPERM") {
      const message = `${path} is only for the user the server runs as, and for root`;
      throw new ControlError("forbidden", message, { cause: error });
    }
    if (code === "ENAMETOOLONG") {
      const message =
        `the path of a socket has at most ${SOCKET_PATH_LIMIT} octets: ask from a folder from which it is shorter`;
      throw new ControlError("failed", message, { cause: error });
    }
    if (code !== "ENOENT" && code !== "ECONNREFUSED") throw error;
    const message = `no server listens on ${path}`;
    throw new ControlError("unavailable", message, { cause: error });
  }
}

/** A server that refuses before it has read everything is still to be heard: a failed write is no end. */
async function send(connection: Connection, request: JsonObject): Promise<void> {
  const line = encode(`${JSON.stringify({ yizhan: CONTROL_VERSION, ...request })}\n`);
  await connection.write(line).catch(() => {});
}

function garbled(reason: string, cause?: unknown): ControlError {
  return new ControlError("garbled", `the server's answer cannot be read: ${reason}`, { cause });
}
