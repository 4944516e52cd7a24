import { readdirSync, readlinkSync } from 'node:fs'
import { expect, inject, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker, GroupListener } from '../../src/runtime/broker.ts'
import { FastClock } from '../support/fast-clock.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'

const rounds = 50

/** As fast as the wall; it counts the timers that wait. */
const clock = new FastClock(1)

function held() {
  const isSocket = (id: string) => {
    try {
      return readlinkSync(`/proc/self/fd/${id}`).startsWith('socket:')
    } catch {
      return false
    }
  }
  const sockets = process.platform === 'linux' ? readdirSync('/proc/self/fd').filter(isSocket).length : 0
  const resources = process.getActiveResourcesInfo()
  const count = (kind: string) => resources.filter((name) => name === kind).length
  return { sockets, tcp: count('TCPSocketWrap'), timers: count('Timeout'), ours: clock.pending }
}

/** What is being closed is gone in a moment. */
async function settlingTo(expected: ReturnType<typeof held>): Promise<ReturnType<typeof held>> {
  const isMore = (now: ReturnType<typeof held>) =>
    now.sockets > expected.sockets || now.tcp > expected.tcp || now.timers > expected.timers || now.ours > expected.ours
  for (const until = Date.now() + 5_000; isMore(held()) && Date.now() < until; ) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return held()
}

const quietListener: GroupListener = {
  assigned: async (partitions) => partitions.map((partition) => ({ ...partition, offset: 0 })),
  revoked: async () => undefined,
  lost: async () => undefined,
  records: () => undefined,
  failed: () => undefined,
}

async function joinAndLeave(broker: Broker, topic: string): Promise<void> {
  const assignor = {
    name: 'all-to-the-first',
    memberData: () => new Uint8Array(0),
    assign: () => new Map(),
  }
  const member = await broker.join({ group: `${topic}-group`, topics: [topic], assignor }, quietListener)
  await member.leave()
}

async function produceOnce(broker: Broker, topic: string): Promise<void> {
  const producer = await broker.producer()
  const value = Buffer.from('x')
  await producer.send([{ topic, partition: 0, key: value, value, timestamp: 1, headers: noHeaders }])
  await producer.close()
}

test.skipIf(!inject('kafkaBrokers'))(
  'producers and members that were opened and closed fifty times leave no socket and no timer behind',
  async () => {
    const warnings: string[] = []
    const onWarning = ({ name, message }: Error) => void warnings.push(`${name}: ${message}`)
    process.on('warning', onWarning)
    const before = held()
    const broker = kafkaBroker({ brokers: kafkaBrokers, clock })
    await broker.open()
    const topic = `handles-${Date.now()}`
    await broker.createTopics([{ topic, partitions: 1, replicationFactor: 1 }])
    const round = async () => {
      await produceOnce(broker, topic)
      await joinAndLeave(broker, topic)
    }
    for (let warmup = 0; warmup < 3; warmup++) await round()
    const warm = held()

    for (let count = 0; count < rounds; count++) await round()
    const after = await settlingTo(warm)
    await broker.close()
    const closed = await settlingTo(before)
    process.off('warning', onWarning)

    console.info({ before, warm, after, closed })
    for (const kind of ['sockets', 'tcp', 'timers', 'ours'] as const) {
      expect(after[kind], kind).toBeLessThanOrEqual(warm[kind])
      expect(closed[kind], kind).toBeLessThanOrEqual(before[kind])
    }
    expect(warnings).toEqual([])
  },
)
