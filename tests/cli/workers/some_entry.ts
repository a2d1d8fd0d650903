/**
 * An entry file that is a thread: says what it hears, and throws when it is told to.
 *
 * @module
 */

import { isThread, joinStarter } from "../../../src/cli/workers/thread.ts";

if (isThread()) {
  const send = joinStarter((message) => {
    if (message === "throw") setTimeout(() => fail());
    else send({ back: message });
  });
  send("joined");
}

function fail(): never {
  throw new Error("the thread has had enough");
}
