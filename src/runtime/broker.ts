import type { StreamError } from '../errors.ts'
import type { Headers } from '../record.ts'

/**
 * The port to a partitioned, replayable log: Kafka, or the embedded one. The runtime knows nothing else about either.
 * test/contracts/broker.features.ts holds every implementation to the sentences below.
 */
export interface Broker extends AsyncDisposable {
  /** Shown in logs and errors: `kafka 127.0.0.1:9092`, `embedded .millrace/log`. */
  readonly name: string
  /** Throws BROKER_UNREACHABLE. */
  open(): Promise<void>
  close(): Promise<void>
  /** What exists of the named topics; absent ones are not in the map. */
  topics(names: readonly string[]): Promise<Map<string, TopicDescription>>
  /** Creates what does not exist, and waits until every partition can be written. Throws TOPIC_MISMATCH when one exists with another partition count. */
  createTopics(specs: readonly TopicSpec[]): Promise<void>
  /** Offsets of the first record and of the next record to be visible (the last stable offset) of each partition. */
  offsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffsets[]>
  /** What the group has committed; partitions without a commit have `offset` undefined. */
  committed(group: string, partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]>
  /** The topics of which the group has committed anything, whoever reads them now. A user without rights on a topic does not see it. */
  committedTopics(group: string): Promise<readonly string[]>
  /** Joins a consumer group; resolves when the listener is called with its first assignment. Throws BROKER_UNREACHABLE, CONSUMER_DEAD. */
  join(options: GroupOptions, listener: GroupListener): Promise<GroupMember>
  /** A producer that writes each record once (idempotent). With `transactionalId` older producers of the same id are fenced. */
  producer(options?: ProducerOptions): Promise<Producer>
  /**
   * Reads one partition without a group: committed records from `from` up to the last stable offset found at the first fetch, then
   * ends. Throws OFFSET_OUT_OF_RANGE when `from` is below the first record that is left, unless the log is compacted there, and when
   * it is above the end.
   */
  read(partition: TopicPartition, from: number, signal?: AbortSignal): AsyncIterable<ReadBatch>
  /** For people who operate an application; of all this its instances need only `deleteRecords`, to purge. Absent where a log offers nothing of the kind. */
  readonly admin?: BrokerAdmin
}

/** What a look at an application, or its end, asks of a log. */
export interface BrokerAdmin {
  /** Who is in the group now. One that does not exist has no members. */
  describeGroup(group: string): Promise<GroupDescription>
  /** Forgets what the group has committed; one that does not exist is no error. Throws GROUP_ACTIVE while it has members. */
  deleteGroup(group: string): Promise<void>
  /** Deletes topics with their records and what was committed of them, and waits until they are gone. Absent ones are passed over. */
  deleteTopics(names: readonly string[]): Promise<void>
  /**
   * Deletes the records in front of an offset of each partition, for ever. Where the first record lies behind it already nothing happens.
   * Throws TOPIC_MISSING, OFFSET_OUT_OF_RANGE for an offset above the end, and CONFIG_INVALID where the log refuses that for the topic.
   */
  deleteRecords(before: readonly StartPosition[]): Promise<void>
  /** The rights that this client lacks. Asks without writing, joining or fencing. */
  missingRights(wanted: WantedRights): Promise<readonly MissingRight[]>
}

export interface MissingRight {
  /** BROKER_DENIED; says what to allow. */
  readonly error: StreamError
  /** False: the application runs without it, and what the error says is lost. */
  readonly isNeeded: boolean
}

export interface GroupDescription {
  readonly members: readonly MemberDescription[]
  /** What the members have agreed on; undefined while there are none, or they rebalance. */
  readonly assignor: string | undefined
}

export interface MemberDescription {
  readonly memberId: string
  /** Where it runs, as the log saw it: `/10.0.0.7`. */
  readonly host: string
  /** What it subscribes to; undefined while the group rebalances. */
  readonly topics: readonly string[] | undefined
}

/** What an application does with the log. */
export interface WantedRights {
  readonly group: string
  /** Existing topics. */
  readonly reads: readonly string[]
  /** Existing topics. */
  readonly writes: readonly string[]
  readonly creates: readonly TopicSpec[]
  /** With exactly_once: one of its transactional ids, for all, because the right is given to their common prefix. */
  readonly transactionalId?: string
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface TopicSpec {
  readonly topic: string
  readonly partitions: number
  /** Default: the broker's. */
  readonly replicationFactor?: number
  /** `compact`: only the last value of each key has to be kept. Default `delete`. */
  readonly cleanup?: 'compact' | 'delete' | 'compact,delete'
  /** Further settings in the broker's own names, for example `retention.ms`. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface TopicDescription {
  readonly topic: string
  readonly partitions: number
  /** What happens to old records. Left out where the broker does not tell: assignors hear nothing of it, and reading settings may be denied. */
  readonly cleanup?: TopicSpec['cleanup']
}

export interface PartitionOffsets extends TopicPartition {
  readonly earliest: number
  readonly latest: number
}

export interface CommittedOffset extends TopicPartition {
  readonly offset: number | undefined
  /** Free text up to 4,096 characters, committed together with the offset. */
  readonly metadata: string
}

/** A record in the log: bytes. */
export interface LogRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: Headers
}

/** Consecutive records. `next` is the position after them: it may lie further than the last record + 1 (compaction, markers). */
export interface ReadBatch {
  readonly records: readonly LogRecord[]
  readonly next: number
}

export interface GroupOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Decides who owns what; runs on the group's leader. */
  readonly assignor: Assignor
  /** A member that is silent for so long loses its partitions. Milliseconds, default 45,000. */
  readonly sessionTimeoutMs?: number
  /** How long `revoked` may take. Milliseconds, default 60,000. */
  readonly rebalanceTimeoutMs?: number
  /** Calls off a join that is under way: after a few seconds at the latest it throws the signal's reason. */
  readonly signal?: AbortSignal
}

export interface Assignor {
  /** Members can only share a group when they use the same name. */
  readonly name: string
  /** What this member tells the leader about itself, before every join. */
  memberData(): Uint8Array
  /** By member id; who is left out gets nothing. */
  assign(members: readonly AssignorMember[], topics: readonly TopicDescription[]): Map<string, MemberAssignment>
}

export interface AssignorMember {
  readonly memberId: string
  readonly data: Uint8Array
}

export interface MemberAssignment {
  readonly partitions: readonly TopicPartition[]
  /** What the leader tells the member besides, in the assignor's own encoding. Default: nothing. */
  readonly data?: Uint8Array
}

/**
 * Callbacks of a member, one after the other, never overlapping (records excepted: they come only between `assigned` and `revoked`).
 */
export interface GroupListener {
  /**
   * The complete new assignment, and what the leader's assignor says to this member. Nothing is delivered until it resolves; each
   * partition starts where the listener says.
   */
  assigned(partitions: readonly TopicPartition[], data: Uint8Array): Promise<readonly StartPosition[]>
  /** All partitions are about to be given up; commits are still accepted until it resolves. Partitions may come back with `assigned`. */
  revoked(deadline: RevocationDeadline): Promise<void>
  /** The member was removed from the group: nothing may be committed any more. */
  lost(): Promise<void>
  /** Records in offset order. Bound your queues by pausing; every assignment begins with nothing paused. */
  records(partition: TopicPartition, batch: ReadBatch): void
  /**
   * The log was asked for records, of as many partitions as it liked, and has answered after so many milliseconds: at once where it had some,
   * else when it would not wait for them any longer. Must not throw.
   */
  polled?(durationMs: number): void
  /**
   * Where partitions end now for who reads committed records, told with every answer of the log before the records in it. Must not throw.
   */
  ends?(ends: readonly StartPosition[]): void
  /** The member is dead and will not come back. */
  failed(error: StreamError): void
}

export interface RevocationDeadline {
  /** Clock time (milliseconds) at which the group goes on without us. */
  readonly at: number
}

export interface StartPosition extends TopicPartition {
  readonly offset: number
}

export interface GroupMember {
  /**
   * Clock time (milliseconds) at which the last heartbeat, join or sync that succeeded was sent: the group keeps the member for a session
   * timeout from then. Always now where members cannot be removed.
   */
  readonly lastHeartbeatAt: number
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** Throws MEMBER_FENCED when the group has moved on without us, COMMIT_FAILED when it may be tried again. */
  commit(offsets: readonly CommitOffset[]): Promise<void>
  /** Calls `revoked`, then leaves at once, so that others need not wait for the session timeout. */
  leave(): Promise<void>
}

export interface CommitOffset extends TopicPartition {
  /** Next offset to read. */
  readonly offset: number
  readonly metadata?: string
}

export interface ProducerOptions {
  readonly transactionalId?: string
  readonly transactionTimeoutMs?: number
  /**
   * With it, the producer is there once nothing hangs of what older producers of the id have written: a broker may have called a transaction
   * complete without having ended it everywhere. It is ended as it was decided; when that is an abort, opening throws COMMIT_UNKNOWN, once. A
   * log that leaves nothing open ignores it.
   */
  readonly transactionScope?: TransactionScope
}

/** All that the transactions of one transactional id may touch. */
export interface TransactionScope {
  readonly partitions: readonly TopicPartition[]
  /** The group whose offsets they commit. */
  readonly group: string
}

export interface ProducerRecord {
  readonly topic: string
  readonly partition: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: Headers
}

export interface Producer {
  /**
   * Resolves with the offset of each record, in order, once all are durable. Throws RECORD_REJECTED for a record that the broker will
   * never take (`details.index` names it), TOPIC_MISSING, PRODUCE_FAILED otherwise.
   *
   * `guard` is called right before every request, repetitions included, however long the records had to wait: what it throws ends the send.
   */
  send(records: readonly ProducerRecord[], guard?: () => void): Promise<readonly number[]>
  /** Only with a transactional id. Throws MEMBER_FENCED when a newer producer of this id exists. One transaction at a time. */
  begin(): Promise<Transaction>
  close(): Promise<void>
}

/** After any failed step throw the producer away and read what was committed. */
export interface Transaction {
  send(records: readonly ProducerRecord[]): Promise<readonly number[]>
  sendOffsets(group: string, offsets: readonly CommitOffset[]): Promise<void>
  commit(): Promise<void>
  abort(): Promise<void>
}
