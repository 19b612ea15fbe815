import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["dragoman-source"] },
  ssr: { resolve: { conditions: ["dragoman-source", "node"] } },
  test: {
    // Whatever goes over a socket has to be the same whoever's HTTP/2 carries it.
    projects: [
      { extends: true, test: { name: "dragoman", include: ["test/**/*.test.ts"] } },
      {
        extends: true,
        test: {
          name: "node and grpc-js",
          include: [
            "test/{frontend,upstream,gateway}/**/*.test.ts",
            "test/matrix/matrix.test.ts",
            "test/{admin,filter/*}/{gateway,*-gateway,protocols,access,allow}.test.ts",
          ],
          env: { DRAGOMAN_TEST_HTTP2: "node" },
        },
      },
    ],
    globalSetup: ["test/support/build.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
  },
});
