// The benchmark's report: that it shows what the results say, needs nothing else, and says what is not there.

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Job } from "../../ts/cli/bench/job.js";
import { summarize } from "../../ts/workload/statistics.js";

const program = (name: string): string =>
  fileURLToPath(new URL(`../../bench/${name}.mjs`, import.meta.url));

let place: string;
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), "bpt-report-"));
});
afterAll(() => rm(place, { recursive: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(name: string, ...args: string[]): Promise<Ended> {
  const ended = promisify(execFile)(process.execPath, [program(name), ...args]);
  return ended.then(
    (out) => ({ code: 0, ...out }),
    (error) => error as Ended,
  );
}

async function fileOf(name: string, document: unknown): Promise<string> {
  const path = join(place, name);
  await writeFile(path, typeof document === "string" ? document : JSON.stringify(document));
  return path;
}

/** Draws a report of documents; gives its page, and its plots by their names. */
async function report(...documents: unknown[]) {
  const out = await mkdtemp(join(place, "out-"));
  const paths = await Promise.all(documents.map((each, index) => fileOf(`${index}.json`, each)));
  const { code, stderr } = await run("report", ...paths, "--out", out);
  expect(code, stderr).toBe(0);
  const plots = new Map<string, string>();
  for (const name of await readdir(out)) {
    if (name.endsWith(".svg")) plots.set(name, await readFile(join(out, name), "utf8"));
  }
  return { page: await readFile(join(out, "index.html"), "utf8"), plots, stderr };
}

const environment = {
  date: "2026-01-02T03:04:05.678Z",
  version: "0.1.0",
  node: "v20.0.0",
  v8: "11",
  cpu: "An Example",
  cores: 2,
  memoryBytes: 8 * 2 ** 30,
  system: "Linux 6 x64",
  revision: "abc1234",
  modified: false,
};

const JOB: Job = {
  disc: "memory:64M",
  discs: 1,
  pattern: "randread",
  readPercent: 70,
  blockBytes: 4096,
  depth: 32,
  queues: 1,
  api: "promise",
  dma: true,
  engine: "wasm",
};

function resultOf(changes: Partial<Job>, perSecond: number, more: object = {}) {
  const rate = summarize([perSecond, perSecond * 1.1, perSecond * 1.2]);
  return {
    job: { ...JOB, ...changes },
    rate,
    throughput: 1234,
    limit: summarize([2e6, 2e6, 2e6]),
    share: summarize([0.5, 0.6, 0.7]),
    latency: { p50: 1.5, p90: 2.5, p99: 20, p999: 300, max: 4000 },
    cpu: { rootComplex: 0.4, rest: 0.3 },
    handOver: summarize([50, 60, 70]),
    quiet: 3,
    disturbed: 0,
    ...more,
  };
}

const bench = {
  environment,
  sections: [
    {
      id: "rings",
      title: "Rings: push and pop",
      notes: ["A note."],
      remarks: [],
      rows: [
        {
          name: "one by one",
          unit: "M/s",
          lessIsBetter: false,
          figures: { wasm: summarize([40]), typescript: summarize([20]) },
          ratios: { "wasm/typescript": 2 },
        },
      ],
    },
  ],
  groups: [
    {
      id: "memory",
      title: "Memory disc",
      results: [
        resultOf({}, 1e6),
        resultOf({ depth: 1, engine: "typescript" }, 2e5, { quiet: 0, disturbed: 3 }),
        resultOf({ depth: 1, api: "sync" }, 3e5, { latency: undefined }),
      ],
    },
    {
      id: "protocol",
      title: "Null disc",
      results: [resultOf({ disc: "null:64M" }, 5e6, { limit: undefined, share: undefined })],
    },
    {
      id: "growth-size",
      title: "Growth with the size",
      axis: "disc",
      results: ["memory:1M", "memory:4M", "file:1M", "file:64G"].map((disc, index) =>
        resultOf({ disc }, 1e5 * (index + 1)),
      ),
    },
  ],
};

const rate = summarize([1e5, 2e5, 3e5]);
const peers = {
  environment,
  jobs: [
    {
      name: "reads",
      rows: [
        { peer: "nothing", what: "was done", rate: summarize([0, 0]) },
        { peer: "blockpt", what: "wasm", rate, latency: resultOf({}, 1).latency, cpu: 1.25 },
        { peer: "nbdkit", what: '<b onclick="x">&', rate, ratio: rate, note: "of <i>its</i> own" },
        { peer: "blockpt serve", what: "a socket", rate, cpu: 9.5, serverCpu: 4.25 },
        { peer: "nbd-server", what: "too", rate, cpu: 12, serverCpu: 7, nbdRatio: summarize([3]) },
        { peer: "qemu-nbd", what: "a file", failed: "it <does> not listen" },
      ],
    },
  ],
  missing: [{ peer: "qemu-nbd", why: "it is not installed" }],
};
const instructions = { environment, rows: [{ name: "serve a request", instructions: 1234567 }] };

/** Elements that nothing closes. */
const VOID = new Set(["meta"]);

/** Whether each element is closed where it should be, and no `<` or `&` is loose; as little as XML asks. */
function complaintsOf(document: string): string[] {
  const open: string[] = [];
  const complaints: string[] = [];
  const body = document.replace(/^<!doctype html>/, "").replace(/<style>.*?<\/style>/gs, "");
  const tag = /<(\/?)([a-zA-Z]\w*)((?:\s+[\w:-]+(?:="[^"<]*")?)*)\s*(\/?)>/g;
  for (const [, closing, name = "", , closed] of body.matchAll(tag)) {
    if (closing === "/") {
      const last = open.pop();
      if (last !== name) complaints.push(`</${name}> ends <${last}>`);
    } else if (closed === "" && !VOID.has(name)) open.push(name);
  }
  if (open.length > 0) complaints.push(`left open: ${open.join(" ")}`);
  const texts = body.replace(tag, "");
  for (const [loose] of texts.matchAll(/<.{0,20}|&(?!(amp|lt|gt|quot|#\d+);).{0,20}/g)) {
    complaints.push(`loose: ${loose}`);
  }
  return complaints;
}

test("what looks for flaws finds them", () => {
  expect(complaintsOf('<svg a="b"><g/><text>x &amp; y</text></svg>')).toEqual([]);
  expect(complaintsOf("<svg><g></svg>")).not.toEqual([]);
  expect(complaintsOf("<p>a < b</p>")).not.toEqual([]);
  expect(complaintsOf("<p>a & b</p>")).not.toEqual([]);
});

describe("a report of all results", () => {
  let made: Awaited<ReturnType<typeof report>>;
  beforeAll(async () => {
    made = await report(bench, peers, instructions);
  });

  test("is a page, and images, that are well formed", () => {
    expect(complaintsOf(made.page)).toEqual([]);
    expect(made.plots.size).toBeGreaterThan(8);
    for (const [name, plot] of made.plots) {
      expect(complaintsOf(plot), name).toEqual([]);
      expect(plot, name).not.toContain("NaN");
    }
  });

  test("needs nothing from elsewhere", () => {
    const links = [...made.page.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, link]) => link);
    expect(links.filter((link) => !link?.startsWith("#"))).toEqual([]);
    expect(made.page).not.toMatch(/<script|<link|@import|url\((?!#)/);
  });

  test("has each id once", () => {
    const ids = [...made.page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  test("has both modes, on the page and in images, for every colour that is drawn", () => {
    for (const document of [made.page, ...made.plots.values()]) {
      expect(document).toContain("@media (prefers-color-scheme: dark)");
      const known = new Set([...document.matchAll(/\[fill="(#\w+)"\]/g)].map(([, each]) => each));
      const drawn = [...document.matchAll(/ (?:fill|stroke)="(#\w+)"/g)].map(([, each]) => each);
      // Lines are filled with black by whoever draws them, which nobody sees.
      expect(drawn.filter((each) => each !== "#000" && !known.has(each))).toEqual([]);
    }
  });

  test("says what it was measured on", () => {
    for (const fact of ["2026-01-02", "abc1234", "An Example, 2 cores", "v20.0.0", "8 GiB"]) {
      expect(made.page).toContain(fact);
    }
    expect(made.page).toContain("60 (50–70) ns from one core to another");
  });

  test("has every job, in the plot and in the table, and its figures", () => {
    const names = [
      "depth 32, promise, wasm",
      "depth 1, promise, typescript",
      "depth 1, sync, wasm",
    ];
    for (const name of names) {
      expect(made.plots.get("memory-rate.svg")).toContain(name);
      expect(made.page).toContain(`<th scope="row">${name}`);
    }
    expect(made.page).toContain("<td>1.10 M (1 M–1.20 M)</td>");
    expect(made.page).toContain("<td>60 % (50 %–70 %)</td>");
    expect(made.page).toContain("<td>0.40 + 0.30</td>");
  });

  test("marks what was disturbed, and says what that means", () => {
    expect(made.page).toContain("depth 1, promise, typescript !!");
    expect(made.page).toContain("!!: in every round");
  });

  test("leaves out what was not measured", () => {
    expect(made.plots.get("memory-latency.svg")).not.toContain("sync");
    expect([...made.plots.keys()]).not.toContain("protocol-share.svg");
    expect(made.plots.get("protocol-rate.svg")).not.toContain(">limit<");
  });

  test("has what grows as lines, a name and a colour each", () => {
    for (const plot of ["rate", "share", "cpu"]) {
      const drawn = made.plots.get(`growth-size-${plot}.svg`);
      for (const text of [">memory<", ">file<", ">1M<", ">64G<"]) expect(drawn).toContain(text);
    }
    expect(made.page).toContain('<th scope="row">64G</th><td>–</td><td>440 k</td>');
  });

  test("has the pieces, the peers, those that are missing, and the instructions", () => {
    expect(made.plots.get("pieces-rings-m-s.svg")).toContain("one by one");
    expect(made.page).toContain("2 ×");
    expect(made.page).toContain('<tr class="marked"><th scope="row">blockpt, wasm</th>');
    expect(made.page).toContain("Not measured: qemu-nbd: it is not installed");
    expect(made.page).toContain("Failed: qemu-nbd: it &lt;does&gt; not listen");
    expect(made.page).toContain("<td>1,234,567</td>");
    expect(made.page).not.toContain("Absent:");
    expect(made.stderr).toBe("");
  });

  test("has the servers' processor time, and how much faster ours is", () => {
    const drawn = made.plots.get("peers-reads-server-cpu.svg");
    for (const text of [">blockpt serve, a socket<", ">4.25<", ">nbd-server, too<", ">7<"]) {
      expect(drawn).toContain(text);
    }
    expect(drawn).not.toContain("nbdkit");
    expect(made.page).toContain('<tr class="marked"><th scope="row">blockpt serve, a socket</th>');
    expect(made.page).toContain("<td>3 × (3 ×–3 ×)</td>");
  });

  test("shows names as they are, whatever they are made of", () => {
    expect(made.page).toContain("nbdkit, &lt;b onclick=&quot;x&quot;&gt;&amp;");
    expect(made.page).toContain("of &lt;i&gt;its&lt;/i&gt; own");
  });
});

test("what is absent is named, with the command that makes it", async () => {
  const { page, stderr } = await report(instructions);
  for (const command of ["npm run bench -- --save", "npm run bench:peers -- --save"]) {
    expect(page).toContain(`Absent: <code>${command}</code> makes it.`);
    expect(stderr).toContain(command);
  }
  expect(page).not.toContain("bench:instructions");
});

test("the images of the documentation are written where they are wanted, and nothing else", async () => {
  const out = await mkdtemp(join(place, "svg-"));
  const files = [await fileOf("b.json", bench), await fileOf("p.json", peers)];
  expect((await run("report", ...files, "--svg", out)).code).toBe(0);
  expect(await readdir(out)).toEqual(["growth-size-rate.svg"]);
});

test.each([
  ["no JSON", "{", "cannot be read"],
  ["no object", [1].toString(), "is no result of a benchmark"],
  ["something else", { rounds: 1 }, "is no result of a benchmark"],
  ["a result with a flaw", { ...bench, environment: {} }, "environment.date: "],
])("%s is refused", async (_, document, complaint) => {
  const { code, stderr } = await run("report", await fileOf("bad.json", document));
  expect(stderr).toContain(complaint);
  expect(stderr).not.toContain("    at ");
  expect(code).toBe(1);
});

describe("what the benchmark prints", () => {
  test("is what the report reads; an id is a group, and not what else it is a part of", async () => {
    const wanted = ["large", "queues", "rings"];
    const { stdout, code } = await run("bench", "--quick", "--json", ...wanted);
    expect(code).toBe(0);
    const printed = JSON.parse(stdout);
    const ids = [...printed.groups, ...printed.sections].map(({ id }) => id);
    expect(ids.sort()).toEqual([...wanted].sort());
    const { page, plots } = await report(printed);
    expect(complaintsOf(page)).toEqual([]);
    expect([...plots.keys()]).toContain("large-rate.svg");
  });

  test.each([[["--quick"]], [["memory"]]])("is not accepted in parts: --save %j", async (args) => {
    const { stderr, code } = await run("bench", "--save", ...args);
    expect(stderr).toContain("--save is for all of it in full");
    expect(code).toBe(1);
  });
});
