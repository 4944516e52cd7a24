/** Where we differ from a recording on purpose. */
export interface Deviation {
  readonly case: string
  /** Why. Each has a row in docs/kafka-streams-users.md. */
  readonly rule: string
  /** What we give at the first difference: anything else is a failure. */
  readonly ours: unknown
}

const tombstones =
  'tombstones pass filter, mapValues and flatMapValues as they are: what was deleted stays deleted behind them, in an index too'
const negativeTime =
  'the log refuses a record with a negative timestamp, as Kafka does: an extractor cannot be asked about it'

const oneStore =
  'a session that is too old for its store is counted as dropped in both kinds of storage, as in the memory store of the original'

const passes = { out: { out: [['b', null, 921]] }, dropped: 0, failed: false }
const refused = { out: {}, dropped: 0, failed: true }

const deviations: readonly Deviation[] = [
  { case: 'filter_s11', rule: tombstones, ours: passes },
  { case: 'mapValues_s11', rule: tombstones, ours: passes },
  { case: 'flatMapValues_s11', rule: tombstones, ours: passes },
  { case: 'merge_s11', rule: tombstones, ours: passes },
  { case: 'flatmap_count_nocache_s126', rule: tombstones, ours: { out: {}, dropped: 1, failed: false } },
  {
    case: 'session_aggregate_50_g0_s351',
    rule: oneStore,
    ours: { out: { out: [['a', 250, 1656, 1656, 1656]] }, dropped: 1, failed: false },
  },
  { case: 'extractor_LogAndSkipOnInvalidTimestamp_s153', rule: negativeTime, ours: refused },
  { case: 'extractor_LogAndSkipOnInvalidTimestamp_s154', rule: negativeTime, ours: refused },
  { case: 'extractor_UsePartitionTimeOnInvalidTimestamp_s156', rule: negativeTime, ours: refused },
]

export function deviationOf(name: string): Deviation | undefined {
  return deviations.find((deviation) => deviation.case === name)
}
