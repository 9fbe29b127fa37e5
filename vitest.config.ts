import { defineConfig } from "vitest/config";
import type { Reporter, TestModule } from "vitest/node";

const dist = (file: string): string => new URL(`./dist/${file}`, import.meta.url).pathname;

/** Says which tests were skipped, and why. */
const skippedTests: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const test of modules.flatMap((module) => [...module.children.allTests("skipped")])) {
      const { note = "no reason given" } = test.result() as { note?: string };
      console.log(`skipped: ${test.fullName}: ${note}`);
    }
  },
};

/** Where continuous integration wants the results, for the line that it ends with. */
const { BLOCKPT_TEST_RESULTS: outputFile } = process.env;

export default defineConfig({
  resolve: {
    // Tests use the built package, as its users do; workers need real files.
    alias: [
      { find: /^blockpt$/, replacement: dist("index.js") },
      { find: /^blockpt\/abi$/, replacement: dist("abi.js") },
      { find: /^blockpt\/nbd$/, replacement: dist("nbd.js") },
      { find: /^blockpt\/testing$/, replacement: dist("testing.js") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    server: { deps: { external: [/\/dist\//] } },
    reporters: [
      "default",
      skippedTests,
      ...(outputFile ? [["json", { outputFile }] as ["json", { outputFile: string }]] : []),
    ],
    // Long: what is too slow for it hangs, on however busy a machine.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Endpoint, root complex and tests are threads of their own already.
    maxWorkers: 2,
  },
});
