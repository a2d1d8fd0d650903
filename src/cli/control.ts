/**
 * How commands ask a running server: which socket is its, the question and its answer, and what went
 * wrong in words with an exit code.
 *
 * @module
 */

import { askControl } from "../admin/control_client.ts";
import { ControlError, type ControlLine, type JsonObject } from "../admin/control_protocol.ts";
import { escapeJson } from "../observe/visible_text.ts";
import type { CommandLine, Flag } from "./command.ts";
import { CONFIG_FLAG, findConfigPaths } from "./config_file.ts";
import { CommandError, EXIT } from "./exit.ts";
import { thisRuntime } from "./machine.ts";
import { requirePermissions } from "./permissions.ts";

/** The flags that say which server. */
export const CONTROL_FLAGS = {
  ...CONFIG_FLAG,
  socket: {
    value: "PATH",
    help: "Its control socket, in place of the configuration's",
  },
} satisfies Record<string, Flag>;

/** A running server that can be asked. */
export class RunningServer {
  /** The path of its control socket. */
  readonly socket: string;

  private constructor(socket: string) {
    this.socket = socket;
  }

  /**
   * The one that the flags name. The rest of its configuration may be wrong: that must not keep anybody
   * from asking.
   *
   * @throws {CommandError} where no configuration is found, or Deno does not allow to connect.
   */
  static async find(line: CommandLine, words: readonly string[]): Promise<RunningServer> {
    const socket = line.value("socket") ?? (await findConfigPaths(line)).control;
    const address = { transport: "unix" as const, path: socket };
    requirePermissions({ read: [], write: [], listen: [address], sys: [] }, words);
    return new RunningServer(socket);
  }

  /**
   * Asks, and gives every line of the answer to `each`; resolves with what its end says.
   *
   * @throws {ControlError} see {@link explainControlError}.
   */
  async ask(request: JsonObject, each: (line: ControlLine) => void): Promise<JsonObject> {
    const { network } = thisRuntime();
    const answer = askControl(network, this.socket, request);
    try {
      for (;;) {
        const { done, value } = await answer.next();
        if (done) return value;
        each(value);
      }
    } finally {
      await answer.return({});
    }
  }

  /** What a command ends with for an error of {@link ask}; anything else stays as it is. */
  explain(error: unknown): unknown {
    return error instanceof ControlError ? explainControlError(error, this.socket) : error;
  }
}

/** A line of an answer as a line of JSON that can do no harm on a terminal. */
export function formatControlJson(line: JsonObject): string {
  return escapeJson(JSON.stringify(line));
}

/** As an exit code and a line that says what to do. */
function explainControlError({ code, message }: ControlError, socket: string): CommandError {
  switch (code) {
    case "unavailable": {
      const advice = "start it (yizhan serve), or name its configuration with --config FILE";
      return new CommandError(EXIT.unavailable, `${message}: ${advice}`);
    }
    case "not-found":
      return new CommandError(EXIT.noInput, `${message}; yizhan queue list shows what is`);
    case "forbidden":
      return new CommandError(EXIT.noPermission, message);
    case "refused":
      return new CommandError(EXIT.config, message);
    case "busy":
    case "stopping":
      return new CommandError(EXIT.temporary, `${socket}: ${message}`);
    case "version":
      return new CommandError(EXIT.unavailable, `${socket}: ${message}`);
    default:
      return new CommandError(EXIT.ioError, `${socket}: ${message}`);
  }
}
