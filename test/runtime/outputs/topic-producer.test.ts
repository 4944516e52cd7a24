import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { StreamError } from '../../../src/errors.ts'
import { silentLogger } from '../../../src/logger.ts'
import type { ProducerRecord } from '../../../src/runtime/broker.ts'
import { TopicProducer } from '../../../src/runtime/outputs/topic-producer.ts'
import { settled } from '../../support/instance.ts'
import { logRecord } from '../../support/log-records.ts'

const place = { topic: 'out', partition: 0 }
const textOf = ({ value }: ProducerRecord) => Buffer.from(value ?? []).toString()

/** A producer whose requests are answered by hand; `requests` holds what each of them carried. */
function handProducer() {
  const clock = new ManualClock()
  const requests: string[][] = []
  const answers: PromiseWithResolvers<readonly number[]>[] = []
  const send = (records: readonly ProducerRecord[]) => {
    const answer = Promise.withResolvers<readonly number[]>()
    requests.push(records.map(textOf))
    answers.push(answer)
    return answer.promise
  }
  const producer = new TopicProducer({
    producer: { send, begin: () => Promise.reject(new Error('no transactions here')), close: async () => undefined },
    clock,
    logger: silentLogger,
    signal: new AbortController().signal,
  })
  const write = (value: string, signal?: AbortSignal) => producer.send(logRecord(place, 'key', value), 0, signal)
  return { clock, requests, answers, write }
}

const closed = new StreamError('MEMBER_FENCED', 'task 0_0 is closed')

const rejected = { status: 'rejected', reason: closed }
const fulfilled = { status: 'fulfilled' }

describe('records of a task that was closed', () => {
  test('are not sent when they still wait for the request before', async () => {
    const task = new AbortController()
    const { requests, answers, write } = handProducer()
    const underWay = write('under way', task.signal)
    await settled()
    const writes = Promise.allSettled([underWay, write('waiting', task.signal), write('of another task')])

    task.abort(closed)
    answers[0]?.resolve([0])
    await settled()
    answers[1]?.resolve([1])

    expect(await writes).toMatchObject([fulfilled, rejected, fulfilled])
    expect(requests).toEqual([['under way'], ['of another task']])
  })

  test('are not sent again when the request failed that they were in', async () => {
    const task = new AbortController()
    const { clock, requests, answers, write } = handProducer()
    const writes = Promise.allSettled([write('abandoned', task.signal), write('of another task')])
    await settled()

    task.abort(closed)
    answers[0]?.reject(new StreamError('PRODUCE_FAILED', 'the leader is moving'))
    await settled()
    clock.advance(1_000)
    await settled()
    answers[1]?.resolve([0])

    expect(await writes).toMatchObject([rejected, fulfilled])
    expect(requests).toEqual([['abandoned', 'of another task'], ['of another task']])
  })
})
