import { type Clock, delay } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import type { Broker, LogRecord, Producer, ProducerRecord } from '../broker.ts'
import { partitionKey } from '../partitions.ts'
import { attemptOf, placeText, redriveHeaders } from './dead-letter.ts'
import { type LetterFilter, readLetters } from './dead-letter-topic.ts'
import { type LetterRecord, SourceRecords, type Standing } from './source-records.ts'

export interface RedriveOptions {
  readonly broker: Broker
  /** The transactions are those of producer `<application>-redrive`. */
  readonly application: string
  /** The dead-letter topic. */
  readonly topic: string
  readonly filter?: LetterFilter
  readonly clock: Clock
  /** At most so many a second; default as many as the broker takes. */
  readonly recordsPerSecond?: number | undefined
  /** Counts what would be put back, and puts nothing. */
  readonly dryRun?: boolean
  /** Ends the work before the next transaction; before the first one nothing but `letters` may have been counted. */
  readonly signal?: AbortSignal | undefined
  /** How many records are looked at in one run, because each takes memory (about 300 bytes); default 1,000,000. */
  readonly maxRecords?: number
  readonly onProgress?: (redriven: number, open: number) => void
}

/** What became of letters. Together they are all letters that the filter lets through, unless the signal ended the work before. */
export interface RedriveCounts {
  letters: number
  /** Put back now; with `dryRun` those that would be. */
  redriven: number
  /** Left alone: their key has a newer record in the source. */
  superseded: number
  /** Left alone: put back by an earlier run. */
  before: number
  /** Left alone: their source does not hold them any more. */
  gone: number
  /** Never were in a topic. */
  unplaced: number
  /** Left alone: the source takes them no more, being larger by their new headers. */
  refused: number
  /** Further letters of the same record. */
  repeated: number
}

/** Whichever bound is reached first ends a transaction. */
const maxBatchRecords = 100
const maxBatchBytes = 512 * 1024
const defaultMaxRecords = 1_000_000
/** How long a transaction of somebody else may hide what lies before ours; the broker ends one after a minute. */
const hiddenTimeoutMs = 30_000
const lookEveryMs = 20

/**
 * Puts records that were given up back into the partition that they came from, in their order, never over a newer one of their key.
 *
 * What is put back is the record as it lies in its source, so also one that was too large for a letter. It says in its headers of which
 * record it is a copy, and how often that was tried: this is how a later run knows, for as long as it matters.
 *
 * A producer may write a newer version at any moment. So the copies are written in a transaction, and everything in front of them is read
 * before it is committed: readers of committed records see up to our first record then, and no further. If a newer version stands there,
 * the transaction is aborted, and that copy left out.
 *
 * Throws TOPIC_MISSING, USAGE for more than `maxRecords`, PRODUCE_FAILED, MEMBER_FENCED when another redrive of the application was started.
 *
 * @example
 * const { redriven, superseded } = await redrive({ broker, application: 'documents', topic: 'documents-dead-letter', clock: systemClock })
 */
export async function redrive(options: RedriveOptions): Promise<RedriveCounts> {
  const { dryRun = false, signal } = options
  const { counts, sources } = await judge(options)
  // What was judged only in part may look open and have a newer version.
  if (signal?.aborted) return counts
  const having = (wanted: Standing) =>
    sources.reduce((sum, { all }) => sum + all.filter(({ standing }) => standing === wanted).length, 0)
  await using put = new Putter(options, having('open'))
  if (!dryRun) for (const source of sources) await put.all(source)
  counts.redriven = dryRun ? having('open') : put.redriven
  // Asked for at the end: a broker may show a transaction of the run before later than it says that it has ended.
  counts.before = having('redriven') - put.redriven
  counts.superseded = having('superseded')
  counts.refused = having('refused')
  counts.gone = having('gone')
  return counts
}

/** What became of every letter up to now. */
async function judge({ broker, topic, filter, signal, maxRecords = defaultMaxRecords }: RedriveOptions) {
  const counts: RedriveCounts = {
    ...{ letters: 0, redriven: 0, superseded: 0, before: 0 },
    ...{ gone: 0, unplaced: 0, refused: 0, repeated: 0 },
  }
  const records = new Map<string, LetterRecord>()
  for await (const { letter } of readLetters(broker, topic, { ...filter, signal })) {
    counts.letters++
    const { source, key } = letter
    if (!source) counts.unplaced++
    else if (records.has(placeText(source))) counts.repeated++
    else if (records.size === maxRecords) throw tooMany(topic, maxRecords)
    // A copy of the key: the original may be a part of all that was fetched with it.
    else records.set(placeText(source), { source, key: key && Uint8Array.from(key) })
  }
  const groups = Map.groupBy(records.values(), ({ source }) => partitionKey(source))
  const sources = [...groups.values()].flatMap((group) => {
    const [first] = group
    if (!first) return []
    const { topic, partition } = first.source
    return [new SourceRecords(broker, { topic, partition }, group)]
  })
  for (const source of sources) await source.advance(signal)
  return { counts, sources }
}

function tooMany(topic: string, maxRecords: number): StreamError {
  return new StreamError('USAGE', `"${topic}" has letters of more than ${maxRecords} records`, {
    fix: 'Put them back in parts: name an error code, a key or a source.',
  })
}

/** `dropped`: some of the records are not open any more. `scattered`: records of others lie between them. */
type Attempt = 'written' | 'dropped' | 'scattered'

/** Writes copies, a transaction after the other. */
class Putter implements AsyncDisposable {
  redriven = 0
  readonly #options: RedriveOptions
  readonly #open: number
  #producer: Producer | undefined

  constructor(options: RedriveOptions, open: number) {
    this.#options = options
    this.#open = open
  }

  async all(source: SourceRecords): Promise<void> {
    const { recordsPerSecond = maxBatchRecords, signal } = this.#options
    let batch: LogRecord[] = []
    let bytes = 0
    for await (const record of source.openRecords()) {
      if (signal?.aborted) return
      batch.push(record)
      bytes += record.value?.length ?? 0
      if (batch.length < Math.min(recordsPerSecond, maxBatchRecords) && bytes < maxBatchBytes) continue
      await this.#put(source, batch)
      batch = []
      bytes = 0
    }
    if (!signal?.aborted) await this.#put(source, batch)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#producer?.close()
  }

  /** Every turn writes records, drops some, or tries fewer at once. */
  async #put(source: SourceRecords, batch: readonly LogRecord[]): Promise<void> {
    let waiting = batch.filter(({ offset }) => source.isOpen(offset))
    let atOnce = waiting.length
    while (waiting.length > 0) {
      const records = waiting.slice(0, atOnce)
      const result = await this.#attempt(source, records)
      if (result === 'scattered') atOnce = Math.ceil(records.length / 2)
      if (result === 'written') await this.#pace(records.length)
      waiting = waiting.filter(({ offset }) => source.isOpen(offset))
    }
  }

  async #attempt(source: SourceRecords, records: readonly LogRecord[]): Promise<Attempt> {
    this.#producer ??= await this.#newProducer()
    const transaction = await this.#producer.begin()
    try {
      const offsets = await transaction.send(records.map((record) => copyOf(record, source)))
      const first = offsets[0] ?? 0
      await this.#seeUpTo(source, first)
      const isFree = records.every(({ offset }) => source.isOpen(offset))
      // What others have written between ours stays hidden until the end of the transaction.
      const isTogether = offsets.every((offset, at) => offset === first + at)
      if (!isFree || !isTogether) {
        await transaction.abort()
        return isFree ? 'scattered' : 'dropped'
      }
      await transaction.commit()
    } catch (error) {
      await transaction.abort().catch(() => undefined)
      await this.#discardProducer()
      return this.#dropRefused(source, records, error)
    }
    for (const { offset } of records) source.note(offset, 'redriven')
    this.redriven += records.length
    this.#options.onProgress?.(this.redriven, this.#open)
    return 'written'
  }

  async #seeUpTo(source: SourceRecords, offset: number): Promise<void> {
    const { clock } = this.#options
    const deadline = clock.now() + hiddenTimeoutMs
    for (;;) {
      await source.advance()
      if (source.position >= offset) return
      if (clock.now() >= deadline) {
        const place = `${source.place.topic}-${source.place.partition}`
        const fact = `a transaction of somebody else has hidden records of ${place} for ${hiddenTimeoutMs} ms`
        throw new StreamError('PRODUCE_FAILED', fact, {
          fix: 'Run the command again when it has ended: what was put back is not put back twice.',
          details: { ...source.place },
        })
      }
      await delay(clock, lookEveryMs)
    }
  }

  /** The record that the source does not take is named; throws every other error. */
  #dropRefused(source: SourceRecords, records: readonly LogRecord[], error: unknown): Attempt {
    const index = isStreamError(error) && error.code === 'RECORD_REJECTED' ? error.details.index : undefined
    const refused = typeof index === 'number' ? records[index] : undefined
    if (!refused) throw error
    source.note(refused.offset, 'refused')
    return 'dropped'
  }

  async #pace(records: number): Promise<void> {
    const { clock, recordsPerSecond, signal } = this.#options
    if (recordsPerSecond === undefined) return
    await delay(clock, (1_000 * records) / recordsPerSecond, signal).catch(() => undefined)
  }

  #newProducer(): Promise<Producer> {
    const { broker, application } = this.#options
    return broker.producer({ transactionalId: `${application}-redrive` })
  }

  /** After a failed step only a new one knows where it stands. */
  async #discardProducer(): Promise<void> {
    await this.#producer?.close()
    this.#producer = undefined
  }
}

function copyOf({ offset, key, value, timestamp, headers }: LogRecord, { place }: SourceRecords): ProducerRecord {
  const redriven = { attempt: attemptOf(headers) + 1, origin: placeText({ ...place, offset }) }
  return { ...place, key, value, timestamp, headers: redriveHeaders(headers, redriven) }
}
