import { writeSync } from 'node:fs'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { logRecord } from './log-records.ts'

/**
 * Writes to the embedded log in the directory of its first argument until it is killed, several sends at a time. Prints a line for what
 * was acknowledged, and only then: `<partition> <offset> <value>` for a record, `committed <count>` for a transaction that wrote the
 * same value to both partitions of `pairs` and committed the count for group `readers`. Values begin with the second argument.
 */
const [directory = '', round = ''] = process.argv.slice(2)
const say = (line: string) => writeSync(1, `${line}\n`)
const recordsTogether = 20
const sendsAtOnce = 8

const broker = embeddedBroker({ directory })
await broker.open()
await broker.createTopics([
  { topic: 'records', partitions: 3 },
  { topic: 'pairs', partitions: 2 },
])

async function sendForEver(sender: number): Promise<never> {
  const producer = await broker.producer()
  for (let count = 0; ; count++) {
    const records = Array.from({ length: recordsTogether }, (_, index) => {
      const value = `${round}-${sender}-${count}-${index}`
      return { value, partition: (count + index) % 3, padding: '.'.repeat(index * 100) }
    })
    const offsets = await producer.send(
      records.map(({ value, partition, padding }) => logRecord({ topic: 'records', partition }, padding, value)),
    )
    for (const [index, { partition, value }] of records.entries()) say(`${partition} ${offsets[index]} ${value}`)
  }
}

async function commitForEver(): Promise<never> {
  const producer = await broker.producer({ transactionalId: 'pairs' })
  for (;;) {
    const [committed] = await broker.committed('readers', [{ topic: 'pairs', partition: 0 }])
    const count = (committed?.offset ?? 0) + 1
    const transaction = await producer.begin()
    for (const partition of [0, 1])
      await transaction.send([logRecord({ topic: 'pairs', partition }, 'pair', `${count}`)])
    await transaction.sendOffsets('readers', [{ topic: 'pairs', partition: 0, offset: count }])
    await transaction.commit()
    say(`committed ${count}`)
  }
}

await Promise.all([commitForEver(), ...Array.from({ length: sendsAtOnce }, (_, sender) => sendForEver(sender))])
