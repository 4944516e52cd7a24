import { branches, cogroup, cogrouped, count, suppress, unlimited } from '../src/operators/index.ts'
import { fold31, isEven, num } from './functions.ts'
import type { PlayedTopology } from './played-topology.ts'
import { numberOf, type Recording } from './recording.ts'
import { storageOf, storedAs } from './table-topologies.ts'

type Builder = (recording: Recording, played: PlayedTopology) => void

/** The topologies of the recordings that hold back, part and bring together. */
export const dslTopologies: Readonly<Record<string, Builder>> = {
  suppressUntilTimeLimit: (recording, played) => {
    const { maxRecords, whenFull } = recording.topology
    const untilTimeLimitMs = numberOf(recording, 'timeLimitMs')
    const storage = storageOf(recording)
    const calm = suppress<string, unknown>('suppressed', {
      untilTimeLimitMs,
      storage,
      ...(typeof maxRecords === 'number' && { maxRecords }),
      whenFull: whenFull === 'shutDownWhenFull' ? 'shut-down' : 'emit-early',
    })
    played.to(played.table('T', 'in', storage).process(calm).toStream())
  },
  unlimitedWindow: (recording, played) => {
    const window = unlimited({ startMs: numberOf(recording, 'startMs') })
    const counts = played.stream().process(count('S', { window, storage: storageOf(recording) }))
    played.toWindowed(counts, window.sizeMs)
  },
  split: (recording, played) => {
    const both = { null: (value: unknown) => value === null, even: isEven }
    const all = { ...both, three: (value: unknown) => num(value) % 3 === 0, rest: () => true }
    const named: Record<string, (value: unknown) => boolean> = recording.topology.default === true ? all : both
    const parted = Object.entries(played.stream().split(branches('br', named)))
    for (const [branch, stream] of parted) played.to(stream, `out-${branch}`)
  },
  cogroup: (recording, played) => {
    const first = { initialize: () => 1, add: fold31, ...storedAs(recording) }
    const second = (aggregate: number, value: unknown) => (aggregate * 37 + num(value) + 1) % 1_000_003
    played.to(played.stream('a').process(cogroup('S', first, cogrouped(played.stream('b'), second))))
  },
}
