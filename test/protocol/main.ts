import { registerHooks } from 'node:module'
import { parseArgs } from 'node:util'
import type { Omission } from './script.ts'

/**
 * Plays random scripts on the real coordinator and prints the first that fails; the last line is the result as JSON.
 *
 *     node test/protocol/main.ts --seed 1 --runs 1000
 *
 * The disk under the state folder is replaced by one in memory: fast, and the same script always gives the same events.
 */

const disk = new URL('./memory-level.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const isDisk =
      specifier === 'classic-level' || (specifier === 'node:fs/promises' && context.parentURL?.includes('/src/state/'))
    return isDisk ? { url: disk, shortCircuit: true } : next(specifier, context)
  },
})

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '500' },
    without: { type: 'string', multiple: true, default: [] },
    'no-shrink': { type: 'boolean', default: false },
  },
})

const { check } = await import('./property.ts')
const result = await check({
  seed: Number(values.seed),
  runs: Number(values.runs),
  shrink: !values['no-shrink'],
  without: values.without as Omission[],
})
for (const line of [...result.counterexample, ...result.faults.map((fault) => `FAULT: ${fault}`)]) console.log(line)
console.log(JSON.stringify({ runs: result.runs, faults: result.faults }))
