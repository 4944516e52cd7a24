import type { RuntimeSettings } from '../../config.ts'
import type { CommittedOffset, PartitionOffsets } from '../../runtime/broker.ts'
import { partitionsOf } from '../../runtime/partitions.ts'
import { isInLog, notInLog } from '../../runtime/tasks/start-positions.ts'
import { type Check, type Finding, ok, problemOf, warning } from './check.ts'
import { sourcePartitions } from './partitions.ts'

/** Where the group would go on, against what the log still has. */
export const offsets: Check<'program' | 'log' | 'topics'> = {
  name: 'offsets',
  needs: ['program', 'log', 'topics'],
  async examine({ program, log, topics }) {
    const { settings } = program
    const partitions = sourcePartitions(program, topics)
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
        'Look at them with `millrace dlq list`, correct the cause, and put them back with `millrace dlq redrive`.',
      ),
    ]
  },
}
