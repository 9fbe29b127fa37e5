// `blockpt sh` as a shell: where statements come from, exit codes, redirections that fail, `set -e`, JSON.

import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Place } from "./command-line.js";
import { expectScript, FUNC1, START, statementsOf } from "./shell-rig.js";

let place: Place;

beforeAll(async () => {
  place = await Place.create();
});

afterAll(() => place.remove());

describe("statements come", () => {
  test("from a script, with arguments that may look like options", async () => {
    await writeFile(place.path("args.sh"), 'echo "$0|$1|$2|$#|$@"\n');
    const ended = await place.run(["sh", "args.sh", "a b", "--json"]);
    expect(ended).toEqual({ exitCode: 0, stdout: "args.sh|a b|--json|2|a b --json\n", stderr: "" });
  });

  test("from -c, with $0 and arguments behind it", async () => {
    const ended = await place.run(["sh", "-c", "echo $0 $1\nexit 3", "me", "one"]);
    expect(ended).toEqual({ exitCode: 3, stdout: "me one\n", stderr: "" });
  });

  test("from stdin, on as many lines as they take", async () => {
    const script = [
      "for i in 1 2",
      "do",
      "  echo $i",
      "done",
      "f()",
      "{",
      '  echo "in',
      'f"; }',
      "f &&",
      "  echo a \\",
      "    b # a comment",
      "cat <<E",
      "  $(echo here)",
      "E",
      "echo x |",
      "  tr x y",
      "echo no newline",
    ].join("\n");
    const stdout = "1\n2\nin\nf\na b\n  here\ny\nno newline\n";
    await expectScript(place, script, { stdout });
  });

  test("one after the other: one runs before the next is written", async () => {
    const running = place.start(["sh"], {}, null);
    running.child.stdin?.write("echo one\n");
    await running.printed("one\n");
    running.child.stdin?.end("echo two; exit 4\n");
    expect(await running.ended).toEqual({ exitCode: 4, stdout: "one\ntwo\n", stderr: "" });
  });

  test("from stdin, which has nothing left for them then", async () => {
    const script = "cat /dev/stdin\ndd if=/dev/stdin status=none\necho end\n";
    await expectScript(place, script, { stdout: "end\n" });
  });

  test("from elsewhere than stdin, which is /dev/stdin then", async () => {
    const script = "head -n 1 /dev/stdin; echo end";
    const ended = await place.run(["sh", "-c", script], {}, "first\nsecond\n");
    expect(ended).toEqual({ exitCode: 0, stdout: "first\nend\n", stderr: "" });
  });

  test.each([
    ["that is not there", "nope.sh", 127, "ENOENT"],
    ["that is a directory", "folder", 126, "EISDIR"],
  ])("not from a script %s", async (_what, script, exitCode, code) => {
    await mkdir(place.path("folder"), { recursive: true });
    const ended = await place.run(["sh", script]);
    expect(ended).toMatchObject({ exitCode, stdout: "" });
    expect(ended.stderr).toMatch(
      new RegExp(`^blockpt: ${code}: ${script}: the script cannot be read: .+\n$`),
    );
  });
});

describe("the exit code", () => {
  test.each([
    ["false", 1],
    ["false; true", 0],
    ["(exit 7)", 7],
    ["exit 8; echo no", 8],
    ["false\nexit", 1],
    ["nosuch 2> /dev/null", 127],
    ["false | true", 0],
    ["set -o pipefail; false | true", 1],
    ["false\nx=1", 0],
    ["x=$(exit 5)", 5],
    ["! true", 1],
    ["f() { return 6; }; f", 6],
    ["f() { exit 9; }; f; echo no", 9],
    ["echo x > /sys/nope 2> /dev/null", 1],
  ])("of %j is %d", async (script, exitCode) => {
    const ended = await place.run(["sh", "-c", script]);
    expect({ ...ended, stderr: "" }).toEqual({ exitCode, stdout: "", stderr: "" });
  });

  test.each(["fi", ")", "}"])(
    "of %j, which cannot be parsed, is 2, after those before it",
    async (token) => {
      await expectScript(place, `echo a\n${token}\necho b\n`, {
        exitCode: 2,
        stdout: "a\n",
        stderr: `bash: syntax error near unexpected token \`${token}'\n`,
      });
    },
  );

  test.each(['echo "a', "for i in 1", "cat <<E\na", "true &&", "f()"])(
    "of a script that ends in the middle of %j is 2",
    async (script) => {
      const stderr = "bash: syntax error: unexpected end of file\n";
      await expectScript(place, script, { exitCode: 2, stdout: "", stderr });
    },
  );

  test("of each statement is $? in the next", async () => {
    const script = "(exit 3)\necho $?\necho $?\nfalse\nx=$?\necho $x\n! true\necho $?\n";
    await expectScript(place, script, { stdout: "3\n0\n1\n1\n" });
  });
});

describe("set -e", () => {
  test.each([
    ["a command that fails", "false", ""],
    ["a command that fails at the end of a list", "true && false", ""],
    ["a function that fails", "f() { false; echo in; }; f", ""],
    ["a write that fails", "echo x > /sys/nope", ""],
    ["a pipeline that fails", "true | false", ""],
    ["an assignment of a command that fails", "x=$(false)", ""],
    ["a redirected command that fails", "false > out", ""],
  ])("ends the script at %s", async (_what, statement, stdout) => {
    const ended = await place.run(["sh", "-c", `set -e\n${statement}\necho not reached`]);
    expect(ended).toMatchObject({ exitCode: 1, stdout });
  });

  test.each([
    ["in a condition", "if false; then :; fi; while false; do :; done"],
    ["in front of ||", "false || true"],
    ["in front of &&", "false && true"],
    ["behind !", "! true"],
    ["in a group in front of ||", "{ false; echo in; } > out || true"],
    ["in a function in front of ||", "f() { false; true; }; f || true"],
    ["in a function behind !", "f() { false; return 0; }; ! f"],
    ["in front of a pipe", "false | true"],
    ["in a write in front of ||", "echo x > /sys/nope || true"],
    ["in a write in a condition", "if echo x > /sys/nope; then :; fi"],
    ["before an assignment", "false || x=1"],
  ])("does not mind a failure %s", async (_what, statement) => {
    const ended = await place.run(["sh", "-c", `set -e\n${statement}\necho reached`]);
    expect(ended).toMatchObject({ exitCode: 0, stdout: "reached\n" });
  });
});

describe("a redirection that fails", () => {
  test("says why, and what would be accepted, and gives 1", async () => {
    const script = [
      `mkdir ${FUNC1}`,
      `echo 70000 > ${FUNC1}/vendorid`,
      `echo maybe > ${START}`,
      `echo x > ${FUNC1}/nope`,
      `echo x > ${FUNC1}`,
      "echo x > /nope/nope",
      "echo x >> /sys/class/pci_epc",
      `{ echo a; echo b; } > ${START}`,
    ].join("\n");
    const [, ...failed] = await statementsOf(place, script);
    expect(failed.map(({ exitCode }) => exitCode)).toEqual(failed.map(() => 1));
    expect(failed.map(({ stderr }) => stderr)).toEqual([
      `bash: ${FUNC1}/vendorid: Numerical result out of range: "70000\\n" is too large: ` +
        "a number from 0x0000 to 0xfffe is wanted\n",
      expect.stringMatching(
        /^bash: .*\/start: Invalid argument: "maybe\\n" is neither: 1, y, t, on or .*\n$/,
      ),
      expect.stringMatching(
        /^bash: .*\/func1\/nope: No such file or directory: in .* there are vendorid, .*\n$/,
      ),
      `bash: ${FUNC1}: Is a directory\n`,
      "bash: /nope/nope: No such file or directory\n",
      "bash: /sys/class/pci_epc: Is a directory\n",
      expect.stringMatching(/^bash: .*\/start: Invalid argument: "a\\nb\\n" is neither: /),
    ]);
  });

  test("does not run its command if the file cannot be opened", async () => {
    const script = "touch ran > /sys/bus/pci/devices/nope\n[ -e ran ] || echo did not run\n";
    const [first, second] = await statementsOf(place, script);
    expect(first?.exitCode).toBe(1);
    expect(second?.stdout).toBe("did not run\n");
  });

  test("is a failure inside of loops, functions, subshells, eval, and what bash runs", async () => {
    const bad = "echo x > /sys/nope";
    await writeFile(place.path("bad.sh"), `${bad} || echo told\n`);
    const script = [
      `for i in 1 2; do ${bad} || echo $i; done`,
      `f() { ${bad}; }`,
      "f || echo function",
      `(${bad}) || echo subshell`,
      `eval '${bad}' || echo eval`,
      "bash bad.sh",
      `echo 1 | while read x; do ${bad} || echo loop; done`,
      `echo $(${bad} || echo substitution)`,
      `${bad} && echo wrong`,
    ].join("\n");
    const statements = await statementsOf(place, script);
    expect(statements.map(({ stdout }) => stdout)).toEqual([
      ...[
        "1\n2\n",
        "",
        "function\n",
        "subshell\n",
        "eval\n",
        "told\n",
        "loop\n",
        "substitution\n",
        "",
      ],
    ]);
    for (const { command, stderr } of statements) {
      if (command.startsWith("f()")) continue;
      expect(stderr).toMatch(/^(bash: \/sys\/nope: No such file or directory: .*\n)+$/);
    }
  });

  test("to a file of the machine is told as well", async () => {
    await writeFile(place.path("file"), "");
    const [statement] = await statementsOf(place, "echo x > file/below");
    expect(statement).toMatchObject({
      exitCode: 1,
      stderr: `bash: ${place.path("file/below")}: Not a directory\n`,
    });
  });
});

describe("variables, functions, options and the directory", () => {
  test("go from one statement to the next", async () => {
    const script = [
      "cd /sys/kernel/config",
      "pwd",
      "a=(1 2)",
      "f() { echo f $1 $a; }",
      "f x",
      "set -f; echo *",
      "export X=1",
      "bash -c 'echo $X'",
      "cd - > /dev/null",
      "pwd",
    ].join("\n");
    const stdout = `/sys/kernel/config\nf x 1\n*\n1\n${place.directory}\n`;
    await expectScript(place, script, { stdout });
  });

  test("are those of who starts the shell, but for PATH", async () => {
    const script = "echo $MINE $PATH; ls /usr/bin; git --version";
    const ended = await place.run(["sh", "-c", script], { MINE: "1", PATH: "/nope" });
    expect(ended).toEqual({
      exitCode: 127,
      stdout: "1 /usr/bin:/bin\n",
      stderr: "ls: /usr/bin: No such file or directory\nbash: git: command not found\n",
    });
  });
});

describe("output", () => {
  test("comes in its order, what the drivers log on stderr with it", async () => {
    const script = `${"echo one\n"}insmod pci-remote-disk; echo two\n`;
    await expectScript(place, script, { stdout: "one\ntwo\n" });
  });

  test("is printed by each statement of a loop, and not at its end", async () => {
    const running = place.start(["sh", "-c", "for i in 1 2; do echo $i; sleep 600; done"]);
    expect(await running.printed("1\n")).toBe("1\n");
    running.kill("SIGTERM");
    expect(await running.ended).toMatchObject({ exitCode: 143 });
  });

  test("of bytes that are no text is left as it is", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    await writeFile(place.path("bytes"), bytes);
    const script = "cat bytes | tee copy > other; dd if=bytes status=none | wc -c";
    expect(await place.run(["sh", "-c", script])).toMatchObject({ exitCode: 0, stdout: "256\n" });
    for (const copy of ["copy", "other"]) {
      expect(new Uint8Array(await readFile(place.path(copy)))).toEqual(bytes);
    }
  });

  test("with exec goes to a file from there on", async () => {
    await expectScript(place, "exec > log\necho logged\necho x > /sys/nope || echo failed\n", {
      stdout: "",
      stderr: expect.stringMatching(/^bash: \/sys\/nope: /) as unknown as string,
    });
    expect(await readFile(place.path("log"), "utf8")).toBe("logged\nfailed\n");
  });

  test("with set -x shows the commands as they were written", async () => {
    const script = "set -x\nx=1\nfalse > out || echo b\nfor i in 1; do echo $i; done\n";
    await expectScript(place, script, {
      stdout: "b\n1\n",
      stderr: "+ x=1\n+ false\n+ echo b\n+ echo 1\n",
    });
  });
});

describe("--json", () => {
  test("prints a document a statement, and nothing else", async () => {
    const script = "echo a; echo b >&2\nfalse\ncat <<E\nx\nE\nexit 4\necho no\n";
    const ended = await place.run(["sh", "--json"], {}, script);
    expect(ended).toMatchObject({ exitCode: 4, stderr: "" });
    expect(
      ended.stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { command: "echo a", stdout: "a\n", stderr: "", exitCode: 0 },
      { command: "echo b >&2", stdout: "", stderr: "b\n", exitCode: 0 },
      { command: "false", stdout: "", stderr: "", exitCode: 1 },
      { command: "cat <<E\nx\nE", stdout: "x\n", stderr: "", exitCode: 0 },
      { command: "exit 4", stdout: "", stderr: "", exitCode: 4 },
    ]);
  });

  test("has what the drivers log in the statement that had them log it", async () => {
    const script = `mkdir ${FUNC1}\nln -s ${FUNC1} /sys/kernel/config/pci_ep/controllers/44100000.pcie\necho 1 > ${START}\ninsmod pci-remote-disk\n`;
    const statements = await statementsOf(place, script);
    expect(statements.map(({ stderr }) => stderr)).toEqual([
      ...["", "", "", "pci-remote-disk 0001:01:00.0: Found 0 devices\n"],
    ]);
  });

  test("tells a statement that cannot be parsed, too", async () => {
    expect(await statementsOf(place, "fi\n")).toEqual([
      {
        command: "fi",
        stdout: "",
        stderr: "bash: syntax error near unexpected token `fi'\n",
        exitCode: 2,
      },
    ]);
  });
});

describe("the command line", () => {
  test("--help has examples and exit codes", async () => {
    const { stdout, exitCode } = await place.run(["sh", "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/\nExamples:\n {2}\$ blockpt sh /);
    expect(stdout).not.toContain("default: []");
    expect(stdout).toMatch(/\nExit codes:\n {2}0 {4}/);
  });

  test.each([
    [["--disc", "x"], "NAME=PATH"],
    [["--disc", "a/b=memory:1M"], "is no name of a disc"],
    [["--disc", "a=memory:1M", "--disc", "a=memory:1M"], "There is a disc a already"],
    [["--disc", "a=memory:1M,ro"], "ro"],
    [["--engine", "steam"], "auto, wasm, typescript"],
    [["--nope"], "unknown option '--nope'"],
  ])("%j is refused", async (args, says) => {
    const ended = await place.run(["sh", ...args, "-c", "echo no"]);
    expect(ended).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ended.stderr).toMatch(/^blockpt: ERR_USAGE: /);
    expect(ended.stderr).toContain(says);
  });

  test("--controller and --engine are those of the machine", async () => {
    const args = ["sh", "--controller", "epc7", "--engine", "typescript"];
    expect(await place.run([...args, "-c", "ls /sys/class/pci_epc"])).toMatchObject({
      stdout: "epc7\n",
    });
  });

  test("a disc's name leads to its file, from the directory that the shell is started in", async () => {
    await writeFile(place.path("a,b.img"), new Uint8Array(4096));
    const discs = ["--disc", "img=a,,b.img", "--disc", "ram=memory:64K"];
    const ended = await place.run([
      "sh",
      ...discs,
      "-c",
      "cd /; readlink /dev/img /dev/ram; lsblk -no NAME,SIZE",
    ]);
    expect(ended.stdout).toBe(`${place.path("a,b.img")}\nmemory:64K\nimg     4K\nram    64K\n`);
  });
});

test("a script that may not be read is not found to be missing", async ({ skip }) => {
  if (process.getuid?.() === 0) return skip("root may read any file");
  await writeFile(place.path("secret.sh"), "");
  await chmod(place.path("secret.sh"), 0);
  expect(await place.run(["sh", "secret.sh"])).toMatchObject({ exitCode: 126 });
});
