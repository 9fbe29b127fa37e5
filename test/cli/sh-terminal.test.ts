// The shell at a terminal, as somebody types: in tmux, which is a real one.

import { execFile, spawnSync } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, type TestContext, test } from "vitest";
import { CLI, Place, until } from "./command-line.js";

const run = promisify(execFile);
const TOP = "blockpt:";

let place: Place;
let socket: string;

beforeEach(async () => {
  place = await Place.create();
  socket = place.path("tmux");
});

afterEach(async () => {
  spawnSync("tmux", ["-S", socket, "kill-server"]);
  await place.remove();
});

/** Why nothing can be typed here; undefined where it can. */
function whyNot(): string | undefined {
  return spawnSync("tmux", ["-V"]).error === undefined ? undefined : "tmux is not installed";
}

async function tmux(...args: readonly string[]): Promise<string> {
  return (await run("tmux", ["-S", socket, "-f", "/dev/null", ...args])).stdout;
}

/** What is on the screen, without what is empty at its end. */
async function screen(): Promise<string> {
  return (await tmux("capture-pane", "-p", "-J")).trimEnd();
}

async function shows(text: string | RegExp): Promise<string> {
  let shown = "";
  await until(async () => {
    shown = await screen();
    return typeof text === "string" ? shown.includes(text) : text.test(shown);
  });
  return shown;
}

/** Types keys as tmux names them: `Enter`, `C-c`, `Tab`; all else as it is. */
async function type(...keys: readonly string[]): Promise<void> {
  for (const key of keys) await tmux("send-keys", key);
}

/** Types a line, and waits for what it prints and the prompt behind it. */
async function enter(line: string, shown: string | RegExp): Promise<void> {
  await tmux("send-keys", "-l", line);
  await type("Enter");
  await shows(shown);
}

/** Starts the shell; behind its end its exit code is on the screen. */
async function start(
  context: TestContext,
  env: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  const reason = whyNot();
  if (reason !== undefined) context.skip(reason);
  const settings = { XDG_STATE_HOME: place.path("state"), HOME: place.directory, ...env };
  const assignments = Object.entries(settings).map(([name, value]) => `${name}='${value}'`);
  const command = `${assignments.join(" ")} '${process.execPath}' '${CLI}' sh --disc ram0=memory:1M; echo "ended $?"; cat`;
  await tmux("new-session", "-d", "-x", "120", "-y", "50", "-c", place.directory, command);
  await shows(TOP);
  return true;
}

test("a line is edited, its paths and commands completed, and the prompt tells the directory", async (context) => {
  await start(context);
  await shows(`${TOP}${place.directory}#`);
  await type("cd /sys/ker", "Tab", "con", "Tab", "pci_ep/fu", "Tab", "Enter");
  await shows(/^blockpt:\/sys\/kernel\/config\/pci_ep\/functions#$/m);
  await type("lsp", "Tab");
  await shows("# lspci");
  await type("BSpace", "BSpace", "BSpace", "BSpace", "mod", "Enter");
  await shows("Module                  Size  Used by");
  // Several are shown at the second Tab.
  await type("ls", "Tab", "Tab");
  await shows(/lsblk\s+lsmod\s+lspci/);
  await type("C-c");
  await enter("exit 3", "ended 3");
});

test("a statement takes the lines it needs", async (context) => {
  await start(context);
  await type("for i in 1 2", "Enter", "do", "Enter");
  await shows(/^> do\n>/m);
  await type("echo 'i is", "Enter", "'$i", "Enter", "done", "Enter");
  await shows("i is\n1\ni is\n2\nblockpt:");
  await type("echo -n no newline", "Enter");
  await shows("\nno newline\nblockpt:");
  await enter("fi", "bash: syntax error near unexpected token `fi'\nblockpt:");
  await enter("echo $?", "\n2\nblockpt:");
});

test("Ctrl-C clears a line, leaves a statement that has begun, and ends one that is executed", async (context) => {
  await start(context);
  await type("echo not this", "C-c");
  await shows(/# echo not this\^C\nblockpt:.*#$/);
  await type("if true", "Enter");
  await shows("\n>");
  await type("C-c");
  await shows(/> \^C\nblockpt:.*#$/);
  await enter("x=kept; f() { echo a function; }; cd /sys", "blockpt:/sys#");
  await type("echo begun; sleep 600; echo never", "Enter");
  await shows("\nbegun");
  await type("C-c");
  await shows(/\^C\nblockpt:\/sys#$/);
  await enter("echo $? $x; f", "130 kept\na function");
  await type("while :; do :; done", "Enter", "C-c");
  await enter("echo and on", "\nand on");
  expect(await screen()).not.toContain("\nnever");
});

test("Ctrl-D ends it, and an error that would end a script does not", async (context) => {
  await start(context);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's.
  await enter("echo ${nope?is not set}; echo never", "bash: is not set\nblockpt:");
  await enter("(exit 4)", /\(exit 4\)\nblockpt:.*#$/);
  await type("C-d");
  await shows("ended 4");
});

test("set -e ends it as anywhere", async (context) => {
  await start(context);
  await type("set -e", "Enter", "false", "Enter");
  await shows("ended 1");
});

test("what was typed is there again in the next one, and only its user may read it", async (context) => {
  await start(context);
  await enter("echo first", "\nfirst");
  await enter("echo second", "\nsecond");
  await type("Up", "Up", "Enter");
  await shows("first\nblockpt");
  await enter("exit", "ended 0");
  expect(await readFile(place.path("state/blockpt/history"), "utf8")).toBe(
    "echo first\necho second\necho first\nexit\n",
  );
  spawnSync("tmux", ["-S", socket, "kill-server"]);
  await start(context);
  await type("Up", "Up", "Up");
  await shows("# echo second");
  await type("Enter");
  await shows("\nsecond");
});

test("a history that cannot be written is no reason to stop", async (context) => {
  await writeFile(place.path("state"), "a file where a directory would be");
  await start(context);
  await enter("echo on", "\non\nblockpt");
  await enter("exit", "ended 0");
});

test("nor is one for which no directory can ever be made", async (context) => {
  await start(context, { XDG_STATE_HOME: "", HOME: "/proc/nobody" });
  await enter("echo on", "\non\nblockpt");
});

test("without XDG_STATE_HOME it is in the home directory, and a long one is cut", async (context) => {
  const path = place.path(".local/state/blockpt/history");
  await mkdir(place.path(".local/state/blockpt"), { recursive: true });
  const lines = Array.from({ length: 2500 }, (_, index) => `echo ${index}\n`);
  await writeFile(path, lines.join(""));
  await chmod(path, 0o600);
  await start(context, { XDG_STATE_HOME: "" });
  await type("Up");
  await shows("# echo 2499");
  await type("Enter");
  await shows("\n2499");
  expect((await readFile(path, "utf8")).split("\n")).toHaveLength(1002);
});

test("what the drivers log is on the screen in its place", async (context) => {
  await start(context);
  await type("insmod pci-remote-disk; lsmod | tail -n 1", "Enter");
  await shows("\npci_remote_disk            0  0\nblockpt:");
});

test("SIGTERM gives the terminal back", async (context) => {
  await start(context);
  await enter("echo $$", /\n\d+\nblockpt:/);
  const [, pid] = /\n(\d+)\nblockpt:/.exec(await screen()) ?? [];
  process.kill(Number(pid), "SIGTERM");
  await shows("ended 143");
  // What is typed is shown again by the terminal itself, and taken by what comes next there.
  await type("seen", "Enter");
  await shows("seen\nseen");
});
