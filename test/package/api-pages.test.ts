// The API pages: every name in a group, every document in the navigation, and a search that needs no server.

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { JSONOutput } from "typedoc";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BrowserRig, needBrowser } from "../browser/rig.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let project: JSONOutput.ProjectReflection;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "blockpt-pages-"));
  const typedoc = join(root, "node_modules/typedoc/bin/typedoc");
  const json = join(folder, "pages.json");
  // Types are checked by tsc already.
  const args = ["--out", folder, "--json", json, "--skipErrorChecking", "--logLevel", "Warn"];
  await promisify(execFile)(process.execPath, [typedoc, ...args], { cwd: root });
  project = JSON.parse(await readFile(json, "utf8"));
});

afterAll(() => rm(folder, { recursive: true }));

/** The titles of an entry point's groups, each with its names. */
function groupsOf({ children = [], categories = [] }: JSONOutput.DeclarationReflection) {
  const nameOf = new Map<number, string>(children.map(({ id, name }) => [id, name]));
  return categories.map(({ title, children: ids = [] }) => ({
    title,
    names: ids.map((id) => nameOf.get(id)),
  }));
}

test("every name of every entry point is in one group, which is told in a sentence", () => {
  const entryPoints = project.children ?? [];
  expect(entryPoints.map(({ name }) => name)).toEqual([
    "blockpt",
    "blockpt/abi",
    "blockpt/nbd",
    "blockpt/testing",
  ]);
  for (const entryPoint of entryPoints) {
    const names = entryPoint.children?.map(({ name }) => name) ?? [];
    expect(names.length, entryPoint.name).toBeGreaterThan(5);
    const grouped = groupsOf(entryPoint).flatMap((group) => group.names);
    expect(grouped.toSorted(), entryPoint.name).toEqual(names.toSorted());
    for (const { title, description } of entryPoint.categories ?? []) {
      expect(description?.[0]?.text, title).toMatch(/^[A-Z].*\.$/);
    }
  }
});

test("what can be imported is there, and stands where the architecture has it", async () => {
  const groups = groupsOf(project.children?.[0] as JSONOutput.DeclarationReflection);
  const groupOf = (wanted: string) => groups.find(({ names }) => names.includes(wanted))?.title;
  for (const name of Object.keys(await import("blockpt"))) expect(groupOf(name), name).toBeTruthy();
  expect(groups.map(({ title }) => title)).toEqual([
    "Bus",
    "Endpoint",
    "Root complex",
    "Block layer",
    "Discs",
    "Engines",
    "Config tree",
    "Traces",
    "Errors",
  ]);
  expect(
    ["createBus", "RemoteDisk", "FaultRule", "LinkFaults", "BlockptError"].map(groupOf),
  ).toEqual(["Bus", "Root complex", "Discs", "Endpoint", "Errors"]);
});

test("every document is in the navigation: guides first", async () => {
  const { entries, reflections } = project.files;
  const paths = (project.categories ?? []).flatMap(({ title, children = [] }) =>
    Object.entries(reflections)
      .filter(([, id]) => children.includes(id))
      .map(([file]) => ({ title, path: Object.entries(entries).find(([id]) => id === file)?.[1] })),
  );
  const chapters = { Guides: "docs/guides", Reference: "docs" };
  for (const [chapter, directory] of Object.entries(chapters)) {
    const files = (await readdir(join(root, directory))).filter((name) => name.endsWith(".md"));
    const shown = paths.filter(({ title }) => title === chapter).map(({ path }) => path);
    expect(shown.toSorted()).toEqual(files.map((name) => `${directory}/${name}`).toSorted());
  }
  expect(project.categories?.map(({ title }) => title)).toEqual([
    "Guides",
    "Reference",
    "API",
    "Project",
  ]);
  expect(project.documents?.[0]?.name).toBe("Five minutes");
});

test("the README is one screen down to its table, picture and all", async (context) => {
  needBrowser(context);
  const rig = await BrowserRig.open();
  try {
    const viewport = { width: 1920, height: 1200 };
    const page = await (await rig.browser.newContext({ viewport })).newPage();
    await page.goto(pathToFileURL(join(folder, "index.html")).href);
    const width = "document.querySelector('.tsd-typography img').naturalWidth";
    expect(await page.evaluate(width)).toBeGreaterThan(1000);
    const table = await page.locator(".tsd-typography table").boundingBox();
    expect((table?.y ?? Number.NaN) + (table?.height ?? 0)).toBeLessThan(viewport.height);
  } finally {
    await rig.close();
  }
});

test("opened as files, without a net, they find names and words of documents", async (context) => {
  needBrowser(context);
  const rig = await BrowserRig.open();
  try {
    const browserContext = await rig.browser.newContext({ offline: true });
    const page = await browserContext.newPage();
    await page.goto(pathToFileURL(join(folder, "index.html")).href);
    const search = async (words: string) => {
      await page.locator("#tsd-search-trigger").click();
      await page.locator("#tsd-search-input").fill(words);
      return page.locator("#tsd-search-results a").first();
    };
    await (await search("readRegisters")).click();
    await page.waitForURL(/readRegisters\.html/);
    expect(await page.locator("h1").innerText()).toContain("readRegisters");
    expect(await page.locator("#tsd-nav-container").innerText()).toMatch(/Registers/);

    // A word that only the guide to QEMU and the page on NBD have.
    expect(await (await search("nbdfuse")).innerText()).toMatch(/QEMU|NBD/);
    // One that many names have in passing, and that a guide is about.
    await page.keyboard.press("Escape");
    await search("cross-origin");
    const results = page.locator("#tsd-search-results li:first-child");
    await results.filter({ hasText: "In a browser" }).waitFor();
  } finally {
    await rig.close();
  }
});
