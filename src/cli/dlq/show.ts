import { writeFile } from 'node:fs/promises'
import { Command, InvalidArgumentError } from 'commander'
import { type ErrorCode, errorTable, StreamError, toStreamError } from '../../errors.ts'
import type { Headers } from '../../record.ts'
import { placeText } from '../../runtime/dead-letters/dead-letter.ts'
import { type FoundLetter, findLetter } from '../../runtime/dead-letters/dead-letter-topic.ts'
import { isoTime } from '../iso-time.ts'
import { printable, printableLine, textOrHex } from '../printable.ts'
import { tableOf } from '../table.ts'
import { letterJson } from './letter-text.ts'
import { type LetterSource, openLetters, withLetterSource } from './topic.ts'

/** A letter inside its topic. */
export interface LetterPlace {
  readonly partition: number
  readonly offset: number
}

interface ShowOptions extends LetterSource {
  readonly out?: string
  readonly json?: true
}

export function dlqShowCommand(): Command {
  const command = new Command('show')
    .description('Print one dead letter: what went wrong, where its record lies, all headers, and the beginning of it.')
    .argument('<letter>', '<partition>@<offset> of the letter, as `list` prints it', letterPlace)
  return withLetterSource(command)
    .option('--out <file>', 'write the whole payload there, as it is')
    .option('--json', 'one line of JSON')
    .action(show)
}

/** Reads `0@12`. */
export function letterPlace(text: string): LetterPlace {
  const [, partition, offset] = /^(\d{1,9})@(\d{1,15})$/.exec(text) ?? []
  if (partition === undefined || offset === undefined)
    throw new InvalidArgumentError('It must be <partition>@<offset>, as `dlq list` prints it.')
  return { partition: Number(partition), offset: Number(offset) }
}

async function show(place: LetterPlace, file: string | undefined, options: ShowOptions): Promise<void> {
  await using letters = await openLetters(file, options)
  const { broker, topic } = letters
  const found = await findLetter(broker, topic, place)
  if (!found)
    throw new StreamError('USAGE', `there is no letter ${place.partition}@${place.offset} in ${topic}`, {
      fix: 'See `millrace dlq list --letters`.',
    })
  if (options.out !== undefined) await save(options.out, found)
  process.stdout.write(options.json ? `${JSON.stringify(lineOf(found))}\n` : asText(found))
}

async function save(file: string, { record }: FoundLetter): Promise<void> {
  try {
    await writeFile(file, record.value ?? new Uint8Array(0))
  } catch (error) {
    throw toStreamError(error, 'STATE_IO', `${file} cannot be written`)
  }
}

const excerptLength = 800
const headerLength = 160

function lineOf({ letter, record: { headers, value } }: FoundLetter) {
  return {
    ...letterJson(letter),
    ...explained(letter.code, letter.message),
    headers: headers.map(({ key, value: bytes }) => ({ key, value: bytes && textOrHex(bytes) })),
    bytes: value?.length ?? null,
    excerpt: value && excerptOf(value),
  }
}

function asText({ letter, record: { headers, value } }: FoundLetter): string {
  const { place, source, code, message, timestamp, key, attempt } = letter
  const { fact, fix } = explained(code, message)
  const rows = [
    ['letter:', placeText(place)],
    ['source:', source ? placeText(source) : 'none: it never was in a topic'],
    ['code:', code],
    ['fact:', fact],
    ...(fix === undefined ? [] : [['fix:', fix]]),
    ['time:', isoTime(timestamp)],
    ['redriven:', `${attempt} times`],
    ['key:', key === null ? 'none' : textOrHex(key)],
    [
      'payload:',
      value === null ? 'none: a deletion, or left out for its size (then the source has it)' : `${value.length} bytes`,
    ],
  ].map(([name = '', text = '']) => [name, printable(text.replace(/\s+/g, ' '))])
  const payload = value === null ? '' : `\n${printable(excerptOf(value))}\n`
  return `${tableOf(rows)}\nheaders:\n${headersText(headers)}${payload}`
}

function headersText(headers: Headers): string {
  const rows = headers.map(({ key, value }) => [
    `  ${printableLine(key, headerLength)}`,
    value === null ? '(null)' : printableLine(textOrHex(value), headerLength),
  ])
  return rows.length > 0 ? tableOf(rows) : ''
}

/** The beginning of a payload. */
function excerptOf(value: Uint8Array): string {
  if (value.length <= excerptLength) return textOrHex(value)
  return `${textOrHex(value.subarray(0, excerptLength), { isCut: true })} ...`
}

/** The sentence of an error without its code, in two; the fix cannot be told apart where it is not the usual one. */
function explained(code: string, message: string): { readonly fact: string; readonly fix?: string } {
  const sentence = message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message
  const fix = code in errorTable ? errorTable[code as ErrorCode].fix : undefined
  if (!fix || !sentence.endsWith(fix)) return { fact: sentence }
  return { fact: sentence.slice(0, -fix.length).trimEnd(), fix }
}
