import fc from 'fast-check'
import type { Action, Fates, InstanceName, Step, Version } from './script.ts'

export interface StoryParts {
  readonly fates: fc.Arbitrary<Fates>
  readonly version: fc.Arbitrary<Version>
  readonly key: fc.Arbitrary<string>
}

/** What a story is about. */
interface Cast {
  readonly key: string
  readonly other: string
  /** The versions of `key`. */
  readonly versions: readonly [Version, Version, Version]
  readonly first: InstanceName
  readonly second: InstanceName
  readonly fates: Fates
}

type Part = readonly Action[]
type Telling = (cast: Cast) => readonly Part[]

/** Each part of a story may be missing. */
export function stories({ fates, version, key }: StoryParts): fc.Arbitrary<Step[]>[] {
  const first = fc.constantFrom<InstanceName[]>('one', 'two')
  const versions = fc.tuple(version, version, version, fc.boolean())
  const cast = fc.record({ key, other: key, versions, first, fates }).map(
    ({ versions: [a, b, c, isReverted], ...rest }): Cast => ({
      ...rest,
      versions: [a, b, isReverted ? a : c],
      second: rest.first === 'one' ? 'two' : 'one',
    }),
  )
  const kept = fc.array(fc.constantFrom(true, true, true, true, true, true, false), { minLength: 16, maxLength: 16 })
  return [takeOver, handOver, cutOff, lateCommit, deadLetter].map((telling) =>
    fc.tuple(cast, kept).map(([who, keeps]) =>
      telling(who)
        .filter((_, index) => keeps[index % keeps.length])
        .flat()
        .map((action) => ({ action, turns: 30 })),
    ),
  )
}

const advance = (ms: number): Action => ({ kind: 'advance', ms })
const answerAll: Action = { kind: 'answer-all' }
const answerTo = (instance: InstanceName): Action => ({ kind: 'answer-to', instance })
const produce = (key: string, version: Version): Action => ({ kind: 'produce', key, version })
const start = (instance: InstanceName): Action => ({ kind: 'start', instance, wiped: false })
const close = (instance: InstanceName): Action => ({ kind: 'close', instance })
const crash = (instance: InstanceName, fates: Fates): Action => ({ kind: 'crash', instance, fates, next: 'nobody' })
const stall = (instance: InstanceName, on: boolean): Action => ({ kind: 'stall', instance, on })
const fetch = (instance: InstanceName): Action => ({ kind: 'fetch', instance, records: 1 })
const compact: Action = { kind: 'compact', what: 'documents' }

const committed = (key: string, version: Version): Part => [
  produce(key, version),
  answerAll,
  advance(60),
  answerAll,
  advance(60),
]

/** A version reached the index and was not committed; it is gone from the log before the next owner gets there. */
const takeOver: Telling = ({ key, other, versions, first, second, fates }) => [
  [close(second), start(first), advance(200)],
  committed(key, versions[0]),
  [produce(key, versions[1]), answerAll],
  [crash(first, fates)],
  [stall(second, true)],
  [start(second), advance(200)],
  [produce(other, versions[0])],
  [produce(key, versions[2])],
  [compact],
  [fetch(second), answerAll, advance(60)],
  [fetch(second), answerAll, advance(60)],
  [stall(second, false)],
]

/** The same with an orderly hand-over in between, before the log was read to its end. */
const handOver: Telling = ({ key, versions, first, second, fates }) => [
  [close(second), start(first), advance(200)],
  committed(key, versions[0]),
  [produce(key, versions[1]), answerAll],
  [crash(first, fates)],
  [stall(second, true)],
  [start(second), advance(200)],
  [close(second), answerAll, advance(60)],
  [stall(second, false)],
  [produce(key, versions[2])],
  [compact],
  [start(first), advance(200)],
]

/** An owner that does not hear of its group goes on; another one takes over. */
const cutOff: Telling = ({ key, versions, first, second, fates }) => [
  [close(second), start(first), advance(200), start(second), advance(200)],
  [stall(second, false), stall(first, false)],
  committed(key, versions[0]),
  [{ kind: 'cut-off', instance: first, fates, forMs: 1_500 }],
  [produce(key, versions[1])],
  [advance(1_000)],
  [advance(60)],
  [produce(key, versions[2])],
  [advance(150)],
  [answerTo(second)],
  [produce(key, versions[0])],
  [answerTo(second)],
  [advance(60)],
  [answerTo(second)],
  [advance(60)],
]

/** The same, and what the owner had still to commit is late. */
const lateCommit: Telling = ({ key, versions, first, second, fates }) => [
  [close(second), start(first), advance(200), start(second), advance(200)],
  [stall(second, false), stall(first, false)],
  committed(key, versions[0]),
  Array.from({ length: 4 }, () => ({ kind: 'broker-fails', what: 'send', applied: false }) as const),
  [produce(key, versions[1]), answerAll],
  [{ kind: 'cut-off', instance: first, fates, forMs: 1_500 }],
  [advance(1_000)],
  [advance(200)],
  [answerTo(second)],
  [produce(key, versions[2])],
  [answerTo(second)],
  [advance(60)],
  [answerTo(second), advance(60)],
  [advance(200)],
]

/** A version is refused, and the owner dies before its dead letter is written. */
const deadLetter: Telling = ({ key, versions, first, second, fates }) => [
  [close(second), start(first), advance(200)],
  committed(key, versions[0]),
  [produce(key, versions[1])],
  [{ kind: 'broker-fails', what: 'send', applied: false }],
  [{ kind: 'answer', request: 0, outcome: 'rejected' }],
  [advance(60)],
  [crash(first, fates)],
  [start(second), advance(200)],
]
