import { aggregate, count, filter, joinTable, leftJoinTable, outerJoinTable } from '../src/operators/index.ts'
import type { Table } from '../src/topology/stream.ts'
import { isEven, num } from './functions.ts'
import { pair } from './join-topologies.ts'
import { anyJson, type PlayedTopology } from './played-topology.ts'
import { kindOf, numberOf, type Recording } from './recording.ts'
import { storageOf, storedAs } from './table-topologies.ts'

type Builder = (recording: Recording, played: PlayedTopology) => void

/** The topologies of the recordings that have versioned tables, and of a stream that is joined with an aggregate. */
export const versionedTopologies: Readonly<Record<string, Builder>> = {
  versionedTable: (recording, played) => {
    const table = versioned(recording, played, 'T', 'in')
    played.to(table.toStream())
    played.to(table.process(filter('even', isEven)).toStream(), 'outf')
  },
  versionedTableGroupBy: (recording, played) => {
    const sums = aggregate('A', {
      by: (value: unknown) => `g${num(value) % 3}`,
      initialize: () => 0,
      add: (sum: number, value) => sum + num(value),
      subtract: (sum, value) => sum - num(value),
      storage: storageOf(recording),
    })
    played.to(versioned(recording, played, 'T', 'in').process(sums).toStream())
  },
  tableTableJoinVersioned: (recording, played) => {
    const left = versioned(recording, played, 'TL', 'left')
    const right = versioned(recording, played, 'TR', 'right')
    const joined = {
      inner: () => left.process(joinTable('joined', right, pair)),
      left: () => left.process(leftJoinTable('joined', right, pair)),
      outer: () => left.process(outerJoinTable('joined', right, pair)),
    }[kindOf(recording)]()
    played.to(joined.toStream())
  },
  streamTableJoinVersioned: (recording, played) => {
    const stream = played.stream('left')
    const table = versioned(recording, played, 'T', 'right')
    const isInner = kindOf(recording) === 'inner'
    if (recording.topology.graceMs === null) {
      played.to(stream.process(isInner ? joinTable('j', table, pair) : leftJoinTable('j', table, pair)))
      return
    }
    const grace = { graceMs: numberOf(recording, 'graceMs'), input: anyJson, storage: storageOf(recording) }
    played.to(stream.process(isInner ? joinTable('j', table, pair, grace) : leftJoinTable('j', table, pair, grace)))
  },
  streamJoinAggTable: (recording, played) => {
    const counts = played.stream('right').toTable(count('S', storedAs(recording)))
    played.to(counts.toStream(), 'outT')
    const stream = played.stream('left')
    played.to(
      stream.process(
        kindOf(recording) === 'inner' ? joinTable('joined', counts, pair) : leftJoinTable('joined', counts, pair),
      ),
    )
  },
}

function versioned(recording: Recording, played: PlayedTopology, name: string, topic: string): Table<string, unknown> {
  return played.table(name, topic, storageOf(recording), { historyMs: numberOf(recording, 'historyRetentionMs') })
}
