/**
 * The section `filters`: programs that look at mail before it is taken, in their order.
 *
 * @module
 */

import { z } from "../packages.ts";
import { clamavSchema } from "./clamav.ts";
import { httpHookSchema } from "./http_hook.ts";
import { milterSchema } from "./milter.ts";

/** One of them. */
export const filterSchema = z.discriminatedUnion("kind", [
  milterSchema,
  clamavSchema,
  httpHookSchema,
])
  .describe("A filter");

/** As it is once it was read. */
export type FilterConfig = z.output<typeof filterSchema>;
