import { assertEquals } from "@std/assert";
import { fieldOf, firstPart, hashBody, readNewMail } from "../../../src/cli/demo/mailbox.ts";
import { Folder } from "../program.ts";

Deno.test("readNewMail() gives the new mail of a Maildir, oldest first", async () => {
  await using folder = await Folder.make();
  assertEquals(await readNewMail(`${folder.path}/none`), []);
  await Deno.mkdir(`${folder.path}/new`);
  await Deno.writeTextFile(`${folder.path}/new/2.x`, "Subject: two\n\nbody\n\nof two\n");
  await Deno.writeTextFile(`${folder.path}/new/1.x`, "Subject: one\n\n");
  assertEquals(await readNewMail(folder.path), [
    { head: "Subject: one\n", body: "" },
    { head: "Subject: two\n", body: "body\n\nof two\n" },
  ]);
});

Deno.test("fieldOf() unfolds, and takes the first of that name", () => {
  const head = "Received: a\n\tb\n  c\nreceived: d\nSubject:hi\n";
  assertEquals(fieldOf(head, "Received"), "a b c");
  assertEquals(fieldOf(head, "subject"), "hi");
  assertEquals(fieldOf(head, "To"), null);
});

Deno.test("firstPart() gives the text of a notice", () => {
  const head = 'Content-Type: multipart/report; report-type=delivery-status;\n boundary="=_x"\n';
  const body = "--=_x\nContent-Type: text/plain\n\nI am sorry.\n\n--=_x\n\nmore\n--=_x--\n";
  assertEquals(firstPart({ head, body }), "I am sorry.");
});

Deno.test("hashBody() is SHA-256 of the text with LF", () => {
  // printf 'abc\n' | sha256sum
  const expected = "edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb";
  assertEquals(hashBody("abc\r\n"), expected);
});
