import { systemClock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import { coresOfProcess } from '../cores.ts'
import { onnx } from '../onnx.ts'
import type { Mode } from '../worker-protocol.ts'
import type { Measurement } from './measure.ts'
import { type Constraints, checkOptions, type OptimizeOptions, type Settings } from './optimize-options.ts'
import { type Precision, precisionsIn } from './weights.ts'

export type { Constraints, OptimizeOptions } from './optimize-options.ts'

export interface Optimized {
  /** To be given to `onnx`, with the model. */
  readonly options: Settings
  readonly measurement: Measurement
  /** A sentence for each constraint that nothing that was tried keeps to together with the more important ones. */
  readonly unreachable: readonly string[]
  /** A sentence when a choice was allowed that the model does not leave: it has weights of one precision only. */
  readonly notes: readonly string[]
  /** Everything that was measured, in order. */
  readonly tried: readonly Measurement[]
}

type Candidate = Measurement & Settings
/** What is computed with which weights: it decides the vectors. */
type Arithmetic = Pick<Settings, 'mode' | 'precision'>

const budgets = [256, 512, 1_024] as const

/**
 * Measures a model on this machine, about a second for each candidate, and chooses workers, batch budget, arithmetic and precision for it.
 * Within the bounds it takes the fewest workers that reach the target, or without a target what is fastest, with the arithmetic and the
 * precision that are preferred if these will do. What cannot be kept is said: memory goes first, because a process that is killed does
 * nothing, then latency, then throughput.
 *
 * Throws CONFIG_INVALID for a constraint or an option that is unknown, missing or of another kind.
 *
 * Candidates are measured from the smallest to the largest, because memory that was freed stays with the process.
 *
 * @example
 * const { options, unreachable } = await optimizeForConstraints({ maxMemoryMb: 512 }, { model: 'all-MiniLM-L6-v2' })
 * const embedder = onnx({ model: 'all-MiniLM-L6-v2', ...options })
 */
export async function optimizeForConstraints(constraints: Constraints, options: OptimizeOptions): Promise<Optimized> {
  checkOptions(constraints, options)
  const { modes = ['exact'], maxWorkers = coresOfProcess(), measureCandidate = measurer(options) } = options
  const offered = await precisionsOf(options)
  const arithmetics = arithmeticsOf(modes, offered)
  const search = new Search({ constraints, arithmetics }, measureCandidate)
  await search.tryBudgets()
  for (let workers = 1; workers < maxWorkers; ) {
    workers = Math.min(workers * 2, maxWorkers)
    await search.tryWorkers(workers)
  }
  const { tried } = search
  const chosen = best(tried, { constraints, arithmetics })
  const unreachable = violations(chosen, constraints)
  const isOnly = options.precisions === 'all' && offered.length === 1
  const notes = isOnly ? [`model "${options.model}" has weights of one precision only: ${offered[0]}`] : []
  return { options: settingsOf(chosen), measurement: chosen, unreachable, notes, tried }
}

/** Those to choose from; none when there is nothing to choose. */
async function precisionsOf({ model, modelsFolder, precisions = [] }: OptimizeOptions): Promise<readonly Precision[]> {
  if (precisions !== 'all') return precisions
  const { readModel } = await import('./model.ts')
  return precisionsIn((await readModel(model, { modelsFolder })).folder)
}

/** In the order in which they are preferred. Only quantized weights are multiplied in two ways. */
function arithmeticsOf(modes: readonly Mode[], offered: readonly Precision[]): readonly Arithmetic[] {
  if (offered.length < 2) return modes.map((mode) => ({ mode, ...(offered[0] && { precision: offered[0] }) }))
  return offered.flatMap((precision) =>
    (precision === 'int8' ? modes : modes.slice(0, 1)).map((mode) => ({ mode, precision })),
  )
}

interface Wish {
  readonly constraints: Constraints
  /** The preferred one first. */
  readonly arithmetics: readonly Arithmetic[]
}

/** What was measured so far. */
class Search {
  readonly tried: Candidate[] = []
  readonly #wish: Wish
  readonly #measure: (settings: Settings) => Promise<Measurement>
  /** The last candidate of each arithmetic. */
  readonly #last = new Map<Arithmetic, Candidate>()

  constructor(wish: Wish, measureCandidate: (settings: Settings) => Promise<Measurement>) {
    this.#wish = wish
    this.#measure = measureCandidate
  }

  /** One worker with each batch budget, in one arithmetic after the other until one will do. */
  async tryBudgets(): Promise<void> {
    for (const arithmetic of this.#wish.arithmetics) {
      if (this.#isDone) return
      const candidates: Candidate[] = []
      for (const maxBatchTokens of budgets)
        candidates.push(await this.#attempt({ workers: 1, maxBatchTokens, ...arithmetic }))
      this.#last.set(arithmetic, best(candidates, this.#wish))
    }
  }

  /** More workers, with the best batch budget of each arithmetic that may need them. */
  async tryWorkers(workers: number): Promise<void> {
    const { constraints } = this.#wish
    for (const [arithmetic, last] of this.#last) {
      if (!isEnough(last, constraints))
        this.#last.set(arithmetic, await this.#attempt({ ...settingsOf(last), workers }))
      if (constraints.targetPerSecond !== undefined && this.#isDone) return
    }
  }

  get #isDone(): boolean {
    return this.tried.some((candidate) => violations(candidate, this.#wish.constraints).length === 0)
  }

  async #attempt(settings: Settings): Promise<Candidate> {
    const candidate = { ...(await this.#measure(settings)), ...settings }
    this.tried.push(candidate)
    return candidate
  }
}

function settingsOf({ workers, maxBatchTokens, mode, precision }: Candidate): Settings {
  return { workers, maxBatchTokens, mode, ...(precision && { precision }) }
}

/** More workers would break the memory bound further, or are not needed. */
function isEnough(candidate: Measurement, { maxMemoryMb, targetPerSecond }: Constraints): boolean {
  if (maxMemoryMb !== undefined && candidate.memoryMb > maxMemoryMb) return true
  return targetPerSecond !== undefined && candidate.textsPerSecond >= targetPerSecond
}

function best(candidates: readonly Candidate[], wish: Wish): Candidate {
  const [first] = candidates.toSorted((a, b) => compare(a, b, wish))
  if (!first) throw new StreamError('CONFIG_INVALID', 'there is no mode to choose from')
  return first
}

/** The better one first. */
function compare(a: Candidate, b: Candidate, { constraints, arithmetics }: Wish): number {
  const excess = ({ memoryMb }: Candidate) => Math.max(0, memoryMb - (constraints.maxMemoryMb ?? memoryMb))
  const broken = (candidate: Candidate) => violations(candidate, constraints).length
  const rank = ({ mode, precision }: Candidate) =>
    arithmetics.findIndex((arithmetic) => arithmetic.mode === mode && arithmetic.precision === precision)
  const isMet = broken(a) === 0 && broken(b) === 0
  return (
    excess(a) - excess(b) ||
    broken(a) - broken(b) ||
    (isMet ? rank(a) - rank(b) : 0) ||
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

function measurer({
  modes: _modes,
  precisions: _precisions,
  maxWorkers: _most,
  measureCandidate: _measure,
  ...options
}: OptimizeOptions) {
  const { texts, signal = new AbortController().signal, clock = systemClock, ...model } = options
  return async (settings: Settings) => {
    const { measure } = await import('./measure.ts')
    return measure(settings, { texts, clock, signal, make: () => onnx({ ...model, ...settings, clock }) })
  }
}
