import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isStreamError } from '../src/errors.ts'
import type { StreamRecord } from '../src/record.ts'
import { bytes } from '../src/serde.ts'
import type {
  KeyValueStore,
  ReadOnlySessionStore,
  ReadOnlyWindowStore,
  StateStore,
  StoreSpec,
  VersionedStore,
} from '../src/state/store.ts'
import type { Timestamped } from '../src/state/timestamped.ts'
import { TopologyTestDriver } from '../src/testing.ts'
import { describeTopology } from '../src/topology/describe.ts'
import { internalTopic, type Topology } from '../src/topology/topology.ts'
import { type Key, PlayedTopology } from './played-topology.ts'
import type { RecordedEntry, RecordedInput, RecordedOutput, RecordedStep, Recording } from './recording.ts'
import { builderOf } from './topologies.ts'

/** What we did at one step of a recording. */
export interface PlayedStep {
  readonly out: readonly RecordedOutput[]
  readonly dropped: number
  readonly failed: boolean
  readonly trace: readonly unknown[]
}

export interface Played {
  readonly steps: readonly PlayedStep[]
  /** Undefined after a failure. */
  readonly stores: Readonly<Record<string, readonly RecordedEntry[]>> | undefined
  readonly specs: Topology['stores']
  /** Of the application `app`. */
  readonly internalTopics: readonly string[]
}

/** Why a recording cannot be played; undefined when it can. */
export function unsupported(recording: Recording): string | undefined {
  return builderOf(recording) ? undefined : 'operator'
}

/** Runs the inputs of a recording through our topology, step by step. */
export async function play(recording: Recording): Promise<Played> {
  const { cache, commit } = recording.topology
  const played = new PlayedTopology({ caching: cache === 'on' })
  builderOf(recording)?.(recording, played)
  const topology = played.build()
  let dropped = 0
  const drop = () => void dropped++
  const observer = { dropped: drop, globalDropped: drop, givenUp: drop }
  await using folder = await mkdtempDisposable(join(tmpdir(), 'millrace-parity-'))
  await using driver = await TopologyTestDriver.start(topology, {
    startMs: recording.initialWallClockMs,
    observer,
    stateInMemory: recording.topology.storeType === 'inMemory',
    stateDirectory: folder.path,
    ...(commit === 'explicit' && { commit: 'manual', commitIntervalMs: Number.MAX_SAFE_INTEGER }),
    ...played.settings,
  })
  const internalTopics = describeTopology(topology).internalTopics.map((topic) => internalTopic('app', topic))
  const names = { specs: topology.stores, internalTopics }
  const steps: PlayedStep[] = []
  for (const step of recording.steps) {
    dropped = 0
    const failed = await performed(step, played, driver)
    const trace = played.trace.splice(0)
    steps.push({ out: failed ? [] : await outputsOf(played, driver), dropped, failed, trace })
    if (failed) return { steps, stores: undefined, ...names }
  }
  return { steps, stores: await storesOf(topology, played, driver), ...names }
}

/** True when the runtime failed. */
async function performed(step: RecordedStep, played: PlayedTopology, driver: TopologyTestDriver): Promise<boolean> {
  try {
    if (step.in) await feed(step.in, played, driver)
    if (step.enqueue) await feed(step.enqueue, played, driver, 'enqueue')
    if (step.process) await driver.settle()
    if (step.commit) await driver.commit()
    if (step.advanceWallClockMs) await driver.advance(step.advanceWallClockMs)
    return false
  } catch (error) {
    if (isStreamError(error)) return true
    throw error
  }
}

async function feed(
  input: RecordedInput,
  played: PlayedTopology,
  driver: TopologyTestDriver,
  how: 'pipe' | 'enqueue' = 'pipe',
): Promise<void> {
  const source = played.sources.get(input.topic)
  if (!source) throw new TypeError(`the topology does not read topic "${input.topic}"`)
  const headers = (input.headers ?? []).map(([key, value]) => ({ key, value: Buffer.from(value) }))
  const record = { key: input.key, timestamp: input.ts, headers }
  if (input.raw) await driver[how]({ ...source, value: bytes }, { ...record, value: Buffer.from(String(input.value)) })
  else await driver[how](source, { ...record, value: input.value })
}

async function outputsOf(played: PlayedTopology, driver: TopologyTestDriver): Promise<RecordedOutput[]> {
  const outputs: RecordedOutput[] = []
  for (const [topic, target] of played.targets) {
    for (const record of await driver.read(target)) outputs.push(outputOf(topic, record))
  }
  return outputs
}

function outputOf(topic: string, { key, value, timestamp, headers }: StreamRecord<Key, unknown>): RecordedOutput {
  const texts = headers.map(({ key, value }) => [key, Buffer.from(value ?? []).toString()] as const)
  const rest = { topic, value, ts: timestamp, headers: texts }
  if (key === null || typeof key === 'string') return { ...rest, key }
  return { ...rest, key: key.key, window: [key.window.startMs, key.window.endMs] }
}

async function storesOf(
  topology: Topology,
  { joinStores }: PlayedTopology,
  driver: TopologyTestDriver,
): Promise<Record<string, RecordedEntry[]>> {
  const stores: Record<string, RecordedEntry[]> = {}
  const specs = [...topology.stores.values(), ...[...topology.globalTables.values()].map(({ store }) => store)]
  for (const spec of specs) {
    const entries = await entriesOf(spec, driver.store(spec.name))
    const recorded = joinStores.get(spec.name)
    stores[recorded ?? spec.name] = recorded ? entries.flatMap(oneByOne) : entries
  }
  return stores
}

function oneByOne([key, values, ...time]: RecordedEntry): RecordedEntry[] {
  return (values as readonly unknown[]).map((value) => [key, value, ...time])
}

async function entriesOf(spec: StoreSpec, store: StateStore): Promise<RecordedEntry[]> {
  switch (spec.kind) {
    case 'window':
      return [...(store as ReadOnlyWindowStore<string, unknown>).all()].map(([key, { startMs, value, timestamp }]) => [
        key,
        value,
        timestamp,
        // The end follows from the operator: it is not compared.
        [startMs, startMs],
      ])
    case 'session':
      return [...(store as ReadOnlySessionStore<string, unknown>).all()].map(({ session: { key, window }, value }) => [
        key,
        value,
        null,
        [window.startMs, window.endMs],
      ])
    case 'versioned':
      return (await Array.fromAsync((store as VersionedStore<string, unknown>).all())).map(
        ([key, { value, timestamp }]) => [key, value, timestamp],
      )
    case 'timestamped-key-value':
      return (await Array.fromAsync((store as KeyValueStore<string, Timestamped<unknown>>).range())).map(
        ([key, { value, timestamp }]) => [key, value, timestamp],
      )
    default:
      return (await Array.fromAsync((store as KeyValueStore<string, unknown>).range())).map(([key, value]) => [
        key,
        value,
      ])
  }
}
