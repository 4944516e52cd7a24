import { Command } from 'commander'
import type { Broker } from '../../runtime/broker.ts'
import { type DeadLetter, placeText } from '../../runtime/dead-letters/dead-letter.ts'
import { type LetterFilter, readLetters } from '../../runtime/dead-letters/dead-letter-topic.ts'
import { isoTime } from '../iso-time.ts'
import { ownName } from '../own-name.ts'
import { printableLine, textOrHex } from '../printable.ts'
import { tableOf } from '../table.ts'
import { letterJson, shortPlace } from './letter-text.ts'
import {
  filterOf,
  type LetterSource,
  type LetterTopic,
  openLetters,
  sourceWords,
  withLetterFilter,
  withLetterSource,
} from './topic.ts'

interface ListOptions extends LetterSource, LetterFilter {
  readonly letters?: true
  readonly json?: true
}

export function dlqListCommand(): Command {
  const command = new Command('list').description(
    'Count the dead letters by error code and source topic, with the times of their first and last record.',
  )
  return withLetterFilter(withLetterSource(command))
    .option('--letters', 'every letter instead of the counts')
    .option('--json', 'a line of JSON each')
    .action(list)
}

async function list(file: string | undefined, options: ListOptions): Promise<void> {
  await using letters = await openLetters(file, options)
  if (options.letters) await listEach(letters, options)
  else await listGroups(letters, options, sourceWords(file, options))
}

/** Letters that have the same code and come from the same topic. */
interface LetterGroup {
  readonly code: string
  readonly source: string
  letters: number
  /** Time of the earliest and of the latest record. */
  first: string
  last: string
  /** `<partition>@<offset>` of the letter that was written last, for `show`. */
  latest: string
}

async function listGroups({ broker, topic, place }: LetterTopic, options: ListOptions, source: string): Promise<void> {
  const groups = await groupsOf(broker, topic, filterOf(options))
  if (options.json) for (const group of groups) process.stdout.write(`${JSON.stringify(group)}\n`)
  else process.stdout.write(asText(`${topic} (${place})`, groups, source))
}

async function groupsOf(broker: Broker, topic: string, filter: LetterFilter): Promise<readonly LetterGroup[]> {
  const groups = new Map<string, LetterGroup>()
  for await (const { letter } of readLetters(broker, topic, filter)) {
    const { code, place } = letter
    const source = letter.source?.topic ?? ''
    const at = isoTime(letter.timestamp)
    const name = JSON.stringify([code, source])
    const group = groups.get(name) ?? { code, source, letters: 0, first: at, last: at, latest: '' }
    group.letters++
    if (at < group.first) group.first = at
    if (at > group.last) group.last = at
    group.latest = shortPlace(place)
    groups.set(name, group)
  }
  return [...groups.values()].sort((a, b) => b.letters - a.letters)
}

/** One after the other: there may be more of them than memory has room for. */
async function listEach({ broker, topic }: LetterTopic, options: ListOptions): Promise<void> {
  for await (const { letter } of readLetters(broker, topic, filterOf(options))) {
    const line = options.json ? JSON.stringify(letterJson(letter)) : lineOf(letter)
    process.stdout.write(`${line}\n`)
  }
}

const keyLength = 60

function lineOf({ place, source, key, code, timestamp, attempt }: DeadLetter): string {
  const name = key === null ? '(no key)' : printableLine(textOrHex(key), keyLength)
  const repeated = attempt > 0 ? `  redriven ${attempt} times` : ''
  const from = source ? placeText(source) : '(no source)'
  return `${shortPlace(place)}  ${code}  ${from}  ${isoTime(timestamp)}  ${name}${repeated}`
}

function asText(topic: string, groups: readonly LetterGroup[], source: string): string {
  if (groups.length === 0) return `no dead letters in ${topic}\n`
  const rows = groups.map(({ code, source, letters, first, last, latest }) => [
    printableLine(code || '(none)', keyLength),
    printableLine(source || '(none)', keyLength),
    String(letters),
    first,
    last,
    latest,
  ])
  const total = groups.reduce((sum, { letters }) => sum + letters, 0)
  const next = `next: ${ownName()} dlq show ${groups[0]?.latest}${source}\n`
  return `${tableOf([['code', 'source', 'letters', 'first', 'last', 'latest'], ...rows])}${total} dead letters in ${topic}\n${next}`
}
