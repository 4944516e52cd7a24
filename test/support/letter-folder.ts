import { names } from '../../src/cli/documents.ts'
import { deadLetterTopic } from '../../src/cli/given-up-documents.ts'
import { openLog, workspaceAt, writeCard } from '../../src/cli/workspace.ts'
import { lockWorkspace, type WorkspaceLock } from '../../src/cli/workspace-claim.ts'
import { type ErrorCode, StreamError } from '../../src/errors.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { errorHeaders, redriveHeaders } from '../../src/runtime/dead-letters/dead-letter.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** A record of the topic `documents` that was given up. */
export interface GivenUp {
  readonly key: string
  readonly value: string | Uint8Array | null
  readonly code: ErrorCode
  readonly timestamp?: number
  /** How often it was put back before. */
  readonly attempt?: number
}

/** A folder as `index` leaves it, with records in its log of which each has a dead letter. */
export interface LetterFolder extends AsyncDisposable {
  readonly data: string
  lock(): Promise<WorkspaceLock>
  /** Opens the log for a moment. */
  inLog<T>(work: (log: Broker) => Promise<T>): Promise<T>
}

export async function letterFolder(givenUp: readonly GivenUp[]): Promise<LetterFolder> {
  const directory = await temporaryDirectory()
  const data = directory.path
  await writeCard(data, { format: 1, model: 'hash', pipeline: 'p' })
  const inLog = async <T>(work: (log: Broker) => Promise<T>): Promise<T> => {
    await using log = openLog(workspaceAt(data))
    await log.open()
    return await work(log)
  }
  await inLog((log) => writeLetters(log, givenUp))
  return { data, inLog, lock: () => lockWorkspace(data), [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}

async function writeLetters(log: Broker, givenUp: readonly GivenUp[]): Promise<void> {
  await log.createTopics([
    { topic: names.topic, partitions: 1, cleanup: 'compact' },
    { topic: deadLetterTopic, partitions: 1 },
  ])
  const producer = await log.producer()
  for (const { key, value, code, timestamp = 1_000, attempt = 0 } of givenUp) {
    const headers = attempt > 0 ? redriveHeaders(noHeaders, { attempt, origin: 'documents-0@0' }) : noHeaders
    const bytes = typeof value === 'string' ? Buffer.from(value) : value
    const record = { topic: names.topic, partition: 0, key: Buffer.from(key), value: bytes, timestamp, headers }
    const [offset = -1] = await producer.send([record])
    const source = { topic: names.topic, partition: 0, offset }
    const failed = errorHeaders(new StreamError(code, 'it failed'), source, 'at a line')
    await producer.send([{ ...record, topic: deadLetterTopic, headers: [...headers, ...failed] }])
  }
  await producer.close()
}
