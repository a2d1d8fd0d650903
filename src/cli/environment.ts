/**
 * The environment under Deno's permissions. Packages ask for variables of their own, such as the YAML parser
 * for `LOG_TOKENS`; where that is not allowed Deno throws, in the midst of them. Here a variable that may not
 * be read is one that is not set, so that nobody has to allow what nobody needs.
 *
 * @module
 */

import process from "node:process";
import { isGranted } from "./permissions.ts";

/** Makes it so for the whole process, where Deno does not give all of the environment. */
export function tameEnvironment(): void {
  if (isGranted({ name: "env" })) return;
  const { env } = process;
  const get = (_: object, name: string | symbol) =>
    typeof name === "string" && isGranted({ name: "env", variable: name }) ? env[name] : undefined;
  Object.defineProperty(process, "env", { value: new Proxy({}, { get }) });
}
