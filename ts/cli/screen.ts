// What a person sees on stdout: lines, colours and a progress bar; nothing at all
// where the output is a document for programs.

import { SingleBar } from "cli-progress";
import picocolors from "picocolors";
import type { Cleanup } from "./cleanup.js";

/** Follows something that takes a while. */
export interface Progress {
  update(doneBytes: number): void;
  /** Leaves the bar, or in its place a line. */
  stop(): void;
}

/** Follows something of so many steps. */
export interface Steps {
  /** @param what - what the next step is */
  update(done: number, what: string): void;
  stop(): void;
}

export interface Screen {
  readonly colors: ReturnType<typeof picocolors.createColors>;
  /** An empty line, or one with text. */
  line(text?: string): void;
  heading(text: string): void;
  /** What a user of the kernel drivers would type. */
  command(text: string): void;
  /** What they would see. */
  output(lines: readonly string[]): void;
  /** A thing that was checked. */
  check(passed: boolean, text: string): void;
  success(text: string): void;
  progress(totalBytes: number): Progress;
  steps(total: number): Steps;
}

const MIB = 1024 * 1024;
/** Letters that a line of 80 has left for it. */
const MOST_WHAT = 36;

/** Neither picocolors' own rule, which colours pipes where `CI` is set, nor commander's. */
export function mayColour(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, TERM } = process.env;
  return stream.isTTY === true && !NO_COLOR && TERM !== "dumb";
}

export function createScreen(
  quiet: boolean,
  cleanup: Cleanup,
  stream: NodeJS.WriteStream = process.stdout,
): Screen {
  const colors = picocolors.createColors(mayColour(stream));
  const line = (text = ""): void => {
    if (!quiet) stream.write(`${text}\n`);
  };
  return {
    colors,
    line,
    heading: (text) => line(`\n${colors.bold(text)}`),
    command: (text) => line(`${colors.dim("#")} ${colors.cyan(text)}`),
    output: (lines) => {
      for (const each of lines) line(`  ${each}`);
    },
    check: (passed, text) => {
      line(`  ${passed ? colors.green("ok    ") : colors.red("FAILED")} ${text}`);
    },
    success: (text) => line(`\n${colors.green(text)}`),
    steps: (total) => (!quiet && stream.isTTY ? stepBar(total, cleanup, stream) : UNSEEN),
    progress: (totalBytes) =>
      !quiet && stream.isTTY ? byteBar(totalBytes, cleanup, stream) : UNSEEN,
  };
}

/** Not a terminal: what comes after says how much it was and how long it took. */
const UNSEEN = { update: () => {}, stop: () => {} };

/** A bar of which an interrupt in the middle does not leave the terminal without its cursor. */
function openBar(
  { total, format, clears }: { total: number; format: string; clears: boolean },
  cleanup: Cleanup,
  stream: NodeJS.WriteStream,
): { update(value: number, fields: object): void; stop(): void } {
  const single = new SingleBar({
    stream,
    format: `  [{bar}] ${format}`,
    barsize: 24,
    barIncompleteChar: " ",
    hideCursor: true,
    fps: 20,
    clearOnComplete: clears,
  });
  // What there is nothing to say of yet is empty.
  single.start(total, 0, { rate: 0, left: "", what: "" });
  const forget = cleanup.add(() => single.stop());
  return {
    update: (value, fields) => single.update(value, fields),
    stop: () => {
      single.stop();
      forget();
    },
  };
}

function byteBar(totalBytes: number, cleanup: Cleanup, stream: NodeJS.WriteStream): Progress {
  const total = Math.ceil(totalBytes / MIB);
  // 80 columns hold it with five digits in each number.
  const format = "{percentage}%  {value} of {total} MiB  {rate} MiB/s  {left}";
  const bar = openBar({ total, format, clears: false }, cleanup, stream);
  const startedAt = performance.now();
  let doneBytes = 0;
  return {
    update: (bytes) => {
      doneBytes = bytes;
      const seconds = (performance.now() - startedAt) / 1000;
      const rate = bytes === 0 ? 0 : Math.round(bytes / MIB / seconds);
      const left = `${clock(((totalBytes - bytes) * seconds) / bytes)} left`;
      bar.update(Math.floor(bytes / MIB), { rate, left });
    },
    stop: () => {
      if (doneBytes === totalBytes) bar.update(total, {});
      bar.stop();
    },
  };
}

function stepBar(total: number, cleanup: Cleanup, stream: NodeJS.WriteStream): Steps {
  const format = "{value} of {total}  {what}";
  const bar = openBar({ total, format, clears: true }, cleanup, stream);
  return {
    update: (done, what) => bar.update(done, { what: what.slice(0, MOST_WHAT) }),
    stop: bar.stop,
  };
}

/** Seconds as 0:07, 12:34 or 1:02:03; nothing for a time that nobody knows yet. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds)) return "";
  const whole = Math.ceil(seconds);
  const digits = (count: number): string => String(count).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const front = hours > 0 ? `${hours}:${digits(minutes)}` : String(minutes);
  return `${front}:${digits(whole % 60)}`;
}
