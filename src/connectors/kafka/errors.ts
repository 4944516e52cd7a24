import { type ErrorCode, isStreamError, reasonOf, StreamError, type StreamErrorOptions } from '../../errors.ts'
import type { GroupOptions } from '../../runtime/broker.ts'
import { refusalOf } from './refusals.ts'

/** What KafkaJS puts on its errors; `type` is the name of the protocol's error code. */
interface KafkaError extends Error {
  readonly type?: string
  readonly retriable?: boolean
  readonly topic?: string
  readonly partition?: number
}

const unknownTopic = ['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID']
const unusable = [
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_PARTITIONS',
  'INVALID_REPLICATION_FACTOR',
  'INVALID_REPLICA_ASSIGNMENT',
  'INVALID_CONFIG',
  'POLICY_VIOLATION',
]
const poisonous = [
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'CORRUPT_MESSAGE',
]
const passing = [
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'NETWORK_EXCEPTION',
  'REQUEST_TIMED_OUT',
  'NOT_CONTROLLER',
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  ...unknownTopic,
]
const passingNames = [
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSGroupCoordinatorNotFound',
  'KafkaJSTopicMetadataNotLoaded',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSLockTimeout',
]

/** What the user of the application has to be allowed, by the answer of a broker that misses it. */
const rights: Readonly<Record<string, string>> = {
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    'Allow Describe and Write on transactional ids that begin with the name of the application, or use `at_least_once`.',
  GROUP_AUTHORIZATION_FAILED: 'Allow Describe and Read on the group, which is called like the application.',
  TOPIC_AUTHORIZATION_FAILED:
    'Allow Describe, Read and Write on the topics of the topology, and Create on those that begin with the name of the application.',
  CLUSTER_AUTHORIZATION_FAILED: 'Allow IdempotentWrite on the cluster, and Create where topics have to be made.',
}

/** The error and what caused it: KafkaJS wraps the one that matters, sometimes twice. */
function chainOf(error: unknown): KafkaError[] {
  const chain: KafkaError[] = []
  for (let next = error; next instanceof Error && !chain.includes(next); next = next.cause) chain.push(next)
  return chain
}

function hasType(error: unknown, types: readonly string[]): boolean {
  return chainOf(error).some(({ type }) => type !== undefined && types.includes(type))
}

/** The rights of the user do not go so far. */
export const isDenied = (error: unknown): boolean => hasType(error, Object.keys(rights))

/** The broker does not know the topic (any more, or not yet). */
export const isUnknownTopic = (error: unknown): boolean => hasType(error, unknownTopic)

const isTopicThere = (error: unknown): boolean => hasType(error, ['TOPIC_ALREADY_EXISTS'])

/** What is answered about several topics is one error that holds one for each; those of topics that another client has just created are none. */
export function firstOf(error: unknown): unknown {
  const errors: unknown = error instanceof Error && 'errors' in error ? error.errors : undefined
  return Array.isArray(errors) ? errors.find((one) => !isTopicThere(one)) : error
}

export const isOutOfRange = (error: unknown): boolean => hasType(error, ['OFFSET_OUT_OF_RANGE'])

/** Another broker coordinates the group by now, or will in a moment. */
export const isCoordinatorGone = (error: unknown): boolean =>
  hasType(error, ['NOT_COORDINATOR_FOR_GROUP', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'GROUP_LOAD_IN_PROGRESS']) ||
  chainOf(error).some(({ name }) => passingNames.includes(name))

/** The transaction before has not ended yet. */
export const isConcurrent = (error: unknown): boolean => hasType(error, ['CONCURRENT_TRANSACTIONS'])

/** The coordinator has not taken the offsets of a transaction, and may do so in a moment. */
export const isOffsetsPassing = (error: unknown): boolean =>
  isConcurrent(error) || (isPassing(error) && !isUnknownTopic(error))

/** The group does not know the member any more. */
export const isUnknownMember = (error: unknown): boolean =>
  hasType(error, ['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID'])

/** What a group answers to somebody who is no member of it, or when it is none itself. */
export const isForeignMember = (error: unknown): boolean =>
  isUnknownMember(error) || hasType(error, ['COORDINATOR_NOT_AVAILABLE', 'GROUP_ID_NOT_FOUND', 'REBALANCE_IN_PROGRESS'])

/** What a transactional id answers to a producer that it knows nothing of. */
export const isForeignProducer = (error: unknown): boolean =>
  isFenced(error) || hasType(error, ['INVALID_PRODUCER_ID_MAPPING', 'INVALID_TXN_STATE'])

export const isGroupActive = (error: unknown): boolean => hasType(error, ['NON_EMPTY_GROUP'])

export const isUnknownGroup = (error: unknown): boolean => hasType(error, ['GROUP_ID_NOT_FOUND'])

/** Another attempt, after a look at the current metadata, may succeed. */
export const isPassing = (error: unknown): boolean =>
  hasType(error, passing) || chainOf(error).some(({ name }) => passingNames.includes(name))

/** Another attempt may succeed, as far as KafkaJS knows; what is a StreamError already has been decided. */
export const isRepeatable = (error: unknown): boolean =>
  !isStreamError(error) && chainOf(error).some(({ retriable }) => retriable === true)

/** The broker refuses the records themselves; the same bytes will never be taken. */
export const isPoison = (error: unknown): boolean => hasType(error, poisonous)

/** A newer producer of the same transactional id exists, or the broker has timed the transaction out: only a new producer can tell. */
export const isFenced = (error: unknown): boolean =>
  hasType(error, ['INVALID_PRODUCER_EPOCH']) ||
  // PRODUCER_FENCED is younger than KafkaJS, which then knows only the number.
  chainOf(error).some(({ message }) => message === 'Unknown error code 90')

/** The innermost reason: what the outer errors say is how often something was tried. */
export function causeOf(error: unknown): string {
  return reasonOf(chainOf(error).at(-1) ?? error)
}

export function unreachable(error: unknown, name: string): StreamError {
  const isRefused = refusalOf(causeOf(error)) !== undefined
  return wrap('BROKER_UNREACHABLE', error, isRefused ? `no connection to ${name}` : `${name} does not answer`)
}

/** For what is asked of a broker outside of groups and producers. */
export function requestError(error: unknown, name: string, what: string): StreamError {
  if (hasType(error, unusable)) return wrap('CONFIG_INVALID', error, `${name} refuses ${what}`)
  const codec = codecOf(error)
  if (codec) return unreadable(error, codec, `a read from ${name}`)
  return wrap('BROKER_UNREACHABLE', error, `${name} could not give ${what}`)
}

export function topicMissing(topic: string, cause?: unknown): StreamError {
  return new StreamError('TOPIC_MISSING', `topic "${topic}" does not exist`, { details: { topic }, cause })
}

export function produceError(error: unknown, what: string): StreamError {
  if (isFenced(error)) return wrap('MEMBER_FENCED', error, `${what} was fenced`)
  if (hasType(error, ['INVALID_TRANSACTION_TIMEOUT']))
    return wrap('CONFIG_INVALID', error, `${what} asks for a longer transaction timeout than the broker allows`)
  if (hasType(error, ['NOT_ENOUGH_REPLICAS', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND']))
    return wrap('PRODUCE_FAILED', error, `${what} found fewer replicas in sync than the topic wants`, {
      fix: 'Bring the missing brokers back, or lower `min.insync.replicas` of the topic; what was not written is kept and tried again.',
    })
  return wrap('PRODUCE_FAILED', error, `${what} failed`)
}

export function commitError(error: unknown, group: string): StreamError {
  if (isUnknownMember(error)) return wrap('MEMBER_FENCED', error, `group "${group}" goes on without this member`)
  if (hasType(error, ['OFFSET_METADATA_TOO_LARGE']))
    return wrap('ILLEGAL_STATE', error, `the metadata of an offset of group "${group}" is too long`)
  return wrap('COMMIT_FAILED', error, `group "${group}" could not commit`)
}

/** KafkaJS has gzip, and zstd from us. */
function codecOf(error: unknown): string | undefined {
  return /^(\w+) compression not implemented$/i.exec(causeOf(error))?.[1]
}

function unreadable(error: unknown, codec: string, reader: string): StreamError {
  return wrap('CONSUMER_DEAD', error, `${reader} met records compressed with ${codec}`, {
    fix: 'Let the producers and the topic compress with gzip or zstd, or not at all.',
  })
}

/** Why a member cannot go on. */
export function memberError(error: unknown, group: string): StreamError {
  const outOfRange = chainOf(error).find(({ type }) => type === 'OFFSET_OUT_OF_RANGE')
  if (outOfRange) {
    const { topic, partition } = outOfRange
    const fact = `the position of group "${group}" in ${topic}-${partition} is outside of what the log holds`
    return new StreamError('OFFSET_OUT_OF_RANGE', fact, { cause: error, details: { group, topic, partition } })
  }
  if (isUnknownTopic(error)) return wrap('TOPIC_MISSING', error, `a topic of group "${group}" is gone`)
  const codec = codecOf(error)
  if (codec) return unreadable(error, codec, `group "${group}"`)
  return wrap('CONSUMER_DEAD', error, `a member of group "${group}" failed`)
}

export const isOtherAssignor = (error: unknown): boolean => hasType(error, ['INCONSISTENT_GROUP_PROTOCOL'])

/** Why a member could not join. `used` is the assignor of the other members. */
export function joinError(
  error: unknown,
  { group, assignor }: GroupOptions,
  { name, used }: { readonly name: string; readonly used: string | undefined },
): StreamError {
  if (isPassing(error) && !isUnknownTopic(error)) return unreachable(error, name)
  if (!isOtherAssignor(error)) return memberError(error, group)
  // A group that is rebalancing has not agreed on one again.
  const others = used === undefined ? 'another assignor' : `assignor "${used}"`
  const fact = `group "${group}" uses ${others}, not "${assignor.name}"`
  return new StreamError('CONSUMER_DEAD', fact, { fix: 'Use one assignor in all members of a group.', cause: error })
}

function wrap(code: ErrorCode, error: unknown, fact: string, options: StreamErrorOptions = {}): StreamError {
  if (isStreamError(error)) return error
  const denied = chainOf(error).find(({ type }) => type !== undefined && type in rights)?.type
  if (denied) {
    const fix = rights[denied] ?? ''
    return new StreamError('BROKER_DENIED', `${fact}: ${denied}`, { ...options, fix, cause: error })
  }
  const reason = causeOf(error)
  const refusal = refusalOf(reason)
  if (refusal) return new StreamError(code, `${fact}: ${refusal.fact}`, { ...options, fix: refusal.fix, cause: error })
  return new StreamError(code, `${fact}: ${reason}`, { ...options, cause: error })
}
