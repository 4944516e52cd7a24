import { Command } from 'commander'
import { StreamError } from '../../errors.ts'
import type { Broker, StartPosition } from '../../runtime/broker.ts'
import { letterPartitions } from '../../runtime/dead-letters/dead-letter-topic.ts'
import { adminOf } from '../../runtime/topics/broker-admin.ts'
import { confirmByName } from '../confirm.ts'
import { type LetterPlace, letterPlace } from './show.ts'
import { type LetterSource, openLetters, withLetterSource } from './topic.ts'

interface PurgeOptions extends LetterSource {
  readonly all?: true
  readonly upTo?: readonly LetterPlace[]
  readonly yes?: true
  readonly json?: true
}

export function dlqPurgeCommand(): Command {
  const command = new Command('purge').description(
    'Delete dead letters for ever, from the oldest on; their records stay.',
  )
  return withLetterSource(command)
    .option('--all', 'delete all of them')
    .option(
      '--up-to <letter>',
      'delete the letters of its partition up to this one, <partition>@<offset> as `list` prints it; repeatable',
      (text: string, previous: readonly LetterPlace[] = []) => [...previous, letterPlace(text)],
    )
    .option('--yes', 'ask nothing')
    .option('--json', 'one line {"topic","purged"}')
    .action(purge)
}

async function purge(file: string | undefined, options: PurgeOptions): Promise<void> {
  const { all = false, upTo = [], yes, json } = options
  if (all === upTo.length > 0)
    throw new StreamError('USAGE', 'which letters to purge is not clear', { fix: 'Give either --all or --up-to.' })
  await using letters = await openLetters(file, options)
  const { broker, topic } = letters
  const { before, purged } = await cutsOf(broker, topic, all ? undefined : upTo)
  if (!yes && purged > 0) await confirmByName(topic, `This deletes ${purged} dead letters for ever.`)
  if (purged > 0) await adminOf(broker).deleteRecords(before)
  process.stdout.write(json ? `${JSON.stringify({ topic, purged })}\n` : `purged ${purged} dead letters of ${topic}\n`)
}

interface Cuts {
  /** Where each partition begins afterwards. */
  readonly before: readonly StartPosition[]
  readonly purged: number
}

/** Undefined places mean all letters. Throws USAGE for a place that is not there. */
async function cutsOf(broker: Broker, topic: string, places: readonly LetterPlace[] | undefined): Promise<Cuts> {
  const ranges = await broker.offsets(await letterPartitions(broker, topic))
  for (const { partition, offset } of places ?? []) {
    const range = ranges[partition]
    if (range && offset >= range.earliest && offset < range.latest) continue
    throw new StreamError('USAGE', `there is no letter ${partition}@${offset} in ${topic}`, {
      fix: 'See `millrace dlq list --letters`.',
    })
  }
  const before: StartPosition[] = []
  let purged = 0
  for (const { partition, earliest, latest } of ranges) {
    const ends = places?.filter((place) => place.partition === partition).map(({ offset }) => offset + 1) ?? [latest]
    const offset = Math.max(earliest, ...ends)
    if (offset === earliest) continue
    before.push({ topic, partition, offset })
    purged += await countBetween(broker, { topic, partition, offset: earliest }, offset)
  }
  return { before, purged }
}

/** Offsets have gaps where transactions were, so they say nothing about how many records there are. */
async function countBetween(broker: Broker, from: StartPosition, end: number): Promise<number> {
  let count = 0
  for await (const { records, next } of broker.read(from, from.offset)) {
    count += records.filter(({ offset }) => offset < end).length
    if (next >= end) break
  }
  return count
}
