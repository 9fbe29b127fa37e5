// What is made of a statement before just-bash executes it.
//
//   each command that redirects its output:   COMMAND > FILE
//     tells whether the write failed:         { COMMAND > FILE; __redirected COMMAND; }
//   each pipeline whose output is ours:       PIPELINE
//     writes it when it is there:             { PIPELINE; } > OUT 2> ERR
//
// just-bash gives what a script printed when all of it has ended. Here the pipelines of a top-level
// statement, and those inside its loops and conditions, print when each of them has; what a function or
// `$( )` prints belongs to whom it was called by.

import {
  type CommandNode,
  type PipelineNode,
  parse,
  type SimpleCommandNode,
  type StatementNode,
} from "just-bash";
import { STDERR, STDOUT } from "./console.js";

/** The command that tells of a write that failed. */
export const REDIRECTED = "__redirected";

/** The command that says that an `exit` follows, and no error that ends a script. */
export const LEAVING = "__leaving";

type GroupNode = Extract<CommandNode, { type: "Group" }>;

/** Has every redirection in it tell of failed writes; changes the tree that it is given. */
export function watchRedirections(node: unknown): void {
  if (Array.isArray(node)) {
    for (const each of node) watchRedirections(each);
  } else if (typeof node === "object" && node !== null) {
    for (const each of Object.values(node)) watchRedirections(each);
    if (isPipeline(node)) node.commands = node.commands.map(watched);
  }
}

/** Has a statement of the top level print when there is something to print. */
export function printing(statement: StatementNode): StatementNode {
  if (statement.background || statement.deferredError !== undefined) return statement;
  const pipelines: PipelineNode[] = [];
  const operators: StatementNode["operators"] = [];
  for (const [index, pipeline] of statement.pipelines.entries()) {
    const operator = statement.operators[index - 1];
    if (operator !== undefined) operators.push(operator);
    pipelines.push(printingPipeline(pipeline));
    if (!pipeline.negated) continue;
    // `! false` in a group that fails would end a script with `set -e`, which exempts it here.
    pipelines.push(...pipelinesOf(":"));
    operators.push("&&");
  }
  return { ...statement, pipelines, operators };
}

/** The statements of a text that we wrote. */
export function statementsOf(text: string): StatementNode[] {
  return parse(text).statements;
}

function printingPipeline(pipeline: PipelineNode): PipelineNode {
  const [command] = pipeline.commands;
  if (pipeline.commands.length === 1 && command !== undefined && !pipeline.timed) {
    const inside = printingInside(command);
    if (inside !== undefined) return { ...pipeline, commands: [inside] };
  }
  const group = groupOf(`{ :; } >${STDOUT} 2>${STDERR}`);
  group.body = [{ type: "Statement", pipelines: [pipeline], operators: [], background: false }];
  return { type: "Pipeline", commands: [group], negated: false };
}

/** A compound command whose parts print each for itself; undefined for what is printed as a whole. */
function printingInside(command: CommandNode): CommandNode | undefined {
  if (command.type === "SimpleCommand" || command.type === "FunctionDef") return undefined;
  if (command.redirections.length > 0) return undefined;
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

function watched(command: CommandNode): CommandNode {
  const name = command.type === "SimpleCommand" ? nameOf(command) : undefined;
  if (command.type === "FunctionDef") return command;
  if (name === "exit")
    return { ...groupOf("{ :; }"), body: [...statementsOf(`${LEAVING} && :`), alone(command)] };
  const isRedirected = command.redirections.some(({ operator }) => OUTPUT_OPERATORS.has(operator));
  if (!isRedirected && !EVALUATING.has(name ?? "")) return command;
  const group = groupOf(`{ :; ${REDIRECTED} ${/^[\w.-]+$/.test(name ?? "") ? name : ""}; }`);
  const [, told] = group.body;
  return { ...group, body: told === undefined ? [alone(command)] : [alone(command), told] };
}

function alone(command: CommandNode): StatementNode {
  const pipeline: PipelineNode = { type: "Pipeline", commands: [command], negated: false };
  return { type: "Statement", pipelines: [pipeline], operators: [], background: false };
}

/** A command's name where it stands in the text. */
function nameOf({ name }: SimpleCommandNode): string | undefined {
  const [part, ...others] = name?.parts ?? [];
  return part?.type === "Literal" && others.length === 0 ? part.value : undefined;
}

function groupOf(text: string): GroupNode {
  const command = pipelinesOf(text)[0]?.commands[0];
  if (command?.type === "Group") return command;
  throw new Error(`${text} is no group`);
}

function pipelinesOf(text: string): PipelineNode[] {
  return statementsOf(text).flatMap(({ pipelines }) => pipelines);
}

function isPipeline(node: object): node is PipelineNode {
  return "type" in node && node.type === "Pipeline";
}
