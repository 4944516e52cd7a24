import fc from 'fast-check'
import { play } from './play.ts'
import { linesOf, type Omission, type Script, scripts } from './script.ts'

export interface PropertyOptions {
  readonly seed: number
  readonly runs: number
  /** Look for a short script that fails. */
  readonly shrink: boolean
  readonly without: readonly Omission[]
}

export interface PropertyResult {
  /** Scripts that were played until one failed; without the shrinking. */
  readonly runs: number
  readonly faults: readonly string[]
  /** The script that failed, and what happened, a line each. */
  readonly counterexample: readonly string[]
}

/** Plays random scripts until one fails. */
export async function check({ seed, runs, shrink, without }: PropertyOptions): Promise<PropertyResult> {
  let played = 0
  let failed: Pick<PropertyResult, 'faults' | 'counterexample'> | undefined
  const property = fc.asyncProperty(scripts(without), async (script) => {
    played++
    const found = await explained(script)
    if (found.faults.length > 0) failed = found
    return found.faults.length === 0
  })
  const { counterexample } = await fc.check(property, { seed, numRuns: runs, endOnFailure: true })
  const [script] = counterexample ?? []
  if (!script || !failed) return { runs: played, faults: [], counterexample: [] }
  const shorter = shrink ? await explained(await shortened(script)) : failed
  // What an earlier script left behind shows up once.
  return { runs: played, ...(shorter.faults.length > 0 ? shorter : failed) }
}

/** Leaves out steps for as long as something is wrong without them: faster than fast-check, which does not know what a step is worth. */
async function shortened(script: Script): Promise<Script> {
  let { steps } = script
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let at = steps.length - size; at > -size; at -= size) {
      const fewer = steps.toSpliced(Math.max(0, at), size + Math.min(0, at))
      if ((await play({ ...script, steps: fewer })).length > 0) steps = fewer
    }
  }
  return { ...script, steps }
}

async function explained(script: Script): Promise<Pick<PropertyResult, 'faults' | 'counterexample'>> {
  const trace: string[] = []
  const faults = await play(script, trace)
  return { faults, counterexample: [...linesOf(script), 'what happened:', ...trace] }
}
