import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { msgpack, string } from '../src/serde.ts'
import { openLevelStore } from '../src/state/level-store.ts'
import type { KeyValueStore, KeyValueStoreSpec, StoreSpec } from '../src/state/store.ts'
import { TaskState } from '../src/state/task-state.ts'
import { type ContestResult, compare, type Figure, rounded } from './measure.ts'

interface Value {
  readonly pipeline: string
  readonly chunks: readonly Uint8Array[]
}

const spec: KeyValueStoreSpec<string, Value> = { kind: 'key-value', name: 'manifests', key: string, value: msgpack() }
const keys = Array.from({ length: 10_000 }, (_, index) => `guide/chapter-${(index * 7919) % 10_000}.md`)
const writtenKeys = keys.slice(0, 1000)

/** About as large as the manifest of a document of ten chunks. */
const manifest: Value = {
  pipeline: '0123456789abcdef',
  chunks: Array.from({ length: 10 }, (_, index) => new Uint8Array(24).fill(index)),
}

/** A task's store, and LevelDB without anything around it, both with the same entries. */
interface Bench extends AsyncDisposable {
  readonly state: TaskState
  readonly level: ClassicLevel<Uint8Array, Uint8Array>
  view(generation: number): KeyValueStore<string, Value>
}

async function openBench(maxCacheBytes: number): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const openDisk = () => openLevelStore(join(folder, 'state'))
  const state = await TaskState.open({ stores: [spec as StoreSpec], openDisk, maxCacheBytes })
  const level = new ClassicLevel<Uint8Array, Uint8Array>(join(folder, 'level'), {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  })
  const view = (generation: number) => state.view(spec.name, () => generation) as KeyValueStore<string, Value>
  for (const key of keys) {
    view(1).put(key, manifest)
    await level.put(Buffer.from(key), spec.value.serialize(manifest))
  }
  return {
    state,
    level,
    view,
    async [Symbol.asyncDispose]() {
      await state.close()
      await level.close()
      await rm(folder, { recursive: true })
    },
  }
}

const mark = { positions: new Map<string, number>(), sourceOffsets: new Uint8Array(0) }

async function compareReads({ level, view }: Bench): Promise<ContestResult> {
  const store = view(2)
  return compare({
    subject: () => {
      for (const key of keys) store.get(key)
    },
    baseline: async () => {
      for (const key of keys) await level.get(Buffer.from(key))
    },
  })
}

function readFigure(figure: string, where: string, { speedup, subjectMs, baselineMs }: ContestResult): Figure {
  const perRead = (milliseconds: number) => `${rounded((milliseconds * 1000) / keys.length)} us`
  return {
    figure,
    value: rounded(speedup),
    unit: 'x',
    detail: `store.get of a decoded value ${where} (${perRead(subjectMs)}) against await db.get of its bytes (${perRead(baselineMs)})`,
  }
}

/** The written value is still in the overlay. */
export async function storeReadOverlay(): Promise<Figure> {
  await using bench = await openBench(0)
  return readFigure('store.read-overlay', 'in the overlay', await compareReads(bench))
}

export async function storeReadCache(): Promise<Figure> {
  await using bench = await openBench(64 * 1024 * 1024)
  await bench.state.persist(1, mark)
  return readFigure('store.read-cache', 'in the record cache', await compareReads(bench))
}

/** Every read goes to LevelDB and is decoded. */
export async function storeReadDisk(): Promise<Figure> {
  await using bench = await openBench(0)
  await bench.state.persist(1, mark)
  return readFigure('store.read-disk', 'on disk', await compareReads(bench))
}

export async function storeWrite(): Promise<Figure> {
  await using bench = await openBench(0)
  await bench.state.persist(1, mark)
  let generation = 1
  const { speedup, subjectMs, baselineMs } = await compare({
    subject: async () => {
      const store = bench.view(++generation)
      for (const key of writtenKeys) store.put(key, manifest)
      await bench.state.persist(generation, mark)
    },
    baseline: async () => {
      for (const key of writtenKeys) await bench.level.put(Buffer.from(key), spec.value.serialize(manifest))
    },
  })
  return {
    figure: 'store.write-batch',
    value: rounded(speedup),
    unit: 'x',
    detail: `${writtenKeys.length} puts persisted as one generation (${rounded(subjectMs)} ms) against as many await db.put (${rounded(baselineMs)} ms)`,
  }
}
