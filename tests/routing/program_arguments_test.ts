import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { checkArguments, expandArguments } from "../../src/routing/program_arguments.ts";

const domain = "example.org";

/** One argument for a local part and the null sender; `null`: refused. */
function expand(template: string, local: string, delimiter: string | null = "+"): string | null {
  const filled = expandArguments([template], { local, domain }, null, delimiter);
  return "refused" in filled ? null : filled.arguments[0]!;
}

Deno.test("expandArguments() fills in one pass, and lets no stranger make an option", () => {
  assertEquals(expand("{tag}", "a+b+c"), "b+c");
  assertEquals(expand("{user}", "a+b", null), "a+b");
  assertEquals(expand("{user}", "{domain}"), "{domain}");
  assertEquals(expand("{recipient}", "a b"), '"a b"@example.org');
  assertEquals(expand("{other} {}", "a"), "{other} {}");
  assertEquals(expand("{user}", "-oQ/tmp"), null);
  assertEquals(expand("{tag}{user}", "-x"), null);
  assertEquals(expand("--user={user}", "-x"), "--user=-x");
});

Deno.test("expandArguments() lets no empty value swallow the next argument", () => {
  // Postfix, pipe(8): ${sender} is MAILER-DAEMON for the null sender.
  const filled = expandArguments(["-f{sender}", "{recipient}"], { local: "a", domain }, null, "+");
  assertEquals(filled, { arguments: ["-fMAILER-DAEMON", "a@example.org"] });
  assertEquals(expand("{sender}", "a"), "MAILER-DAEMON");
  assertEquals(expand("{tag}", "a"), "");
  assertEquals(expand("--tag={tag}", "a"), "--tag=");
  assertEquals(expand("-t{tag}", "a+b"), "-tb");
  for (const template of ["-t{tag}", "--tag{tag}", "-{tag}"]) {
    assertEquals(expand(template, "a"), null, template);
  }
  assertEquals(expand("-u{user}", ""), null);
  assertEquals(expand("-u{user}{tag}", "a"), "-ua");
});

Deno.test("expandArguments() lets no value lead out of the folder that a path names", () => {
  assertEquals(expand("/srv/{domain}/{user}", "a"), "/srv/example.org/a");
  assertEquals(expand("/srv/{user}/{tag}", "a"), "/srv/a/");
  assertEquals(expand("/srv/../{user}", "..."), "/srv/../...");
  assertEquals(expand("{user}", "../../etc/x"), "../../etc/x");
  for (const local of ["../../../etc/x", "/etc/x", "a/b", "a/", "..", ".", "", "a\0b"]) {
    assertEquals(expand("/srv/{domain}/{user}", local), null, local);
    assertEquals(expand("--box={user}/new", local), null, local);
    assertEquals(expand("-d{user}/", local), null, local);
  }
  assertEquals(expand("/srv/.{user}", "."), null);
  assertEquals(expand("/srv/{user}/{tag}", "a+.."), null);
  assertEquals(expand("/srv/{user}{tag}", ".+."), null);
  assertEquals(expand("/srv/{recipient}", "a/b"), null);
});

Deno.test("checkArguments() names an option that would often lack its value", () => {
  assertEquals(checkArguments(["-d", "{user}", "{tag}", "--tag={tag}", "-u{user}{tag}"]), null);
  for (const template of ["-t{tag}", "--tag{tag}"]) {
    assertEquals(checkArguments(["-d", template])?.split(" ")[0], template);
  }
});

Deno.test("expandArguments() gives as many arguments as templates, whatever is filled in", () => {
  fc.assert(fc.property(fc.string(), fc.array(fc.string()), (local, templates) => {
    const filled = expandArguments(templates, { local, domain }, null, "+");
    if ("refused" in filled) return;
    assertEquals(filled.arguments.length, templates.length);
    filled.arguments.forEach((argument, index) => {
      if (argument.startsWith("-")) assertEquals(templates[index]!.startsWith("-"), true);
    });
  }));
});
