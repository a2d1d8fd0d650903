/**
 * The packages that the configuration uses, named once with their versions: the command line also runs
 * from a URL, where no import map holds.
 *
 * @module
 */

export { z } from "npm:zod@4.6.7";
import * as yaml from "npm:yaml@2.9.1";

export { yaml };
