import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseClamdAnswer, SIGNATURE_LIMIT } from "../../../src/policy/clamav/clamd.ts";

Deno.test("parseClamdAnswer() reads the answers of clamd's session.c and scanner.c", () => {
  const infected = (signature: string) => ({ status: "infected", signature } as const);
  assertEquals(parseClamdAnswer("stream: OK"), { status: "clean" });
  assertEquals(
    parseClamdAnswer("stream: Eicar-Test-Signature FOUND"),
    infected("Eicar-Test-Signature"),
  );
  assertEquals(
    parseClamdAnswer("stream: Eicar(44d88612fea8a8f36de82e1278abb02f:68) FOUND"),
    infected("Eicar(44d88612fea8a8f36de82e1278abb02f:68)"),
  );
  assertEquals(parseClamdAnswer("INSTREAM size limit exceeded. ERROR"), { status: "too-large" });
  assertEquals(parseClamdAnswer("stream: Can't allocate memory ERROR"), {
    status: "failed",
    reason: "it says: stream: Can't allocate memory ERROR",
  });
  assertEquals(parseClamdAnswer("UNKNOWN COMMAND").status, "failed");
  assertEquals(parseClamdAnswer("").status, "failed");
});

Deno.test("parseClamdAnswer() lets nothing of a signature's name break a line or an answer", () => {
  assertEquals(parseClamdAnswer("stream: A\x1bB\x7f\u2028 FOUND"), {
    status: "infected",
    signature: "A?B??",
  });
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
    const result = parseClamdAnswer(`stream: ${text} FOUND`);
    if (result.status !== "infected") return;
    assertEquals(/^[\x20-\x7e]*$/.test(result.signature), true);
    assertEquals(result.signature.length <= SIGNATURE_LIMIT, true);
  }));
});

Deno.test("parseClamdAnswer() takes no text for clean but clamd's own", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    const { status } = parseClamdAnswer(text);
    if (status === "clean") assertEquals(text.trim(), "stream: OK");
  }));
  for (const text of ["OK", "stream: OK.", "stream: ok", "stream: OK FOUND", "x stream: OK"]) {
    assertEquals(parseClamdAnswer(text).status === "clean", false, text);
  }
});
