import type { StreamError } from '../../errors.ts'
import { type Headers, headerText, type RecordMetadata } from '../../record.ts'
import type { LogRecord, TopicPartition } from '../broker.ts'

/** A given-up record in the dead-letter topic: everything that its headers say. */
export interface DeadLetter {
  /** Where the letter lies. */
  readonly place: RecordMetadata
  /** Where the record lies that was given up; undefined where it never came from a topic, as an output that a transaction refused. */
  readonly source: RecordMetadata | undefined
  /** Of the record, in milliseconds. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  /** Code of the error; empty for a letter that somebody else wrote. */
  readonly code: string
  /** The sentence of the error: code, fact and fix. */
  readonly message: string
  /** How often the record had been put back into its source before it failed this time. */
  readonly attempt: number
}

const errorPrefix = '__streams.errors.'
const attemptHeader = 'millrace.redrive.attempt'
const originHeader = 'millrace.redrive.origin'

/** Six headers that say what went wrong, under the names that Kafka Streams uses. */
export function errorHeaders(error: StreamError, source: RecordMetadata | undefined, stacktrace: string): Headers {
  const facts = {
    exception: error.code,
    message: error.message,
    stacktrace,
    topic: source?.topic ?? '',
    partition: String(source?.partition ?? -1),
    offset: String(source?.offset ?? -1),
  }
  return Object.entries(facts).map(([name, text]) => header(`${errorPrefix}${name}`, text))
}

/** What a record that is put back into its source says about itself. */
export interface Redrive {
  /** 1 for the first time. */
  readonly attempt: number
  /** The record that it is a copy of, which may be such a copy itself: `documents-0@17`. */
  readonly origin: string
}

/** The headers of a record, with those of this redrive in the place of an earlier one's. */
export function redriveHeaders(headers: Headers, { attempt, origin }: Redrive): Headers {
  const own = headers.filter((header) => !isOfRedrive(header))
  return [...own, header(attemptHeader, String(attempt)), header(originHeader, origin)]
}

/** The part of the headers that says how often a record was put back. */
export function ofRedrive(headers: Headers): Headers {
  return headers.filter(isOfRedrive)
}

/** How often a record was put back into its source; 0 for one that came from its producer. */
export function attemptOf(headers: Headers): number {
  return Math.max(0, wholeNumber(headerText(headers, attemptHeader)) ?? 0)
}

/** The record that this one is a copy of. */
export function originOf(headers: Headers): string | undefined {
  return headerText(headers, originHeader)
}

export function readDeadLetter({ topic, partition }: TopicPartition, record: LogRecord): DeadLetter {
  const { offset, timestamp, key, headers } = record
  return {
    place: { topic, partition, offset },
    source: sourceOf(headers),
    timestamp,
    key,
    code: headerText(headers, `${errorPrefix}exception`) ?? '',
    message: headerText(headers, `${errorPrefix}message`) ?? '',
    attempt: attemptOf(headers),
  }
}

/** `documents-0@17` */
export function placeText({ topic, partition, offset }: RecordMetadata): string {
  return `${topic}-${partition}@${offset}`
}

function sourceOf(headers: Headers): RecordMetadata | undefined {
  const topic = headerText(headers, `${errorPrefix}topic`)
  const partition = wholeNumber(headerText(headers, `${errorPrefix}partition`))
  const offset = wholeNumber(headerText(headers, `${errorPrefix}offset`))
  if (!topic || partition === undefined || offset === undefined || partition < 0 || offset < 0) return undefined
  return { topic, partition, offset }
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : undefined
}

function isOfRedrive({ key }: Headers[number]): boolean {
  return key === attemptHeader || key === originHeader
}

function header(key: string, text: string): Headers[number] {
  return { key, value: new TextEncoder().encode(text) }
}
