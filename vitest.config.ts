import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/**
 * Suites by what they need: unit, property and contracts need nothing; fault kills child processes; ops wants Helm and promtool for some of
 * its tests; integration wants a Kafka.
 */
const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

/** The examples import the package by its name, as its users do. */
const alias = [
  { find: /^millrace$/, replacement: source('index.ts') },
  { find: /^millrace\/testing$/, replacement: source('testing.ts') },
  { find: /^millrace\/(operators|embed|connectors)$/, replacement: source('$1/index.ts') },
]

const project = (name: string, include: string[], options: Record<string, unknown> = {}) => ({
  resolve: { alias },
  test: { name, include, environment: 'node', testTimeout: 20_000, hookTimeout: 60_000, ...options },
})

export default defineConfig({
  test: {
    projects: [
      project('unit', [
        'test/*.test.ts',
        'test/{state,topology,runtime,operators,embed,connectors,serve,pipeline,cli,support,chaos}/**/*.test.ts',
      ]),
      project('contracts', ['test/contracts/**/*.test.ts']),
      project('property', ['test/property/**/*.test.ts'], { testTimeout: 120_000 }),
      project('fault', ['test/fault/**/*.test.ts'], { testTimeout: 180_000 }),
      project('ops', ['test/ops/**/*.test.ts']),
      project('integration', ['test/integration/**/*.test.ts'], {
        testTimeout: 240_000,
        hookTimeout: 120_000,
        fileParallelism: false,
        globalSetup: ['test/support/kafka-global-setup.ts'],
      }),
    ],
  },
})
