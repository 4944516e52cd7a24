import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startProgram } from '../support/command-line.ts'
import type { Mutant } from './mutants.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Verdict {
  /** Scripts that were played until one failed. */
  readonly runs: number
  readonly faults: readonly string[]
  /** Everything that was printed. */
  readonly output: string
}

export interface RunOptions {
  readonly seed: number
  readonly runs: number
  readonly shrink?: boolean
  readonly without?: readonly string[]
}

/** Plays scripts against the code as it is. */
export function checkCode(options: RunOptions): Promise<Verdict> {
  return run(root, options)
}

/** Plays scripts against a copy of the code without a rule, until one fails. Without patches it is a plain copy. */
export async function checkMutant(mutant: Mutant, options: RunOptions): Promise<Verdict> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-mutant-'))
  try {
    await Promise.all([
      ...['src', 'test/protocol', 'package.json'].map((path) =>
        cp(join(root, path), join(folder, path), { recursive: true }),
      ),
      symlink(join(root, 'node_modules'), join(folder, 'node_modules')),
    ])
    for (const patch of mutant.patches) await apply(patch, folder)
    return await run(folder, options)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Fails when the text is not there exactly once: the mutant has to follow the code. */
async function apply({ file, find, replacement }: Mutant['patches'][number], folder: string): Promise<void> {
  const path = join(folder, file)
  const [before, after, ...more] = (await readFile(path, 'utf8')).split(find)
  if (before === undefined || after === undefined || more.length > 0) {
    const count = after === undefined ? 'not' : `${more.length + 1} times`
    throw new Error(`${file} has this ${count}, instead of once:\n${find}`)
  }
  await writeFile(path, before + replacement + after)
}

async function run(folder: string, { seed, runs, shrink = false, without = [] }: RunOptions): Promise<Verdict> {
  const options = [...without.map((kind) => `--without=${kind}`), ...(shrink ? [] : ['--no-shrink'])]
  const main = join(folder, 'test/protocol/main.ts')
  const { stdout, stderr } = await startProgram(main, [`--seed=${seed}`, `--runs=${runs}`, ...options], { cwd: folder })
    .result
  const output = stderr + stdout
  return { ...resultOf(output), output }
}

function resultOf(output: string): Pick<Verdict, 'runs' | 'faults'> {
  try {
    return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '')
  } catch {
    throw new Error(`the run ended without a result:\n${output}`)
  }
}
