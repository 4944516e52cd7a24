import type { Broker as KafkaBroker, Cluster as KafkaCluster, Message, PartitionMetadata, RetryOptions } from 'kafkajs'
import type { Header } from '../../record.ts'

/**
 * The members of KafkaJS 2.2.4 behind its public interface that Millrace uses, as its source has them. compat.ts checks that they are
 * there before anything else runs.
 */

/** A record as a fetch decodes it. `headerList` is ours: KafkaJS's own `headers` is a map, which forgets order. */
export interface FetchedRecord {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly isControlRecord: boolean
  readonly batchContext: RecordBatchContext
  readonly headerList: readonly Header[]
}

export interface RecordBatchContext {
  readonly firstOffset: string
  readonly lastOffsetDelta: number
  readonly producerId: string
  readonly inTransaction: boolean
}

export interface AbortedTransaction {
  readonly producerId: string
  readonly firstOffset: string
}

export interface FetchedPartition {
  readonly partition: number
  readonly lastStableOffset: string
  readonly abortedTransactions: readonly AbortedTransaction[]
  readonly messages: readonly FetchedRecord[]
}

export interface FetchResponse {
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly FetchedPartition[] }[]
}

/** What a consumer hands on: the records of one partition from one fetch. */
export interface FetchedBatch {
  readonly topic: string
  readonly partition: number
  /** The offset that was asked for. */
  readonly fetchedOffset: string
  /** Without aborted and control records. */
  readonly messages: readonly FetchedRecord[]
  /** Of the last record of any kind. */
  lastOffset(): string
  isEmpty: () => boolean
  /** Where the log ends for who reads committed records. */
  readonly lastStableOffset: string
  /** There are records, but none to deliver. */
  isEmptyDueToFiltering(): boolean
}

/** Bytes to read from; KafkaJS makes one for each record. */
export interface Decoder {
  readVarIntArray<T>(read: (decoder: Decoder) => T): T[]
}

export interface DecodedBatch extends RecordBatchContext {
  readonly records: FetchedRecord[]
}

export interface RecordToEncode {
  readonly offsetDelta?: number
  readonly timestampDelta?: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** A list is encoded by Millrace, anything else by KafkaJS. */
  readonly headers?: readonly Header[] | object
}

/** What a record batch needs of an encoded record. */
export interface EncodedRecord {
  readonly buf: Buffer
  readonly buffer: Buffer
}

/** What a producer groups before it encodes. */
export interface MessagesToGroup {
  readonly topic: string
  readonly partitionMetadata: readonly PartitionMetadata[]
  readonly messages: readonly Message[]
  readonly partitioner: (choice: Omit<MessagesToGroup, 'messages' | 'partitioner'> & { message: Message }) => number
}

/** By partition. */
export type MessageGroups = Record<number, Message[]>

export type GroupMessages = (messages: MessagesToGroup) => MessageGroups

export interface Connection {
  connect(): Promise<boolean>
  disconnect(): Promise<boolean>
}

export interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
}

/** KafkaJS's types leave these requests out. */
export interface AnsweringBroker extends KafkaBroker {
  fetch(request: object): Promise<FetchResponse>
  produce(request: object): Promise<unknown>
  endTxn(request: object): Promise<unknown>
  describeConfigs(request: {
    readonly resources: readonly { readonly type: number; readonly name: string; readonly configNames: string[] }[]
    readonly includeSynonyms: boolean
  }): Promise<DescribedSettings>
}

export interface DescribedSettings {
  readonly resources: readonly {
    readonly resourceName: string
    readonly configEntries: readonly { readonly configName: string; readonly configValue: string }[]
  }[]
}

export interface BrokerPool {
  connect: () => Promise<void>
  createSeedBroker: () => Promise<void>
  findBroker: (choice: { readonly nodeId: string }) => Promise<KafkaBroker>
  /** A connected broker of the cluster, whichever; connects when there is none. */
  findConnectedBroker: () => Promise<AnsweringBroker>
  refreshMetadata: (topics: readonly string[]) => Promise<null>
  refreshMetadataIfNecessary: (topics: readonly string[]) => Promise<null | undefined>
  /** The first answer that is no error; null when there is none. */
  withBroker: <Answer>(
    ask: (choice: { readonly nodeId: string; readonly broker: KafkaBroker }) => Promise<Answer>,
  ) => Promise<Answer | null>
}

export interface SyncedGroup {
  /** In the format of Kafka's consumer protocol; empty when the leader gave nothing. */
  readonly memberAssignment: Buffer
}

/** The broker that keeps a group, or a transactional id. Each of these throws when the answer has an error code. */
export interface Coordinator extends AnsweringBroker {
  joinGroup(request: object): Promise<unknown>
  syncGroup(request: object): Promise<SyncedGroup>
  heartbeat(request: object): Promise<unknown>
  initProducerId(request: object): Promise<ProducerIdentity>
  addPartitionsToTxn(request: object): Promise<unknown>
  addOffsetsToTxn(request: object): Promise<unknown>
  /** What is refused is in the results. */
  deleteGroups(groups: readonly string[]): Promise<{ readonly results: readonly { readonly error?: Error }[] }>
}

export interface Cluster extends KafkaCluster {
  /** Of a group; of a transactional id with `coordinatorType` 1. */
  findGroupCoordinator(group: { groupId: string; coordinatorType?: number }): Promise<Coordinator>
  findBroker(choice: { readonly nodeId: string }): Promise<RawBroker>
  readonly targetTopics: Set<string>
  readonly brokerPool: BrokerPool
  /** Read by the transaction manager, but never set by KafkaJS, which then falls back to its slow defaults. */
  retry?: RetryOptions
}

/** One request, and how its answer is read. */
export interface ProtocolExchange<Answer, Decoded> {
  readonly request: {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    /** What follows on the client id. */
    encode(): Promise<EncodedRecord>
  }
  readonly response: { decode(answer: Buffer): Promise<Decoded>; parse(decoded: Decoded): Promise<Answer> }
}

/** A broker that can be asked what KafkaJS does not know of. */
export interface RawBroker extends KafkaBroker {
  /** By the number of a request; without those that the broker does not know. Null before it is connected. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>> | null
  readonly connectionPool: { send<Answer, Decoded>(exchange: ProtocolExchange<Answer, Decoded>): Promise<Answer> }
}

export interface ProducerIdentity {
  readonly producerId: string
  readonly producerEpoch: number
}

export interface DescribedGroups {
  readonly groups: readonly DescribedGroup[]
}

export interface DescribedGroup {
  /** The name of the assignor. */
  readonly protocol: string
  readonly members: readonly DescribedMember[]
}

export interface DescribedMember {
  readonly memberId: string
  readonly clientHost: string
  /** In the format of Kafka's consumer protocol; empty while the group rebalances. */
  readonly memberMetadata: Buffer
}

export type CommittedTopics = readonly {
  readonly topic: string
  readonly partitions: readonly { readonly partition: number; readonly offset: string; readonly metadata: string }[]
}[]

export interface OffsetManager {
  coordinator: Coordinator
  commitOffsets(offsets: { readonly topics: CommittedTopics }): Promise<void>
}

export interface ConsumerGroup {
  readonly groupId: string
  readonly cluster: Cluster
  readonly assigners: readonly object[]
  /** Null before the first join, and again after the group has removed this member. */
  readonly memberId: string | null
  readonly generationId: number | null
  readonly offsetManager: OffsetManager | null
  coordinator: Coordinator | null
  /** When the last heartbeat was answered, by the wall clock. */
  lastRequest: number
  heartbeat: (options: { readonly interval: number }) => Promise<void>
  fetch: (nodeId: string) => Promise<FetchedBatch[]>
  leave(): Promise<void>
  joinAndSync(): Promise<void>
  recoverFromOffsetOutOfRange(error: Error): Promise<void>
  getNodeIds: () => readonly string[]
}

export type CreateCluster = (options: {
  readonly isolationLevel?: number
  readonly metadataMaxAge?: number
  readonly allowAutoTopicCreation?: boolean
}) => Cluster

/** `isolation.level` read_committed. */
export const readCommitted = 1
