import { defineConfig } from "vitest/config";

const dist = (file: string): string => new URL(`./dist/${file}`, import.meta.url).pathname;

export default defineConfig({
  resolve: {
    // Tests use the built package, as its users do; workers need real files.
    alias: [
      { find: /^blockpt$/, replacement: dist("index.js") },
      { find: /^blockpt\/abi$/, replacement: dist("abi.js") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    server: { deps: { external: [/\/dist\//] } },
    testTimeout: 30_000,
    // Endpoint, root complex and tests are threads of their own already.
    maxWorkers: 2,
  },
});
