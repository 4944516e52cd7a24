import type { RuntimeSettings } from '../../config.ts'
import { topicsBySubtopology } from '../../runtime/assignor.ts'
import type { Broker, CommittedOffset, LogRecord, PartitionOffsets, TopicPartition } from '../../runtime/broker.ts'
import { isInLog, notInLog } from '../../runtime/start-positions.ts'
import { type Check, type Finding, type Given, ok, problemOf, warning } from './check.ts'

/** Where the group would go on, against what the log still has. */
export const offsets: Check<'program' | 'log' | 'topics'> = {
  name: 'offsets',
  needs: ['program', 'log', 'topics'],
  async examine({ program, log, topics }) {
    const { settings } = program
    const partitions = sourcePartitions({ program, topics })
    const ranges = await log.offsets(partitions)
    const committed = await log.committed(settings.application, partitions)
    const lost = committed.flatMap((commit, at) => lostIn(commit, ranges[at], settings))
    if (lost.length > 0) return lost
    const known = committed.filter(({ offset }) => offset !== undefined).length
    return [
      ok(known === 0 ? 'nothing is committed yet' : `${known} of ${partitions.length} partitions go on in the log`),
    ]
  },
}

function lostIn(
  commit: CommittedOffset,
  range: PartitionOffsets | undefined,
  { offsetReset }: RuntimeSettings,
): readonly Finding[] {
  if (!range || commit.offset === undefined || isInLog(commit.offset, range)) return []
  const finding = problemOf(notInLog(commit, range))
  if (offsetReset === 'fail') return [finding]
  const fix = `It goes on at ${range[offsetReset]} (\`offsetReset: ${offsetReset}\`): run \`millrace audit\`, and produce again what was lost.`
  return [warning(finding.fact, fix)]
}

/** Records that were given up, and that somebody has to look at. */
export const deadLetters: Check<'log' | 'topics'> = {
  name: 'dead letters',
  needs: ['log', 'topics'],
  async examine({ log, topics: { deadLetter, existing } }) {
    const { topic, partitions } = deadLetter
    if (!existing.has(topic)) return [ok('none')]
    const ranges = await log.offsets(partitionsOf(topic, partitions))
    // Offsets have gaps where transactions were: there may be fewer.
    const most = ranges.reduce((sum, { earliest, latest }) => sum + latest - earliest, 0)
    if (most === 0) return [ok('none')]
    return [
      warning(
        `topic "${topic}" holds dead letters, ${most} at most`,
        'Look at them with `millrace dlq list`, correct the cause, and write the documents again.',
      ),
    ]
  },
}

/** Newer than any producer's clock ought to be. */
const toleranceMs = 60_000
/** Of each topic: the clock of a broker shows in any of its partitions. */
const lookedAt = 8

/** The clocks of producers and brokers against ours, as the newest records show them. */
export const clock: Check<'machine' | 'program' | 'log' | 'topics'> = {
  name: 'clock',
  needs: ['machine', 'program', 'log', 'topics'],
  async examine({ machine, program, log, topics }) {
    const partitions = sourcePartitions({ program, topics }).filter(({ partition }) => partition < lookedAt)
    const ranges = await log.offsets(partitions)
    const newest = await Promise.all(ranges.map((range) => newestIn(log, range)))
    const now = machine.clock.now()
    const ahead = ranges.flatMap(({ topic, partition }, at) => {
      const aheadMs = (newest[at]?.timestamp ?? 0) - now
      return aheadMs > toleranceMs ? [{ place: `${topic}-${partition}`, aheadMs }] : []
    })
    const [worst] = ahead.toSorted((a, b) => b.aheadMs - a.aheadMs)
    if (!worst) return [ok('no record is from the future')]
    const seconds = Math.round(worst.aheadMs / 1_000)
    return [
      warning(
        `the newest record of ${worst.place} is ${seconds} s in the future`,
        'Set the clocks right (NTP) of this machine, of the producers and, with LogAppendTime, of the brokers: such a record closes windows too early.',
      ),
    ]
  },
}

/** Undefined for an empty partition, and where a transaction has left its marker last. */
async function newestIn(
  log: Broker,
  { topic, partition, earliest, latest }: PartitionOffsets,
): Promise<LogRecord | undefined> {
  if (latest <= earliest) return undefined
  for await (const { records } of log.read({ topic, partition }, latest - 1)) return records.at(-1)
  return undefined
}

function sourcePartitions({ program, topics }: Pick<Given, 'program' | 'topics'>): TopicPartition[] {
  const { topology, settings } = program
  const names = new Set([...topicsBySubtopology(topology, settings.application).values()].flat())
  const existing = (topic: string) =>
    topics.existing.has(topic) || !topics.repartition.some((own) => own.topic === topic)
  return [...names].filter(existing).flatMap((topic) => partitionsOf(topic, topics.partitions.get(topic) ?? 0))
}

function partitionsOf(topic: string, count: number): TopicPartition[] {
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }))
}
