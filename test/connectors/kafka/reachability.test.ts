import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import type { Cluster } from '../../../src/connectors/kafka/internals.ts'
import { Reachability } from '../../../src/connectors/kafka/reachability.ts'
import { type Logger, silentLogger } from '../../../src/logger.ts'

function setUp(addresses = 1) {
  const lines: string[] = []
  const note = (level: string) => (facts: object, sentence: string) =>
    void lines.push(`${level} ${sentence} ${JSON.stringify(facts)}`)
  const logger: Logger = { ...silentLogger, warn: note('warn'), info: note('info') }
  const clock = new ManualClock()
  const reachability = new Reachability({ name: 'kafka a:1', addresses, clock, logger })
  let isThere = true
  const answer = async () => {
    if (!isThere) throw new Error('ECONNREFUSED')
  }
  const brokerPool = { connect: answer, findBroker: answer }
  reachability.watch({ brokerPool } as unknown as Cluster)
  const leave = () => {
    isThere = false
  }
  const comeBack = () => {
    isThere = true
  }
  return { lines, clock, reachability, brokerPool, leave, comeBack }
}

describe('brokers that go and come back', () => {
  test('are told of once each, however often it is tried', async () => {
    const { lines, clock, reachability, brokerPool, leave, comeBack } = setUp()
    leave()
    for (let attempt = 0; attempt < 90; attempt++) {
      await expect(brokerPool.connect()).rejects.toThrow()
      reachability.failed(
        'Failed to connect to seed broker, trying another broker from the list: ECONNREFUSED',
        attempt,
      )
    }
    clock.advance(40_000)
    comeBack()

    await brokerPool.connect()
    await brokerPool.findBroker()

    expect(lines).toEqual([
      'warn kafka a:1 cannot be reached; it is tried again {"reason":"ECONNREFUSED"}',
      'info kafka a:1 is back {"awayMs":40000}',
    ])
  })

  test('are not told of while others of their cluster are there', async () => {
    const { lines, reachability, brokerPool } = setUp(3)

    reachability.failed('ECONNREFUSED', 0)
    reachability.failed('ECONNREFUSED', 1)
    await brokerPool.findBroker()

    expect(lines).toEqual([])
  })
})
