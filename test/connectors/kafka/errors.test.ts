import { describe, expect, test } from 'vitest'
import { loadKafkaJs } from '../../../src/connectors/kafka/compat.ts'
import {
  causeOf,
  commitError,
  isPassing,
  isPoison,
  isRepeatable,
  isUnknownMember,
  joinError,
  memberError,
  produceError,
  requestError,
  topicMissing,
} from '../../../src/connectors/kafka/errors.ts'
import { evenAssignor } from '../../contracts/broker/member.ts'

const { KafkaJSConnectionError, KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded, KafkaJSProtocolError } =
  loadKafkaJs()

/** An error as a broker's answer makes it. */
function protocol(type: string, code = 1): Error {
  return Object.assign(new KafkaJSProtocolError(`${type} happened`), { type, code })
}

/** The same inside of the errors that KafkaJS puts around it. */
function wrapped(cause: Error): Error {
  const exceeded = new KafkaJSNumberOfRetriesExceeded(cause, { retryCount: 5, retryTime: 1_000 })
  return Object.assign(new KafkaJSNonRetriableError('gave up'), { cause: exceeded })
}

describe('errors of Kafka', () => {
  test.each([
    [
      'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
      (error: unknown) => produceError(error, 'a producer'),
      /Allow Describe and Write on transactional ids/,
    ],
    [
      'TOPIC_AUTHORIZATION_FAILED',
      (error: unknown) => requestError(error, 'kafka', 'offsets'),
      /on the topics of the topology/,
    ],
    ['GROUP_AUTHORIZATION_FAILED', (error: unknown) => commitError(error, 'app'), /Read on the group/],
    ['GROUP_AUTHORIZATION_FAILED', (error: unknown) => memberError(error, 'app'), /Read on the group/],
    [
      'CLUSTER_AUTHORIZATION_FAILED',
      (error: unknown) => produceError(error, 'a producer'),
      /IdempotentWrite on the cluster/,
    ],
  ])('%s is final, and says which right is missing', (type, toError, fix) => {
    expect(toError(wrapped(protocol(type)))).toMatchObject({
      code: 'BROKER_DENIED',
      reaction: 'fatal',
      fact: expect.stringContaining(type),
      fix: expect.stringMatching(fix),
    })
  })

  test('too few replicas are waited for, and the sentence says so', () => {
    const error = produceError(wrapped(protocol('NOT_ENOUGH_REPLICAS')), 'a send')

    expect(error).toMatchObject({ code: 'PRODUCE_FAILED', reaction: 'retry' })
    expect(error.message).toMatch(/fewer replicas in sync than the topic wants.*Bring the missing brokers back/)
  })

  test.each([
    ['INVALID_PRODUCER_EPOCH', 'MEMBER_FENCED'],
    ['INVALID_TRANSACTION_TIMEOUT', 'CONFIG_INVALID'],
    ['NOT_ENOUGH_REPLICAS', 'PRODUCE_FAILED'],
    ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'PRODUCE_FAILED'],
  ])('%s of a producer is %s, however deep it lies', (type, code) => {
    expect(produceError(protocol(type), 'a send').code).toBe(code)
    expect(produceError(wrapped(protocol(type)), 'a send').code).toBe(code)
  })

  test('the fencing that KafkaJS does not know by name is recognized by its number', () => {
    expect(produceError(new Error('Unknown error code 90'), 'a commit').code).toBe('MEMBER_FENCED')
  })

  test.each([
    ['UNKNOWN_MEMBER_ID', 'MEMBER_FENCED'],
    ['ILLEGAL_GENERATION', 'MEMBER_FENCED'],
    ['FENCED_INSTANCE_ID', 'MEMBER_FENCED'],
    ['REBALANCE_IN_PROGRESS', 'COMMIT_FAILED'],
    ['NOT_COORDINATOR_FOR_GROUP', 'COMMIT_FAILED'],
    ['OFFSET_METADATA_TOO_LARGE', 'ILLEGAL_STATE'],
  ])('%s of a commit is %s', (type, code) => {
    expect(commitError(wrapped(protocol(type)), 'group').code).toBe(code)
  })

  test.each([
    ['OFFSET_OUT_OF_RANGE', 'OFFSET_OUT_OF_RANGE'],
    ['UNKNOWN_TOPIC_OR_PARTITION', 'TOPIC_MISSING'],
    ['GROUP_AUTHORIZATION_FAILED', 'BROKER_DENIED'],
  ])('%s ends a member with %s', (type, code) => {
    expect(memberError(wrapped(protocol(type)), 'group').code).toBe(code)
  })

  test.each([
    ['INVALID_CONFIG', 'CONFIG_INVALID'],
    ['INVALID_REPLICATION_FACTOR', 'CONFIG_INVALID'],
    ['TOPIC_AUTHORIZATION_FAILED', 'BROKER_DENIED'],
  ])('%s as an answer is %s', (type, code) => {
    expect(requestError(protocol(type), 'kafka', 'offsets').code).toBe(code)
  })

  test('a join that reaches no broker says so', () => {
    const options = { group: 'group', topics: ['documents'], assignor: evenAssignor() }
    const error = wrapped(new KafkaJSConnectionError('connect ECONNREFUSED'))

    expect(joinError(error, options, { name: 'kafka', used: undefined }).code).toBe('BROKER_UNREACHABLE')
  })

  test('what passes, what is poison and what ends a membership is seen through every wrapping', () => {
    expect(isPassing(wrapped(protocol('NOT_LEADER_FOR_PARTITION')))).toBe(true)
    expect(isPassing(wrapped(protocol('INVALID_RECORD')))).toBe(false)
    expect(isPoison(wrapped(protocol('INVALID_RECORD')))).toBe(true)
    expect(isUnknownMember(wrapped(protocol('UNKNOWN_MEMBER_ID')))).toBe(true)
  })

  test('a decided error is not repeated, although its cause could be', () => {
    const cause = Object.assign(protocol('UNKNOWN_TOPIC_OR_PARTITION'), { retriable: true })

    expect(isRepeatable(wrapped(cause))).toBe(true)
    expect(isRepeatable(topicMissing('documents', cause))).toBe(false)
  })

  test('a StreamError stays what it is', () => {
    const error = commitError(protocol('UNKNOWN_MEMBER_ID'), 'group')

    expect(produceError(error, 'a send')).toBe(error)
  })

  test('the innermost reason is told', () => {
    expect(causeOf(wrapped(protocol('INVALID_RECORD')))).toBe('INVALID_RECORD happened')
  })
})
