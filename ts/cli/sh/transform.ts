// What is made of a statement before just-bash 3.4.2 executes it, and why.
//
//   COMMAND > FILE      { COMMAND > FILE; }
//     An error of the file system at a redirection ends all that just-bash executes. A group makes of it a
//     line on stderr and an exit code.
//   LIST || …           if LIST; then …; else (exit $?) …; fi || …
//     By `set -e` a script ends where a group or a function fails, also in front of `||` and `&&` or behind
//     `!`; but not in a condition.
//   NAME=VALUE          { NAME=VALUE && …; …; }
//     Its exit code would be that of the command before it.
//   exit                { __leaving …; exit; }
//     It is not told from an error that ends a script, after which a terminal has another prompt.
//   do …                do > TURN; …
//     A loop gives no turn to the event loop, on which interrupts come, and all else that it may wait for.
//   STATEMENT           { STATEMENT; } > STDOUT 2> STDERR
//     What a script printed is given when all of it has ended. So each statement of the top level prints when
//     it has, and likewise each one inside a loop or a condition there; what a function or `$( )` prints
//     belongs to who called it.

import { type CommandNode, type PipelineNode, parse, type StatementNode } from "just-bash";
import { STDERR, STDOUT, TURN } from "./console.js";

/** The command that says that an `exit` follows. It gives the exit code that there is. */
export const LEAVING = "__leaving";

type GroupNode = Extract<CommandNode, { type: "Group" }>;
type LoopNode = Extract<CommandNode, { type: "For" | "CStyleFor" | "While" | "Until" }>;
type IfNode = Extract<CommandNode, { type: "If" }>;

/** Has what is in it fail as in a shell; changes the tree that it is given. */
export function amend(node: unknown): void {
  if (typeof node !== "object" || node === null) return;
  for (const each of Object.values(node)) amend(each);
  if (!("type" in node && node.type === "Statement")) return;
  const statement = node as StatementNode;
  for (const pipeline of statement.pipelines) pipeline.commands = pipeline.commands.map(amended);
  const last = statement.pipelines.length - 1;
  statement.pipelines = statement.pipelines.map((pipeline, index) =>
    index < last || pipeline.negated ? conditional(pipeline) : pipeline,
  );
}

/** Has a statement of the top level print when there is something to print. */
export function printing(statement: StatementNode): StatementNode {
  const [pipeline, ...others] = statement.pipelines;
  const [command, ...rest] = pipeline?.commands ?? [];
  if (pipeline && command && others.length + rest.length === 0 && !pipeline.negated) {
    const inside = pipeline.timed ? undefined : printingInside(command);
    if (inside) return { ...statement, pipelines: [{ ...pipeline, commands: [inside] }] };
  }
  const group = parsed<GroupNode>(`{ :; } >${STDOUT} 2>${STDERR}`);
  return listOf({ ...group, body: [statement] });
}

/** A compound command whose parts print each for itself; undefined for what is printed as a whole. */
function printingInside(command: CommandNode): CommandNode | undefined {
  if (command.type === "FunctionDef" || command.redirections.length > 0) return undefined;
  const each = (statements: readonly StatementNode[]): StatementNode[] => statements.map(printing);
  switch (command.type) {
    case "If":
      return {
        ...command,
        clauses: command.clauses.map(({ condition, body }) => ({
          condition: each(condition),
          body: each(body),
        })),
        elseBody: command.elseBody && each(command.elseBody),
      };
    case "While":
    case "Until":
      return { ...command, condition: each(command.condition), body: each(command.body) };
    case "For":
    case "CStyleFor":
      return { ...command, body: each(command.body) };
    case "Case":
      return {
        ...command,
        items: command.items.map((item) => ({ ...item, body: each(item.body) })),
      };
    default:
      return undefined;
  }
}

const OUTPUT_OPERATORS = new Set([">", ">>", ">|", "&>", "&>>", "<>", ">&"]);

/** Commands that execute what was not parsed here, redirections and all. */
const EVALUATING = new Set(["eval", "source", "."]);

function amended(command: CommandNode): CommandNode {
  if (command.type === "FunctionDef") return command;
  const name = nameOf(command);
  if (name === "exit") return groupOf(quietly(LEAVING), listOf(command));
  if (isLoop(command)) takeTurns(command);
  if (isAssignment(command)) return groupOf(listOf(command, groupOf()), listOf(groupOf()));
  const isRedirected = command.redirections.some(({ operator }) => OUTPUT_OPERATORS.has(operator));
  return isRedirected || EVALUATING.has(name) ? groupOf(listOf(command)) : command;
}

/** A command of ours, which `set -x` does not show and `set -e` does not mind. */
export function quietly(command: string): StatementNode {
  const [statement] = parse(
    `{ ${command} && { :; }; } 2>/dev/null && { :; } 2>/dev/null`,
  ).statements;
  return statement as StatementNode;
}

/** Has the same exit code. */
function conditional(pipeline: PipelineNode): PipelineNode {
  const text = "if :; then { :; } 2>/dev/null; else { (exit $?) && :; } 2>/dev/null; fi";
  const template = parsed<IfNode>(text);
  const clauses = template.clauses.map(({ body }) => ({
    condition: [statementOf([pipeline])],
    body,
  }));
  return pipelineOf({ ...template, clauses });
}

/** Where an exit code of 0 is in nobody's way: `until` looks at one in its body, and `while` has 0 there. */
function takeTurns(loop: LoopNode): void {
  const statements = loop.type === "Until" ? loop.condition : loop.body;
  statements.unshift(...parse(`>${TURN}`).statements);
}

function isLoop(command: CommandNode): command is LoopNode {
  return ["For", "CStyleFor", "While", "Until"].includes(command.type);
}

/** Assignments alone; one of a `$( )` has its exit code. */
function isAssignment(command: CommandNode): boolean {
  if (command.type !== "SimpleCommand" || command.name !== null) return false;
  return command.redirections.length === 0 && !hasSubstitution(command.assignments);
}

function hasSubstitution(node: unknown): boolean {
  if (typeof node !== "object" || node === null) return false;
  if ("type" in node && node.type === "CommandSubstitution") return true;
  return Object.values(node).some(hasSubstitution);
}

/** `COMMAND && …`. */
function listOf(...commands: readonly CommandNode[]): StatementNode {
  return statementOf(commands.map(pipelineOf));
}

function statementOf(pipelines: PipelineNode[]): StatementNode {
  const operators = pipelines.slice(1).map(() => "&&" as const);
  return { type: "Statement", pipelines, operators, background: false };
}

function pipelineOf(command: CommandNode): PipelineNode {
  return { type: "Pipeline", commands: [command], negated: false };
}

function groupOf(...body: StatementNode[]): GroupNode {
  return { type: "Group", body, redirections: [] };
}

/** The command of a text that we wrote. */
function parsed<T extends CommandNode>(text: string): T {
  return parse(text).statements[0]?.pipelines[0]?.commands[0] as T;
}

/** A simple command's name where it stands in the text. */
function nameOf(command: CommandNode): string {
  if (command.type !== "SimpleCommand") return "";
  const [part, ...others] = command.name?.parts ?? [];
  return part?.type === "Literal" && others.length === 0 ? part.value : "";
}
