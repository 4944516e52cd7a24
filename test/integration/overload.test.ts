import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { qdrant } from '../../src/connectors/qdrant/sink.ts'
import { book500, changeStream } from '../support/change-stream.ts'
import { dump, produceEvents, startPipeline } from '../support/document-pipeline.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { faultsOf } from '../support/oracle.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { settling } from '../support/settling.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const partitions = 4
const sessionTimeoutMs = 6_000
const maxInFlightRecords = 20
const maxQueuedBytes = 50_000
/** A fetch brings one batch of a producer at least, which is half a mebibyte at most, and a flat share for each of its records. */
const fetchedBytes = 600_000
const events = changeStream(book500)

describe.skipIf(kafkaBrokers.length === 0)(
  'an index that is away for longer than a session while documents arrive',
  () => {
    test('costs bounded memory and no rebalance, and is caught up with', async () => {
      await using folder = await temporaryDirectory()
      await using double = await startQdrantDouble()
      await using broker = kafkaBroker({ brokers: kafkaBrokers })
      await broker.open()
      const topic = `overload-${Date.now()}`
      await broker.createTopics([{ topic, partitions, cleanup: 'compact' }])
      const index = qdrant({ collection: 'documents', url: double.url, requestTimeoutMs: 2_000 })
      const { runtime } = await startPipeline(index, {
        broker,
        topic,
        application: topic,
        stateDirectory: join(folder.path, 'state'),
        commitIntervalMs: 200,
        sessionTimeoutMs,
        maxInFlightRecords,
        maxQueuedBytes,
      })
      await settling(() => expect(runtime.state).toBe('running'))
      const states: string[] = []
      runtime.onStateChange((state) => states.push(state))
      const held = { queuedBytes: 0, inFlight: 0 }
      const look = setInterval(() => {
        for (const { view: own } of runtime.tasks) {
          held.queuedBytes = Math.max(held.queuedBytes, own.queuedBytes)
          held.inFlight = Math.max(held.inFlight, own.inFlight)
        }
      }, 20)

      double.faults.add({ kind: 'status', status: 503 }, { times: Number.POSITIVE_INFINITY, at: /./ })
      const downUntil = Date.now() + 2 * sessionTimeoutMs
      await produceEvents(broker, events, { topic, partitions })
      await settling(() => expect(Date.now()).toBeGreaterThan(downUntil))
      const meanwhile = { states: [...states], requests: double.count(/./) }
      double.faults.clear()
      await runtime.drain()

      clearInterval(look)
      const points = await dump(index)
      await runtime.close()
      console.log(`overload: ${JSON.stringify({ ...held, requests: meanwhile.requests })}`)
      expect(meanwhile.states).toEqual([])
      expect(held.inFlight).toBe(maxInFlightRecords)
      expect(held.queuedBytes).toBeGreaterThan(0)
      expect(held.queuedBytes).toBeLessThan(maxQueuedBytes + fetchedBytes)
      expect(faultsOf(events, points)).toEqual([])
    }, 120_000)
  },
)
