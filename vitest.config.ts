import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["dragoman-source"] },
  ssr: { resolve: { conditions: ["dragoman-source", "node", "import", "default"] } },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/build.ts"],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    pool: "forks",
    maxWorkers: 2,
  },
});
