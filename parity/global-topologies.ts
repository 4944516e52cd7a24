import { joinGlobalTable, leftJoinGlobalTable } from '../src/operators/index.ts'
import type { PlayedTopology } from './played-topology.ts'
import type { Recording } from './recording.ts'
import { storageOf } from './table-topologies.ts'

type Builder = (recording: Recording, played: PlayedTopology) => void

/** The topologies of the recordings whose tables are not joined by their own keys. */
export const globalTopologies: Readonly<Record<string, Builder>> = {
  globalTableJoin: (recording, played) => {
    const stream = played.stream('left')
    const table = played.globalTable('G', 'g', storageOf(recording))
    const join = recording.topology.join === 'inner' ? joinGlobalTable : leftJoinGlobalTable
    const by = (value: unknown) => String(value).at(-1) ?? null
    played.to(stream.process(join('joined', table, (left, row) => `${left}|${row}`, { by })))
  },
}
