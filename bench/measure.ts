/** One measured number, printed as a line of JSON. */
export interface Figure {
  /** `<area>.<what>`, the name it is asked for by. */
  readonly figure: string
  readonly value: number
  /** `x` for a ratio of two things that were timed in the same run. */
  readonly unit: string
  readonly detail: string
}

type Work = () => void | Promise<void> | Promise<number>

export interface Contest {
  /** What is being measured. Work in another process tells how many milliseconds it took there. */
  readonly subject: Work
  /** What it is compared with, on the same work. */
  readonly baseline: Work
  /** Rounds that count; one more goes before them, to warm up. Default 7. */
  readonly rounds?: number
  /** `cpu` counts the processor time of all threads of the process. Default `wall`. */
  readonly clock?: 'wall' | 'cpu'
}

export interface ContestResult {
  /** Median over the rounds of (time of the baseline / time of the subject): above 1 the subject is faster. */
  readonly speedup: number
  /** Medians, milliseconds a round. */
  readonly subjectMs: number
  readonly baselineMs: number
}

/**
 * Times two things in turns and compares them round by round: what disturbs the machine meets both, and the median drops the rounds that
 * it met hardest. The one that goes first changes every round.
 */
export async function compare({ subject, baseline, rounds = 7, clock = 'wall' }: Contest): Promise<ContestResult> {
  const results: { subjectMs: number; baselineMs: number }[] = []
  for (let round = 0; round <= rounds; round++) {
    const subjectFirst = round % 2 === 0
    const before = subjectFirst ? await timed(subject, clock) : undefined
    const baselineMs = await timed(baseline, clock)
    const subjectMs = before ?? (await timed(subject, clock))
    if (round > 0) results.push({ subjectMs, baselineMs })
  }
  return {
    speedup: median(results.map(({ subjectMs, baselineMs }) => baselineMs / subjectMs)),
    subjectMs: median(results.map(({ subjectMs }) => subjectMs)),
    baselineMs: median(results.map(({ baselineMs }) => baselineMs)),
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** A number with so many significant digits, for a figure. */
export function rounded(value: number, digits = 3): number {
  return Number(value.toPrecision(digits))
}

async function timed(action: Work, clock: 'wall' | 'cpu'): Promise<number> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const told = await action()
  if (typeof told === 'number') return told
  if (clock === 'wall') return performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  return (user + system) / 1000
}
