import { aggregate, count, filter, filterNot, latest, mapValues, reduce } from '../src/operators/index.ts'
import { fold31, foldAny, isEven, num } from './functions.ts'
import { anyJson, type PlayedTopology } from './played-topology.ts'
import type { Recording } from './recording.ts'

type Builder = (recording: Recording, played: PlayedTopology) => void

/** The topologies of the recordings that have tables in them. */
export const tableTopologies: Readonly<Record<string, Builder>> = {
  table: (recording, played) => played.to(played.table('T', 'in', storageOf(recording)).toStream()),
  toTable: (recording, played) =>
    played.to(
      played
        .stream()
        .toTable(latest('T', { value: anyJson, ...storedAs(recording) }))
        .toStream(),
    ),
  ktableFilter: (recording, played) => {
    const table = played.table('T', 'in', storageOf(recording))
    const kept = keptIn(recording, 'filterStore')
    const even = kept ? filter(kept.name, isEven, kept) : filter('even', isEven)
    played.to(table.process(even).toStream())
  },
  ktableFilterNot: (recording, played) => {
    const table = played.table('T', 'in', storageOf(recording))
    const kept = keptIn(recording, 'filterStore')
    const odd = kept ? filterNot(kept.name, isEven, kept) : filterNot('odd', isEven)
    played.to(table.process(odd).toStream())
  },
  ktableMapValues: (recording, played) => {
    const table = played.table('T', 'in', storageOf(recording))
    const kept = keptIn(recording, 'mapStore')
    const doubled = (value: unknown) => (num(value) % 7 === 0 ? null : num(value) * 2)
    const mapped = kept ? mapValues(kept.name, doubled, kept) : mapValues('doubled', doubled)
    played.to(table.process(mapped).toStream())
  },
  ktableGroupByCount: (recording, played) => {
    const stored = storedAs(recording)
    const table = played.table('T', 'in', stored.storage)
    played.to(table.process(count('A', { by: byThirds, ...stored })).toStream())
  },
  ktableGroupByReduce: (recording, played) => {
    const stored = storedAs(recording)
    const table = played.table('T', 'in', stored.storage)
    const difference = {
      by: (value: unknown) => (value === 50 ? null : byThirds(value)),
      subtract: (sum: unknown, value: unknown): unknown => num(sum) - num(value),
      ...stored,
    }
    played.to(table.process(reduce('A', (sum, value) => num(sum) + num(value), difference)).toStream())
  },
  ktableGroupByAggregate: (recording, played) => {
    const stored = storedAs(recording)
    const table = played.table('T', 'in', stored.storage)
    const folded = aggregate('A', {
      by: byThirds,
      initialize: () => 1,
      add: fold31,
      subtract: (before: number, value) => (before * 37 + num(value) + 7) % 1_000_003,
      ...stored,
    })
    played.to(table.process(folded).toStream())
  },
  twoStage: (recording, played) => {
    const stored = storedAs(recording)
    const folds = played.stream().toTable(reduce('R1', foldAny, stored))
    played.to(folds.toStream(), 'out1')
    const modulo = folds.process(mapValues('modulo', (value) => num(value) % 5))
    played.to(modulo.process(count('C2', { by: (value) => `m${value}`, ...stored })).toStream())
  },
}

function byThirds(value: unknown): string {
  return `g${num(value) % 3}`
}

export function storageOf({ topology }: Recording): 'level' | 'memory' {
  return topology.storeType === 'rocksDB' ? 'level' : 'memory'
}

/** What a step is told about its store. */
export function storedAs(recording: Recording): { readonly storage: 'level' | 'memory'; readonly caching: boolean } {
  return { storage: storageOf(recording), caching: recording.topology.cache === 'on' }
}

/** The store that a parameter names; undefined when it names none. */
export function keptIn(recording: Recording, parameter: string) {
  const name = recording.topology[parameter]
  return typeof name === 'string' ? { name, store: storedAs(recording) } : undefined
}
