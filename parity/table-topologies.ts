import { filter, filterNot, mapValues } from '../src/operators/index.ts'
import { isEven, num } from './functions.ts'
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
        .toTable('T', { value: anyJson, storage: storageOf(recording) })
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
}

function storageOf({ topology }: Recording): 'level' | 'memory' {
  return topology.storeType === 'rocksDB' ? 'level' : 'memory'
}

/** The store that a parameter names; undefined when it names none. */
function keptIn(recording: Recording, parameter: string) {
  const name = recording.topology[parameter]
  return typeof name === 'string' ? { name, store: { storage: storageOf(recording) } } : undefined
}
