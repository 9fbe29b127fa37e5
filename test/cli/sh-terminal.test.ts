// The shell at a terminal, as somebody types: in tmux, which is a real one.

import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, type TestContext, test } from "vitest";
import { CLI, Place, until } from "./command-line.js";
import { NO_TERMINAL, openTerminal, type Terminal } from "./terminal.js";

const TOP = "blockpt:";

let place: Place;
let terminal: Terminal | undefined;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(async () => {
  await terminal?.close();
  terminal = undefined;
  await place.remove();
});

/** Starts the shell; behind its end its exit code is on the screen. */
async function start(
  context: TestContext,
  env: Readonly<Record<string, string>> = {},
): Promise<Typing> {
  const settings = { XDG_STATE_HOME: place.path("state"), HOME: place.directory, ...env };
  const assignments = Object.entries(settings).map(([name, value]) => `${name}='${value}'`);
  const command = `${assignments.join(" ")} '${process.execPath}' '${CLI}' sh --disc ram0=memory:1M; echo "ended $?"; cat`;
  const opened = await openTerminal(place, { columns: 120, rows: 50, command });
  if (opened === undefined) return context.skip(NO_TERMINAL);
  terminal = opened;
  await opened.shows(TOP);
  return {
    ...opened,
    // One after the other, as somebody types: what a key does is seen before the next, for keys that come together
    // are something pasted to readline, which completes nothing in it. Few keys do nothing that is to be seen.
    type: async (...keys) => {
      for (const key of keys) {
        const before = await opened.screen();
        await opened.type(key);
        const deadline = performance.now() + 2000;
        await until(async () => (await opened.screen()) !== before || performance.now() > deadline);
      }
    },
    enter: async (line, shown) => {
      await opened.enter(line);
      await opened.shows(shown);
    },
  };
}

interface Typing extends Omit<Terminal, "enter"> {
  /** Types a line, and waits for what it prints and the prompt behind it. */
  enter(line: string, shown: string | RegExp): Promise<void>;
}

test("a line is edited, its paths and commands completed, and the prompt tells the directory", async (context) => {
  const { enter, shows, type } = await start(context);
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
  const { enter, shows, type } = await start(context);
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
  const { enter, screen, shows, type } = await start(context);
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
  const { enter, shows, type } = await start(context);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's.
  await enter("echo ${nope?is not set}; echo never", "bash: is not set\nblockpt:");
  await enter("(exit 4)", /\(exit 4\)\nblockpt:.*#$/);
  await type("C-d");
  await shows("ended 4");
});

test("set -e ends it as anywhere", async (context) => {
  const { shows, type } = await start(context);
  await type("set -e", "Enter", "false", "Enter");
  await shows("ended 1");
});

test("what was typed is there again in the next one, and only its user may read it", async (context) => {
  const { enter, shows, type } = await start(context);
  await enter("echo first", "\nfirst");
  await enter("echo second", "\nsecond");
  await type("Up", "Up", "Enter");
  await shows("first\nblockpt");
  await enter("exit", "ended 0");
  expect(await readFile(place.path("state/blockpt/history"), "utf8")).toBe(
    "echo first\necho second\necho first\nexit\n",
  );
  await terminal?.close();
  const again = await start(context);
  await again.type("Up", "Up", "Up");
  await again.shows("# echo second");
  await again.type("Enter");
  await again.shows("\nsecond");
});

test("a history that cannot be written is no reason to stop", async (context) => {
  await writeFile(place.path("state"), "a file where a directory would be");
  const { enter } = await start(context);
  await enter("echo on", "\non\nblockpt");
  await enter("exit", "ended 0");
});

test("nor is one for which no directory can ever be made", async (context) => {
  const { enter } = await start(context, { XDG_STATE_HOME: "", HOME: "/proc/nobody" });
  await enter("echo on", "\non\nblockpt");
});

test("without XDG_STATE_HOME it is in the home directory, and a long one is cut", async (context) => {
  const path = place.path(".local/state/blockpt/history");
  await mkdir(place.path(".local/state/blockpt"), { recursive: true });
  const lines = Array.from({ length: 2500 }, (_, index) => `echo ${index}\n`);
  await writeFile(path, lines.join(""));
  await chmod(path, 0o600);
  const { shows, type } = await start(context, { XDG_STATE_HOME: "" });
  await type("Up");
  await shows("# echo 2499");
  await type("Enter");
  await shows("\n2499");
  expect((await readFile(path, "utf8")).split("\n")).toHaveLength(1002);
});

test("what the drivers log is on the screen in its place", async (context) => {
  const { shows, type } = await start(context);
  await type("insmod pci-remote-disk; lsmod | tail -n 1", "Enter");
  await shows("\npci_remote_disk            0  0\nblockpt:");
});

test("SIGTERM gives the terminal back", async (context) => {
  const { enter, screen, shows, type } = await start(context);
  await enter("echo $$", /\n\d+\nblockpt:/);
  const [, pid] = /\n(\d+)\nblockpt:/.exec(await screen()) ?? [];
  process.kill(Number(pid), "SIGTERM");
  await shows("ended 143");
  // What is typed is shown again by the terminal itself, and taken by what comes next there.
  await type("seen", "Enter");
  await shows("seen\nseen");
});

test("a terminal that is gone ends it as SIGHUP does", async (context) => {
  const path = place.path("ended");
  // The shell around it stays, to say how it ended.
  terminal = await openTerminal(place, {
    columns: 80,
    rows: 10,
    command: `trap : HUP; '${process.execPath}' '${CLI}' sh --disc ram0=memory:1M; echo $? > '${path}'`,
  });
  if (terminal === undefined) return context.skip(NO_TERMINAL);
  await terminal.shows(TOP);
  await terminal.close();
  terminal = undefined;
  let code = "";
  await until(async () => {
    code = await readFile(path, "utf8").catch(() => "");
    return code !== "";
  });
  expect(code).toBe("129\n");
});
