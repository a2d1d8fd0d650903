/**
 * A disk that is only looked at: what reads works as ever, what would change something does not. So code of the
 * server can be asked what it would do.
 *
 * What would make something durable does nothing, a folder that shall be made is said to be there (`EEXIST`: it
 * is the answer when another program was quicker), and everything else that writes fails with `EROFS`, as on a
 * file system that is read-only.
 *
 * @module
 */

import type { Files } from "../runtime/files.ts";
import { SystemError } from "../runtime/system_error.ts";

/** The disk, which nothing done here can change. */
export function readOnlyFiles(files: Files): Files {
  return {
    open: (path, options) => {
      const { write, append, create, createNew, truncate } = options;
      const writes = [write, append, create, createNew, truncate].some((wish) => wish === true);
      return writes ? refuse("open", path) : files.open(path, options);
    },
    readFile: (path, limit) => files.readFile(path, limit),
    list: (path) => files.list(path),
    stat: (path, options) => files.stat(path, options),
    space: (path) => files.space(path),
    syncDirectory: () => Promise.resolve(),
    makeDirectory: (path) =>
      Promise.reject(new SystemError("EEXIST", `${path} is not made: this disk is only looked at`)),
    rename: (from) => refuse("rename", from),
    remove: (path) => refuse("remove", path),
    copyAccess: (_, to) => refuse("change", to),
    setMode: (path) => refuse("change", path),
  };
}

function refuse(what: string, path: string): Promise<never> {
  return Promise.reject(
    new SystemError("EROFS", `cannot ${what} ${path}: this disk is only looked at`),
  );
}
