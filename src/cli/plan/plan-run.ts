import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RuntimeSettings } from '../../config.ts'
import { embeddedBroker } from '../../connectors/embedded/broker.ts'
import { toStreamError } from '../../errors.ts'
import { type Logger, silentLogger } from '../../logger.ts'
import type { Broker } from '../../runtime/broker.ts'
import { StreamRuntime } from '../../runtime/stream-runtime.ts'
import type { Topology } from '../../topology/topology.ts'
import { copyLog, type LogCopy } from './log-copy.ts'
import { PlanCounts } from './plan-counts.ts'
import type { PlannedIndex } from './planned-index.ts'
import { PlannedTexts } from './planned-texts.ts'
import { plannedTopology } from './planned-topology.ts'

export interface PlanOptions {
  readonly topology: Topology
  readonly settings: RuntimeSettings
  /** Open. It is only read. */
  readonly broker: Broker
  /** Plan as if the application had been reset before. Default false. */
  readonly afterReset?: boolean
  /** Where the copies lie meanwhile; default the folder of the system for such things. */
  readonly folder?: string
  readonly logger?: Logger
  readonly signal: AbortSignal
  /** What was copied and processed so far. */
  readonly onProgress?: (progress: { readonly copied: number; readonly processed: number }) => void
}

/** What a run would do. */
export interface Plan {
  readonly records: number
  readonly documents: PlanCounts['documents']
  readonly chunks: PlanCounts['chunks']
  /** `texts` counts every text, `distinct` different ones; `tokens` is null where no tokenizer is at hand. */
  readonly embeddings: {
    readonly texts: number
    readonly distinct: number
    readonly characters: number
    readonly tokens: number | null
  }
  readonly points: { readonly upserts: number; readonly payloadUpdates: number; readonly deletes: number }
  /** Records that would be given up, by error code. */
  readonly failures: Readonly<Record<string, number>>
}

/**
 * Predicts what a run of a topology would do with what is in the log now: runs it, on copies of the log and of the state in a temporary
 * folder, with an embedder that only counts and an index that is only read. The application may be running meanwhile: its folder of stores
 * is not touched, because state is restored from the changelogs.
 *
 * Exact where every key has one pending version. Of several ones a run that begins with a recovery lets the last one pass alone, while its
 * bounds have room for the others to wait: then it is close. Otherwise each version is counted, though a real run may replace one that waits
 * by a newer one: then it is the most that it can be.
 *
 * Undefined when the signal ended it before. Throws what would keep a run from starting.
 */
export async function planRun(options: PlanOptions): Promise<Plan | undefined> {
  const { folder = tmpdir(), signal } = options
  const copies = await temporaryFolder(folder)
  try {
    await using log = embeddedBroker({ directory: join(copies, 'log') })
    await log.open()
    await using texts = new PlannedTexts(copies)
    return await planOn(log, { texts, stateDirectory: join(copies, 'state') }, options)
  } catch (error) {
    if (signal.aborted) return undefined
    throw error
  } finally {
    await rm(copies, { recursive: true, force: true })
  }
}

/** What a plan has for itself. */
interface Means {
  readonly texts: PlannedTexts
  readonly stateDirectory: string
}

async function planOn(log: Broker, { texts, stateDirectory }: Means, options: PlanOptions): Promise<Plan | undefined> {
  const { settings, afterReset = false, signal, logger = silentLogger, onProgress } = options
  let copy: LogCopy = { marks: [], hasState: false }
  const coalesces = () => recovers(copy, indexes)
  const { topology, indexes } = plannedTopology(options.topology, { texts, coalesces })
  let copied = 0
  const tell = () => onProgress?.({ copied, processed: counts.records })
  const counts = new PlanCounts(topology, tell)
  const onRecords = (records: number) => {
    copied += records
    tell()
  }
  copy = await copyLog(options.broker, log, { topology, settings, afterReset, signal, onRecords })
  await using runtime = new StreamRuntime({
    ...settings,
    processingGuarantee: 'at_least_once',
    numStandbyReplicas: 0,
    stateDirectory,
    topology,
    broker: log,
    observer: counts,
    logger,
  })
  const stop = () => void runtime.kill()
  signal.addEventListener('abort', stop)
  try {
    await runtime.start()
    await runtime.drain()
  } finally {
    signal.removeEventListener('abort', stop)
  }
  if (signal.aborted) return undefined
  const total = (name: 'pointsWritten' | 'payloadsWritten' | 'pointsDeleted') =>
    indexes.reduce((sum, { stats }) => sum + stats[name], 0)
  return {
    records: counts.records,
    documents: counts.documents,
    chunks: counts.chunks,
    embeddings: {
      texts: texts.texts,
      distinct: texts.distinct,
      characters: texts.characters,
      tokens: texts.tokens ?? null,
    },
    points: {
      upserts: total('pointsWritten'),
      payloadUpdates: total('payloadsWritten'),
      deletes: total('pointsDeleted'),
    },
    failures: counts.failures,
  }
}

/** Whether a run would have to look at the index first: as the runtime decides by the marks of its predecessor. */
function recovers({ marks, hasState }: LogCopy, indexes: readonly PlannedIndex[]): boolean {
  const isNew = !hasState && indexes.every(({ isEmpty }) => isEmpty)
  return !marks.every((mark) => (mark === undefined ? isNew : mark === 'clean'))
}

async function temporaryFolder(inside: string): Promise<string> {
  try {
    return await mkdtemp(join(inside, 'millrace-plan-'))
  } catch (error) {
    throw toStreamError(error, 'STATE_IO', `there is no place for copies in ${inside}`)
  }
}
