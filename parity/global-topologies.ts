import { joinByForeignKey, joinGlobalTable, leftJoinByForeignKey, leftJoinGlobalTable } from '../src/operators/index.ts'
import { anyJson, type PlayedTopology } from './played-topology.ts'
import type { Recording } from './recording.ts'
import { storageOf, storedAs } from './table-topologies.ts'

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
  foreignKeyJoin: (recording, played) => {
    const storage = storageOf(recording)
    const left = played.table('TL', 'left', storage)
    const right = played.table('TR', 'right', storage)
    const join = recording.topology.join === 'inner' ? joinByForeignKey : leftJoinByForeignKey
    const by = (value: unknown) => {
      const foreignKey = String(value).split(':')[0] ?? '-'
      return foreignKey === '-' ? null : foreignKey
    }
    const result = join('J', right, (mine, other) => `${mine}|${other}`, {
      by,
      store: { value: anyJson, ...storedAs(recording) },
    })
    played.to(left.process(result).toStream())
  },
}
