import { systemClock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import { coresOfProcess } from '../cores.ts'
import { onnx } from '../onnx.ts'
import type { OnnxOptions } from '../onnx-options.ts'
import type { Measurement, Tuning } from './measure.ts'

/** What an embedder has to keep to on this machine. */
export interface Constraints {
  /** Resident memory of the whole process, in MiB. */
  readonly maxMemoryMb?: number
  /** Texts a second when there is always work. */
  readonly targetPerSecond?: number
  /** 95 of 100 texts that come alone take no longer. Milliseconds. */
  readonly maxLatencyMs?: number
}

export interface OptimizeOptions extends Omit<OnnxOptions, keyof Tuning> {
  /** Texts like those that will be embedded. Default: English texts of 8 to 112 words. */
  readonly texts?: readonly string[]
  /** Arithmetics that may be chosen. `fast` gives other vectors, so it has to be allowed. Default: `exact` alone. */
  readonly modes?: readonly NonNullable<OnnxOptions['mode']>[]
  /** Most workers to try. Default: the cores of the process. */
  readonly maxWorkers?: number
  readonly signal?: AbortSignal
  /** For tests: measures one candidate. */
  readonly measureCandidate?: (tuning: Required<Tuning>) => Promise<Measurement>
}

export interface Optimized {
  /** To be given to `onnx`, with the model. */
  readonly options: Required<Tuning>
  readonly measurement: Measurement
  /** A sentence for each constraint that nothing that was tried keeps to together with the more important ones. */
  readonly unreachable: readonly string[]
  /** Everything that was measured, in order. */
  readonly tried: readonly Measurement[]
}

type Candidate = Measurement & Required<Tuning>

const budgets = [256, 512, 1_024] as const

/**
 * Measures a model on this machine, about a second for each candidate, and chooses workers, batch budget and arithmetic for it. Within
 * the bounds it takes the fewest workers that reach the target, or without a target what is fastest. What cannot be kept is said:
 * memory goes first, because a process that is killed does nothing, then latency, then throughput.
 *
 * Candidates are measured from the smallest to the largest, because memory that was freed stays with the process.
 *
 * @example
 * const { options, unreachable } = await optimizeForConstraints({ maxMemoryMb: 512 }, { model: 'all-MiniLM-L6-v2' })
 * const embedder = onnx({ model: 'all-MiniLM-L6-v2', ...options })
 */
export async function optimizeForConstraints(constraints: Constraints, options: OptimizeOptions): Promise<Optimized> {
  refuseNonsense(constraints)
  const { modes = ['exact'], maxWorkers = coresOfProcess(), measureCandidate = measurer(options) } = options
  const search = new Search(constraints, measureCandidate)
  await search.tryBudgets(modes)
  for (let workers = 1; workers < maxWorkers; ) {
    workers = Math.min(workers * 2, maxWorkers)
    await search.tryWorkers(workers)
  }
  const { tried } = search
  const chosen = best(tried, constraints)
  const unreachable = violations(chosen, constraints)
  return { options: pickTuning(chosen), measurement: chosen, unreachable, tried }
}

/** What was measured so far. */
class Search {
  readonly tried: Candidate[] = []
  readonly #constraints: Constraints
  readonly #measure: (tuning: Required<Tuning>) => Promise<Measurement>
  /** The last candidate of each mode, in the order in which modes are preferred. */
  readonly #last = new Map<Candidate['mode'], Candidate>()

  constructor(constraints: Constraints, measureCandidate: (tuning: Required<Tuning>) => Promise<Measurement>) {
    this.#constraints = constraints
    this.#measure = measureCandidate
  }

  /** One worker with each batch budget, in one mode after the other until one will do. */
  async tryBudgets(modes: readonly Candidate['mode'][]): Promise<void> {
    for (const mode of modes) {
      if (this.#isDone) return
      const candidates: Candidate[] = []
      for (const maxBatchTokens of budgets) candidates.push(await this.#attempt({ workers: 1, maxBatchTokens, mode }))
      this.#last.set(mode, best(candidates, this.#constraints))
    }
  }

  /** More workers, with the best batch budget of each mode that may need them. */
  async tryWorkers(workers: number): Promise<void> {
    for (const [mode, last] of this.#last) {
      if (!isEnough(last, this.#constraints))
        this.#last.set(mode, await this.#attempt({ ...pickTuning(last), workers }))
      if (this.#constraints.targetPerSecond !== undefined && this.#isDone) return
    }
  }

  get #isDone(): boolean {
    return this.tried.some((candidate) => violations(candidate, this.#constraints).length === 0)
  }

  async #attempt(tuning: Required<Tuning>): Promise<Candidate> {
    const candidate = { ...(await this.#measure(tuning)), ...tuning }
    this.tried.push(candidate)
    return candidate
  }
}

function pickTuning({ workers, maxBatchTokens, mode }: Candidate): Required<Tuning> {
  return { workers, maxBatchTokens, mode }
}

/** More workers would break the memory bound further, or are not needed. */
function isEnough(candidate: Measurement, { maxMemoryMb, targetPerSecond }: Constraints): boolean {
  if (maxMemoryMb !== undefined && candidate.memoryMb > maxMemoryMb) return true
  return targetPerSecond !== undefined && candidate.textsPerSecond >= targetPerSecond
}

function best(candidates: readonly Candidate[], constraints: Constraints): Candidate {
  const [first] = candidates.toSorted((a, b) => compare(a, b, constraints))
  if (!first) throw new StreamError('CONFIG_INVALID', 'there is no mode to choose from')
  return first
}

/** The better one first. */
function compare(a: Candidate, b: Candidate, constraints: Constraints): number {
  const excess = ({ memoryMb }: Candidate) => Math.max(0, memoryMb - (constraints.maxMemoryMb ?? memoryMb))
  const broken = (candidate: Candidate) => violations(candidate, constraints).length
  const isMet = broken(a) === 0 && broken(b) === 0
  return (
    excess(a) - excess(b) ||
    broken(a) - broken(b) ||
    (isMet ? Number(a.mode === 'fast') - Number(b.mode === 'fast') : 0) ||
    b.textsPerSecond - a.textsPerSecond
  )
}

/** The constraints that a candidate does not keep to, as sentences. */
function violations({ memoryMb, textsPerSecond, latencyMs }: Measurement, constraints: Constraints): readonly string[] {
  const { maxMemoryMb, targetPerSecond, maxLatencyMs } = constraints
  const facts: string[] = []
  if (maxMemoryMb !== undefined && memoryMb > maxMemoryMb)
    facts.push(`maxMemoryMb ${maxMemoryMb} is not reachable: the process takes ${memoryMb} MiB`)
  if (maxLatencyMs !== undefined && latencyMs.p95 > maxLatencyMs)
    facts.push(`maxLatencyMs ${maxLatencyMs} is not reachable: 95 of 100 single texts take up to ${latencyMs.p95} ms`)
  if (targetPerSecond !== undefined && textsPerSecond < targetPerSecond)
    facts.push(
      `targetPerSecond ${targetPerSecond} is not reachable: it is ${Math.floor(textsPerSecond)} texts a second`,
    )
  return facts
}

function measurer({ modes: _modes, maxWorkers: _most, measureCandidate: _measure, ...options }: OptimizeOptions) {
  const { texts, signal = new AbortController().signal, clock = systemClock, ...model } = options
  return async (tuning: Tuning) => {
    const { measure } = await import('./measure.ts')
    return measure(tuning, { texts, clock, signal, make: () => onnx({ ...model, ...tuning, clock }) })
  }
}

function refuseNonsense(constraints: Constraints): void {
  for (const [name, value] of Object.entries(constraints))
    if (value !== undefined && !(typeof value === 'number' && value > 0))
      throw new StreamError('CONFIG_INVALID', `${name} must be a number above 0, not ${value}`)
}
