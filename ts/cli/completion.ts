// `blockpt completion`: the script that has a shell complete our command lines; and what it asks.

import { Argument, type Command } from "commander";
import { completionAt } from "./completion/candidates.js";
import { ASKED, SCRIPTS } from "./completion/scripts.js";
import { EXIT_CODES_HELP } from "./exit-code.js";

const HELP = `
It completes commands, options, their values, and files. blockpt has to be on the PATH, as each
completion asks it.

bash, in ~/.bashrc:
  eval "$(blockpt completion bash)"
zsh, in ~/.zshrc, behind compinit:
  source <(blockpt completion zsh)
fish, once:
  blockpt completion fish > ~/.config/fish/completions/blockpt.fish

Where the shells look by themselves:
  $ blockpt completion bash > ~/.local/share/bash-completion/completions/blockpt
  $ blockpt completion zsh > "\${fpath[1]}/_blockpt"

Examples:
  $ blockpt completion bash | less
  $ blockpt completion fish | source
`;

export function addCompletionCommand(program: Command): void {
  program
    .command("completion")
    .description("print a script for a shell, which then completes what is typed behind blockpt")
    .addArgument(new Argument("<shell>", "which").choices(Object.keys(SCRIPTS)))
    .addHelpText("after", HELP + EXIT_CODES_HELP)
    .action((shell: keyof typeof SCRIPTS) => {
      process.stdout.write(SCRIPTS[shell]);
    });
  program
    .command(ASKED, { hidden: true })
    .argument("[words...]")
    .action(async (words: string[]) => {
      const { candidates, otherwise, prefix } = await completionAt(program, words);
      const lines = candidates.map(({ value, description }) => `${value}\t${description}\n`);
      process.stdout.write(`${lines.join("")}:${otherwise}\t${prefix}\n`);
    });
}
