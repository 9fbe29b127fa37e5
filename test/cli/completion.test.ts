// `blockpt completion`: what is offered, and the scripts in the very shells.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CLI, Place, until } from "./command-line.js";
import { NO_TERMINAL, openTerminal, type Terminal } from "./terminal.js";

/** Each Tab starts a process, and other tests may run beside it. */
const SHELL_MS = 120_000;

let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

/** What is offered at the end of a line: values, and what comes last. */
async function offered(...words: string[]): Promise<{ values: string[]; last: string }> {
  const { exitCode, stdout, stderr } = await place.run(["__complete", "--", ...words]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  const last = lines.pop() ?? "";
  return { values: lines.map((line) => line.split("\t")[0] as string), last };
}

/** Names in a section of a help text: of commands, or of options. */
async function namesInHelp(section: string, ...command: string[]): Promise<string[]> {
  const { stdout } = await place.run([...command, "--help"]);
  const text = new RegExp(`^${section}:\n((?: .*\n)+)`, "m").exec(stdout)?.[1] ?? "";
  return [...text.matchAll(/^ {2}(?:-\w, )?([\w-]+)/gm)].map((match) => match[1] as string);
}

describe("what is offered", () => {
  test("is every command that the help has, also behind help, with what it does", async () => {
    const names = await namesInHelp("Commands");
    expect(names).toEqual(expect.arrayContaining(["demo", "run", "copy", "completion", "help"]));
    expect(await offered("")).toEqual({ values: names, last: ":nothing" });
    expect(await offered("help", "")).toEqual({ values: names, last: ":nothing" });
    const { stdout } = await place.run(["__complete", "--", ""]);
    expect(stdout).toContain("dump\tprint what a running blockpt is configured as");
  });

  test("is every option that the help of a command has", async () => {
    for (const name of await namesInHelp("Commands")) {
      const options = name === "help" ? [] : await namesInHelp("Options", name);
      expect((await offered(name, "-")).values, name).toEqual(options);
    }
    expect((await offered("--")).values).toEqual(["--version", "--help"]);
  });

  test.each([
    { words: ["copy", ""], last: ":files" },
    { words: ["copy", "a", ""], last: ":files" },
    { words: ["copy", "a", "b", ""], last: ":nothing" },
    { words: ["copy", "--queue-depth", ""], last: ":nothing" },
    { words: ["copy", "--queue-depth", "4", "a", ""], last: ":files" },
    { words: ["copy", "--verify", "a", "b", ""], last: ":nothing" },
    { words: ["copy", "--", "-"], last: ":files" },
    { words: ["apply", ""], last: ":files" },
    { words: ["apply", "-", ""], last: ":nothing" },
    {
      words: ["apply", "demo", "--js"],
      last: ":nothing",
      values: ["--socket", "--json", "--help"],
    },
    { words: ["demo", "--image", ""], last: ":files" },
    { words: ["demo", "--image="], last: ":files\t--image=" },
    { words: ["demo", "--size="], last: ":nothing\t--size=" },
    { words: ["demo", "--nonsense="], last: ":nothing" },
    { words: ["run", "--disc", ""], last: ":nothing" },
    { words: ["run", "--disc", "a=b=c"], last: ":files\ta=" },
    { words: ["run", "--disc=a=b"], last: ":files\t--disc=a=" },
    { words: ["run", "--disc", "a=b", "--config", ""], last: ":files" },
    { words: ["run", "--socket", ""], last: ":files" },
    { words: ["run", ""], last: ":nothing" },
    { words: ["run", "--", ""], last: ":commands" },
    { words: ["run", "--disc", "a=b", "--", "-"], last: ":commands" },
    { words: ["run", "--", "make", "--engine", ""], last: ":files" },
    { words: ["serve", ""], last: ":files" },
    { words: ["serve", "a.img", "--listen", "nbd://localhost", ""], last: ":files" },
    { words: ["serve", "--listen", ""], last: ":nothing" },
    { words: ["serve", "--tls-certificates", ""], last: ":files" },
    { words: ["run", "--tls-certificates="], last: ":files\t--tls-certificates=" },
    { words: ["inspect", "--socket", ""], last: ":files" },
    { words: ["inspect", "--watch", ""], last: ":nothing" },
    {
      words: ["inspect", "--watch", "-"],
      last: ":nothing",
      values: ["--socket", "--watch", "--json", "--help"],
    },
    { words: ["run", "--engine", ""], last: ":nothing", values: ["auto", "wasm", "typescript"] },
    {
      words: ["copy", "--engine="],
      last: ":nothing\t--engine=",
      values: ["auto", "wasm", "typescript"],
    },
    { words: ["completion", ""], last: ":nothing", values: ["bash", "zsh", "fish"] },
    { words: ["completion", "fish", ""], last: ":nothing" },
    { words: ["nonsense", ""], last: ":nothing" },
  ])("behind $words is $last", async ({ words, last, values = [] }) => {
    expect(await offered(...words)).toEqual({ values, last });
  });

  test("is the socket of what runs, and files for another one", async () => {
    const { ready } = await place.startRun([]);
    const sockets = { values: [ready.socket], last: ":nothing" };
    expect(await offered("dump", "--socket", "")).toEqual(sockets);
    expect(await offered("dump", "--socket", "x")).toEqual({ values: [], last: ":files" });
  });
});

/** How a shell is started with nothing of its user's, shows `$ ` and loads the script. */
const SHELLS = [
  {
    shell: "bash",
    start: "bash --norc --noprofile -i",
    load: `PS1='$ '; eval "$(blockpt completion bash)"`,
    substitution: "$(touch hacked)",
  },
  {
    shell: "zsh",
    start: "zsh -f -i",
    load: `PS1='$ '; autoload -Uz compinit; compinit -D -u; source <(blockpt completion zsh)`,
    substitution: "$(touch hacked)",
  },
  {
    shell: "fish",
    start: "fish --no-config --private",
    load:
      "set fish_autosuggestion_enabled 0; function fish_prompt; echo '$ '; end; " +
      "blockpt completion fish | source",
    substitution: "(touch hacked)",
  },
] as const;

describe.each(SHELLS)("$shell", ({ shell, start, load, substitution }) => {
  /** What is typed before Tab, and what then stands there. */
  const cases: readonly (readonly [string, string])[] = [
    ["blockpt insp", "blockpt inspect "],
    ["blockpt help ap", "blockpt help apply "],
    ["blockpt  completion   fi", "blockpt  completion   fish "],
    ["blockpt copy --ver", "blockpt copy --verify "],
    ["blockpt inspect --watch 2 --js", "blockpt inspect --watch 2 --json "],
    ["blockpt run --engine w", "blockpt run --engine wasm "],
    ["blockpt run --engine=ty", "blockpt run --engine=typescript "],
    ["blockpt copy my", "blockpt copy my\\ disk.img "],
    ['blockpt copy "my', 'blockpt copy "my disk.img" '],
    ["blockpt copy ~/my", "blockpt copy ~/my\\ disk.img "],
    ["blockpt copy $HOME/my", "blockpt copy $HOME/my\\ disk.img "],
    ["blockpt copy my\\ disk.img folder/in", "blockpt copy my\\ disk.img folder/inner.img "],
    ["blockpt run --config=di", "blockpt run --config=disks.yaml "],
    ["blockpt run --disc a=fol", "blockpt run --disc a=folder/"],
    ["blockpt run --disc a=folder/in", "blockpt run --disc a=folder/inner.img "],
    ["blockpt run --disc=a=my", "blockpt run --disc=a=my\\ disk.img "],
    ["blockpt run --disc a=b --disc c=di", "blockpt run --disc a=b --disc c=disks.yaml "],
    ["blockpt run -- blockpt-f", "blockpt run -- blockpt-friend "],
    ["blockpt run -- cat di", "blockpt run -- cat disks.yaml "],
    ["blockpt copy --queue-depth di", "blockpt copy --queue-depth di"],
    ["true; blockpt apply di", "true; blockpt apply disks.yaml "],
    [`blockpt copy ${substitution} --ver`, `blockpt copy ${substitution} --verify `],
  ];

  test("completes commands, options, values and files, and runs nothing that is typed", {
    timeout: SHELL_MS,
  }, async ({ skip }) => {
    const found = spawnSync(shell, ["--version"]);
    if (found.error !== undefined) return skip(`no ${shell} here: ${found.error.message}`);
    const { ready } = await place.startRun([]);
    await makeFiles();
    const terminal = await openShell(start);
    if (terminal === undefined) return skip(NO_TERMINAL);
    const typed = [...cases, ["blockpt dump --socket /", `blockpt dump --socket ${ready.socket} `]];
    try {
      // A second time changes nothing.
      await terminal.type(`${load}; ${load.split("; ").at(-1)}; clear`, "Enter");
      await until(async () => (await terminal.screen()).trim() === "$");
      const completed: string[][] = [];
      for (const [line = ""] of typed) completed.push([line, await complete(terminal, line)]);
      expect(completed).toEqual(typed);
      expect(existsSync(place.path("hacked"))).toBe(false);
    } finally {
      await terminal.close();
    }
  });

  async function makeFiles(): Promise<void> {
    await mkdir(place.path("bin"));
    await mkdir(place.path("folder"));
    for (const name of ["my disk.img", "disks.yaml", "folder/inner.img"]) {
      await writeFile(place.path(name), "");
    }
    const program = `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`;
    for (const name of ["blockpt", "blockpt-friend"]) {
      await writeFile(place.path(`bin/${name}`), program, { mode: 0o755 });
    }
  }

  function openShell(command: string): Promise<Terminal | undefined> {
    const { directory } = place;
    const env = {
      HOME: directory,
      XDG_RUNTIME_DIR: directory,
      INPUTRC: "/dev/null",
      PATH: `${place.path("bin")}:${process.env.PATH}`,
    };
    const words = Object.entries(env).map(([name, value]) => `${name}='${value}'`);
    return openTerminal(place, {
      columns: 120,
      rows: 120,
      command: `env --unset BLOCKPT_SOCKET ${words.join(" ")} ${command}`,
    });
  }

  /** Types a line, Tab and a mark; gives what stands before the mark. */
  async function complete(terminal: Terminal, line: string): Promise<string> {
    const lines = async (): Promise<string[]> => (await terminal.screen()).trimEnd().split("\n");
    await terminal.type(line, "Tab", "@");
    await until(async () => (await lines()).at(-1)?.endsWith("@") === true);
    const completed = (await lines()).at(-1) ?? "";
    await terminal.type("C-c");
    await until(async () => (await lines()).at(-1)?.trim() === "$");
    return completed.replace(/^\$ /, "").replace(/@$/, "");
  }
});

test.each(SHELLS)("$shell: the script is printed alone", async ({ shell }) => {
  const { exitCode, stdout, stderr } = await place.run(["completion", shell]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toContain(`Completion of blockpt for ${shell}.`);
});

test.each([
  [[], "missing required argument 'shell'"],
  [["csh"], "Allowed choices are bash, zsh, fish"],
])("completion %j exits 2 with one line", async (args, complaint) => {
  const { exitCode, stdout, stderr } = await place.run(["completion", ...args]);
  expect(stderr).toMatch(/^blockpt: ERR_USAGE: [^\n]*; see blockpt --help\n$/);
  expect(stderr).toContain(complaint);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
});

test("--help says for each shell how it is installed, and does not tell of what shells ask", async () => {
  const { stdout } = await place.run(["completion", "--help"]);
  for (const { shell } of SHELLS) expect(stdout).toContain(`blockpt completion ${shell}`);
  expect((await place.run(["--help"])).stdout).not.toContain("__complete");
});
