/**
 * Imported first of all by the entry file: a process that is to be a server catches SIGHUP before any other module
 * of it is evaluated, and before those of `serve` are loaded.
 *
 * @module
 */

import process from "node:process";
import { HangUps } from "./hang_ups.ts";
import { isThread } from "./workers/thread.ts";

// In all other commands it ends the process, as it should when their terminal goes.
if (process.argv[2] === "serve" && !isThread()) HangUps.catch();
