import { reasonOf, StreamError } from '../../errors.ts'
import type {
  CommitOffset,
  CommittedOffset,
  PartitionOffsets,
  ProducerRecord,
  ReadBatch,
  TopicPartition,
  TopicSpec,
} from '../../runtime/broker.ts'
import type { ByteChange, ByteRange, ByteStore } from '../../state/store.ts'
import { Catalog } from './catalog.ts'
import { type Draft, draft } from './draft.ts'
import { GroupCommit } from './group-commit.ts'
import {
  allCommittedRange,
  type Cleaning,
  committedKey,
  committedRange,
  decodeCommitted,
  encodeCommitted,
  formatKey,
  formatVersion,
  offsetOfRecordKey,
  recordKey,
  recordRange,
  topicIdOfCommittedKey,
} from './layout.ts'
import type { Partition } from './partition.ts'
import { decodeRecord } from './record-codec.ts'

/** Whichever bound is reached first ends a batch that is read. */
const maxReadRecords = 500
const maxReadBytes = 1024 * 1024

const maxMetadataCharacters = 4096

/** Consecutive records as they are stored. */
export interface StoredRecords {
  readonly records: readonly (readonly [offset: number, bytes: Uint8Array])[]
  readonly next: number
}

/** The log itself: topics, records and committed offsets in one byte store. It knows nothing of members and their callbacks. */
export class EmbeddedLog {
  readonly catalog: Catalog
  readonly #store: ByteStore
  readonly #writer: GroupCommit
  #closing: Promise<void> | undefined

  private constructor(store: ByteStore, catalog: Catalog) {
    this.#store = store
    this.catalog = catalog
    this.#writer = new GroupCommit(store)
  }

  /** Takes over the store: closing the log closes it. Throws STATE_FORMAT when another version of Millrace wrote it. */
  static async open(store: ByteStore): Promise<EmbeddedLog> {
    try {
      await checkFormat(store)
      return new EmbeddedLog(store, await Catalog.load(store))
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** Waits for what is being written. */
  close(): Promise<void> {
    this.#closing ??= this.flush().then(() => this.#store.close())
    return this.#closing
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    this.#checkOpen()
    const creation = this.catalog.add(specs)
    try {
      // Also waits for a creation of the same topics that is still being written.
      await this.#writer.write(creation.changes)
    } catch (error) {
      creation.undo()
      throw error
    }
  }

  /**
   * The records first: after a crash in between there is an empty topic, to be deleted again, and nothing that a later topic with the same
   * id could take for its own.
   */
  async deleteTopic(name: string): Promise<void> {
    this.#checkOpen()
    const id = this.catalog.find(name)?.id
    if (id === undefined) return
    await this.flush()
    await this.#store.clear(recordRange(id))
    const committed = await this.#committedKeys(allCommittedRange, id)
    await this.#writer.write([...this.catalog.remove(name), ...committed.map((key) => ({ key, value: null }))])
  }

  offsets(partitions: readonly TopicPartition[]): PartitionOffsets[] {
    this.#checkOpen()
    return partitions.map(({ topic, partition }) => {
      const { start, stable } = this.catalog.partition({ topic, partition })
      return { topic, partition, earliest: start, latest: stable }
    })
  }

  async append(records: readonly ProducerRecord[]): Promise<readonly number[]> {
    if (records.length === 0) return []
    const appended = this.draft(records)
    await this.persist([appended])
    return appended.offsets
  }

  /** Encodes the records and gives them offsets. They become visible with `persist`; `settle` without it forgets them. */
  draft(records: readonly ProducerRecord[]): Draft {
    this.#checkOpen()
    return draft(this.catalog, records)
  }

  /** Writes drafts and changes in one batch: after a crash all of it is there or nothing. */
  async persist(drafts: readonly Draft[], further: readonly ByteChange[] = []): Promise<void> {
    const changes = [...drafts.flatMap((each) => each.changes), ...further]
    const touched = new Set(drafts.flatMap((each) => [...each.partitions]))
    for (const partition of touched) changes.push(partition.endChange())
    try {
      this.#checkOpen()
      await this.#writer.write(changes)
    } catch (error) {
      throw writeFailure('PRODUCE_FAILED', error)
    } finally {
      for (const each of drafts) each.settle()
    }
  }

  async commit(group: string, offsets: readonly CommitOffset[]): Promise<void> {
    this.#checkOpen()
    const changes = this.commitChanges(group, offsets)
    try {
      await this.#writer.write(changes)
    } catch (error) {
      throw writeFailure('COMMIT_FAILED', error)
    }
  }

  commitChanges(group: string, offsets: readonly CommitOffset[]): ByteChange[] {
    return offsets.map(({ topic, partition, offset, metadata = '' }) => {
      const { id } = this.catalog.partition({ topic, partition }).topic
      if (metadata.length <= maxMetadataCharacters) {
        return { key: committedKey(group, id, partition), value: encodeCommitted({ offset, metadata }) }
      }
      const fact = `${metadata.length} characters of commit metadata, the limit is ${maxMetadataCharacters}`
      throw new StreamError('ILLEGAL_STATE', fact, { details: { group, topic, partition } })
    })
  }

  async committed(group: string, partitions: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    this.#checkOpen()
    // A commit of the previous owner that was accepted but is still being written counts.
    await this.flush()
    return partitions.map(({ topic, partition }) => {
      const id = this.catalog.find(topic)?.id
      const bytes = id === undefined ? undefined : this.#store.get(committedKey(group, id, partition))
      return { topic, partition, offset: undefined, metadata: '', ...(bytes && decodeCommitted(bytes)) }
    })
  }

  async committedTopics(group: string): Promise<string[]> {
    this.#checkOpen()
    await this.flush()
    const ids = new Set<number>()
    for await (const [key] of this.#store.range(committedRange(group))) ids.add(topicIdOfCommittedKey(key))
    return this.catalog.namesOf(ids)
  }

  /** Forgets what the group has committed. */
  async deleteGroup(group: string): Promise<void> {
    this.#checkOpen()
    await this.flush()
    await this.#store.clear(committedRange(group))
  }

  async #committedKeys(range: ByteRange, topicId: number): Promise<Uint8Array[]> {
    const keys: Uint8Array[] = []
    for await (const [key] of this.#store.range(range)) if (topicIdOfCommittedKey(key) === topicId) keys.push(key)
    return keys
  }

  /** Throws OFFSET_OUT_OF_RANGE when the log neither holds the offset nor is about to. */
  checkPosition(partition: Partition, offset: number): void {
    const { start, end, topic, index } = partition
    if (offset >= start && offset <= end) return
    const fact = `offset ${offset} of ${topic.name}-${index} does not exist: the log holds ${start} to ${end}`
    throw new StreamError('OFFSET_OUT_OF_RANGE', fact, {
      details: { topic: topic.name, partition: index, offset, earliest: start, latest: end },
    })
  }

  /** `readStored`, decoded. */
  async read(partition: Partition, from: number, until: number): Promise<ReadBatch> {
    const { records, next } = await this.readStored(partition, from, until)
    return { records: records.map(([offset, bytes]) => decodeRecord(offset, bytes)), next }
  }

  /**
   * Some records from `from` on, below `until`, which must not be above the last stable offset. May be none where records were
   * removed: `next` is further than `from` in any case. Throws OFFSET_OUT_OF_RANGE.
   */
  async readStored(partition: Partition, from: number, until: number): Promise<StoredRecords> {
    this.#checkOpen()
    this.checkPosition(partition, from)
    const key = (offset: number) => recordKey(partition.topic.id, partition.index, offset)
    const records: [offset: number, bytes: Uint8Array][] = []
    let bytes = 0
    try {
      for await (const entry of this.#store.range({ gte: key(from), lt: key(until), limit: maxReadRecords })) {
        records.push([offsetOfRecordKey(entry[0]), entry[1]])
        bytes += entry[1].length
        if (bytes >= maxReadBytes) break
      }
    } catch (error) {
      this.#checkOpen()
      throw error
    }
    const last = records.at(-1)
    const isCut = bytes >= maxReadBytes || records.length === maxReadRecords
    return { records, next: last && isCut ? last[0] + 1 : until }
  }

  /** Resolves when everything that was handed over so far is in the store. */
  flush(): Promise<void> {
    return this.#writer.write([])
  }

  /** Removes or replaces records, in one batch with how far that has come. */
  async clean(partition: Partition, changes: readonly ByteChange[], cleaning: Cleaning): Promise<void> {
    this.#checkOpen()
    await this.#writer.write([...changes, partition.cleaningChange(cleaning)])
    partition.cleaned(cleaning)
  }

  #checkOpen(): void {
    if (this.#closing) throw new StreamError('BROKER_CLOSED', 'the embedded log is closed')
  }
}

async function checkFormat(store: ByteStore): Promise<void> {
  const found = store.get(formatKey)?.[0]
  if (found === undefined) return store.write([{ key: formatKey, value: Uint8Array.of(formatVersion) }])
  if (found === formatVersion) return
  throw new StreamError('STATE_FORMAT', `the embedded log has format ${found}, this version reads ${formatVersion}`, {
    fix: 'Run the version that wrote it, or choose an empty directory.',
  })
}

/** A disk that refuses writes goes on to refuse them: STATE_IO is no failure of one send or commit that may be repeated. */
function writeFailure(code: 'PRODUCE_FAILED' | 'COMMIT_FAILED', cause: unknown): StreamError {
  const isOurs = cause instanceof StreamError && [code, 'BROKER_CLOSED', 'STATE_IO'].includes(cause.code)
  return isOurs ? cause : new StreamError(code, `the embedded log could not be written: ${reasonOf(cause)}`, { cause })
}
