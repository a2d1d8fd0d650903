/**
 * The decoder of DATA beside that of npm's smtp-server, as `data_decoder.ts` measures it: a line for each kind of
 * message. On messages full of dots the goal is another.
 *
 * @module
 */

import type { CleanUp } from "../support/clean_up.ts";
import { type DecoderLine, isDecoderLine } from "../support/figure.ts";
import { HERE } from "../support/server.ts";
import { judge, type Result } from "./results.ts";
import type { Row } from "./rows.ts";

/** Times smtp-server's speed on messages in which half of the lines begin with a dot. */
const DOTS = 100;

/** Runs the program; gives a result for each kind of message. */
export async function measureDecoder(
  row: Row,
  quick: boolean,
  cleanUp: CleanUp,
): Promise<Result[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${HERE}/bench/data_decoder.ts`, "--json", ...(quick ? ["--quick"] : [])],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  cleanUp.process(child);
  const { code, stdout } = await child.output();
  if (code !== 0) throw new Error(`bench/data_decoder.ts ended with ${code}`);
  return decoderResults(row, new TextDecoder().decode(stdout));
}

/**
 * The results in what the program wrote.
 *
 * @throws {SyntaxError} for a line that is none of its.
 */
export function decoderResults(row: Row, text: string): Result[] {
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => {
    const value: unknown = JSON.parse(line);
    if (!isDecoderLine(value)) throw new SyntaxError(`no line of data_decoder: ${line}`);
    return resultOf(row, value);
  });
}

function resultOf(row: Row, { corpus, rates }: DecoderLine): Result {
  const measured = (server: string, decoder: string) => {
    const { median, lowest, highest } = rates[decoder]!;
    return { server, values: [lowest, median, highest], cpu: [], failed: 0 };
  };
  const goal = corpus.includes("dot") ? { times: DOTS } : row.goal;
  const work = `${row.work}, ${corpus}`;
  return judge(
    { ...row, goal },
    measured("ours", "strict"),
    measured("smtp-server", "smtp-server"),
    work,
  );
}
