import {
  filter,
  joinStream,
  joinTable,
  latest,
  leftJoinStream,
  leftJoinTable,
  mapValues,
  outerJoinStream,
  outerJoinTable,
} from '../src/operators/index.ts'
import { type AnyStream, anyJson, onlyWithValue, type PlayedTopology } from './played-topology.ts'
import { kindOf, numberOf, type Recording } from './recording.ts'
import { keptIn, storageOf, storedAs } from './table-topologies.ts'

type Builder = (recording: Recording, played: PlayedTopology) => void

/** The topologies of the recordings that join. */
export const joinTopologies: Readonly<Record<string, Builder>> = {
  tableTableJoin: (recording, played) => {
    const left = played.table('TL', 'left', storageOf(recording))
    const right = played.table('TR', 'right', storageOf(recording))
    const { name, ...options } = keptIn(recording, 'resultStore') ?? { name: 'joined' }
    const joined = {
      inner: () => left.process(joinTable(name, right, pair, options)),
      left: () => left.process(leftJoinTable(name, right, pair, options)),
      outer: () => left.process(outerJoinTable(name, right, pair, options)),
    }[kindOf(recording)]()
    played.to(joined.toStream())
  },
  streamTableJoin: (recording, played) => {
    const stream = played.stream('left')
    const table = played.table('T', 'right', storageOf(recording))
    played.to(
      kindOf(recording) === 'inner'
        ? stream.process(joinTable('joined', table, pair))
        : stream.process(leftJoinTable('joined', table, pair)),
    )
  },
  streamTableJoinRekeyed: (recording, played) => {
    const stream = played.stream('left')
    const table = played.table('T', 'right', storageOf(recording))
    const by = { by: (_: unknown, key: string | null) => (key === null ? null : `r${key}`), input: anyJson }
    played.to(
      kindOf(recording) === 'inner'
        ? stream.process(joinTable('j', table, pair, by))
        : stream.process(leftJoinTable('j', table, pair, by)),
    )
  },
  streamJoinOwnTable: (recording, played) => {
    const stream = played.stream('left')
    const ownNode = recording.topology.words?.includes('s.mapValues(') === true
    const rows = ownNode ? stream.process(mapValues('values', (value) => value)) : stream
    const table = rows.toTable(latest('T', { value: anyJson, ...storedAs(recording) }))
    const joining = ownNode ? stream.process(filter('all', () => true)) : stream
    played.to(
      kindOf(recording) === 'inner'
        ? joining.process(joinTable('joined', table, pair))
        : joining.process(leftJoinTable('joined', table, pair)),
    )
  },
  streamStreamJoin: (recording, played) => {
    const sideOf = (topic: string): AnyStream => {
      const stream = played.stream(topic)
      const even = onlyWithValue(`even-${topic}`, (value) => String(value).length % 2 === 0)
      return recording.topology.filtered ? stream.process(even) : stream
    }
    const [left, right] = [sideOf('left'), sideOf('right')]
    playStreamJoin(recording, played, left, right)
  },
  streamStreamSelfJoin: (recording, played) => {
    const stream = played.stream('left')
    playStreamJoin(recording, played, stream, stream)
  },
}

function playStreamJoin(recording: Recording, played: PlayedTopology, left: AnyStream, right: AnyStream): void {
  const kind = kindOf(recording)
  const within = {
    beforeMs: numberOf(recording, 'beforeMs'),
    afterMs: numberOf(recording, 'afterMs'),
    graceMs: numberOf(recording, 'graceMs'),
  }
  const options = { within, left: anyJson, right: anyJson, storage: storageOf(recording) }
  played.joinStores
    .set('js-left', kind === 'outer' ? 'js-outer-this-join-store' : 'js-this-join-store')
    .set('js-right', kind === 'inner' ? 'js-other-join-store' : 'js-outer-other-join-store')
    .set('js-unmatched', `js-${kind}-shared-join-store`)
  const joined = {
    inner: (): AnyStream => left.process(joinStream('js', right, pair, options)),
    left: (): AnyStream => left.process(leftJoinStream('js', right, pair, options)),
    outer: (): AnyStream => left.process(outerJoinStream('js', right, pair, options)),
  }[kind]()
  played.to(joined)
}

export function pair(left: unknown, right: unknown): string {
  return `${left}|${right}`
}
