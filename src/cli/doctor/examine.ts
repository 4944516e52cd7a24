import type { Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import { type Check, type Finding, type Given, type Need, problemOf } from './check.ts'

/** How to get what checks need. One may ask for others; what is left out cannot be had, and nobody misses it. */
export type Sources = {
  readonly [N in Need]?: (given: <M extends Need>(need: M) => Promise<Given[M]>) => Promise<Given[N]>
}

export interface ExamineOptions {
  readonly clock: Clock
  /** How long a check may take, and whatever it needs. Milliseconds. */
  readonly limitMs: number
}

export interface Report extends Finding {
  /** The name of the check. */
  readonly check: string
}

/**
 * Runs all checks at once, each with a time limit; the reports come in the order of the checks. The first check that needs what cannot be
 * had tells why, the others are skipped.
 */
export async function examine(
  checks: readonly Check[],
  sources: Sources,
  options: ExamineOptions,
): Promise<readonly Report[]> {
  const had = new Map<Need, Promise<unknown>>()
  const given = <N extends Need>(need: N): Promise<Given[N]> => {
    const asked = had.get(need) ?? limited(`getting the ${need}`, sourceOf(sources, need)(given), options)
    had.set(need, asked)
    return asked as Promise<Given[N]>
  }
  const applicable = checks.filter(({ needs }) => needs.every((need) => sources[need]))
  const outcomes = await Promise.all(applicable.map((check) => outcomeOf(check, given, options)))
  const told = new Map<unknown, string>()
  return outcomes.flatMap(({ check, missing, findings }) => {
    const teller = missing === undefined ? undefined : told.get(missing.error)
    if (missing && teller === undefined) told.set(missing.error, check)
    const shown = teller === undefined ? findings : [skipped(teller)]
    return shown.map((finding) => ({ check, ...finding }))
  })
}

interface Outcome {
  readonly check: string
  readonly findings: readonly Finding[]
  /** Why the check could not begin. */
  readonly missing?: { readonly error: unknown }
}

type Ask = <N extends Need>(need: N) => Promise<Given[N]>

async function outcomeOf(
  { name: check, needs, examine: look }: Check,
  given: Ask,
  options: ExamineOptions,
): Promise<Outcome> {
  const found: Partial<Record<Need, unknown>> = {}
  try {
    for (const need of needs) found[need] = await given(need)
  } catch (error) {
    return { check, findings: [problemOf(error)], missing: { error } }
  }
  try {
    // Whatever the check may touch was put there above.
    return { check, findings: await limited(`the check "${check}"`, look(found as Given), options) }
  } catch (error) {
    return { check, findings: [problemOf(error)] }
  }
}

function sourceOf<N extends Need>(sources: Sources, need: N): NonNullable<Sources[N]> {
  const source = sources[need]
  if (!source) throw new StreamError('ILLEGAL_STATE', `nobody has the ${need}`)
  return source
}

const skipped = (teller: string): Finding => ({ level: 'skipped', fact: `not examined: see "${teller}"` })

/** The work goes on after the limit, and nobody listens. */
async function limited<T>(what: string, work: Promise<T>, { clock, limitMs }: ExamineOptions): Promise<T> {
  const late = Promise.withResolvers<never>()
  const fact = `${what} took longer than ${limitMs / 1_000} s`
  const cancel = clock.after(limitMs, () => late.reject(new StreamError('CHECK_TIMEOUT', fact)))
  try {
    return await Promise.race([work, late.promise])
  } finally {
    cancel()
  }
}
