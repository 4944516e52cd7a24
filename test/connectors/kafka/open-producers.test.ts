import { describe, expect, test } from 'vitest'
import { describeProducersExchange, openProducers } from '../../../src/connectors/kafka/open-producers.ts'

const hex = (...parts: string[]) => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex')

// Tags are empty everywhere (00); lengths and counts are one more than what they say.
const throttle = '00000000'
const finished = '0000000000000007 00000002 00000005 000001a1fff6c785 00000000 ffffffffffffffff 00'
const open = '0000000000000008 00000000 00000000 000001a1fff6c785 ffffffff 0000000000000dd4 00'

const answerOf = (partitions: string) =>
  describeProducersExchange([]).response.decode(hex('00', throttle, '02', '04 6f7574', partitions, '00', '00'))

describe('the question for open producers', () => {
  test('names each topic once, with its partitions', async () => {
    const partitions = [
      { topic: 'out', partition: 0 },
      { topic: 'other', partition: 3 },
      { topic: 'out', partition: 258 },
    ]

    const { buffer } = await describeProducersExchange(partitions).request.encode()

    const topics = ['04 6f7574 03 00000000 00000102 00', '06 6f74686572 02 00000003 00']
    expect(buffer.toString('hex')).toBe(hex('00', '03', ...topics, '00').toString('hex'))
  })

  test('may name a topic of the greatest length, and many partitions', async () => {
    const topic = 'x'.repeat(249)
    const partitions = Array.from({ length: 300 }, (_, partition) => ({ topic, partition }))

    const { buffer } = await describeProducersExchange(partitions).request.encode()

    const name = Buffer.concat([hex('fa01'), Buffer.from(topic)])
    expect(buffer.subarray(2, 2 + name.length)).toEqual(name)
    expect(buffer.subarray(2 + name.length, 4 + name.length)).toEqual(hex('ad02'))
    expect(buffer).toHaveLength(2 + name.length + 2 + 4 * 300 + 2)
  })

  test('is answered with those that have written without an end', async () => {
    const partitions = `03 00000000 0000 00 03 ${finished} ${open} 00  00000102 0000 00 01 00`

    expect(await answerOf(partitions)).toEqual([
      { topic: 'out', partition: 0, isDenied: false, open: ['8'] },
      { topic: 'out', partition: 258, isDenied: false, open: [] },
    ])
  })

  test('is denied partition by partition', async () => {
    expect(await answerOf('02 00000000 001d 00 01 00')).toEqual([
      { topic: 'out', partition: 0, isDenied: true, open: [] },
    ])
  })

  test('is asked again where another broker leads by now', async () => {
    await expect(answerOf('02 00000000 0006 05 6d6f7665 01 00')).rejects.toMatchObject({
      message: 'move',
      type: 'NOT_LEADER_FOR_PARTITION',
    })
  })

  test('is not asked of a broker that does not know it', async () => {
    const broker = { versions: { 60: { maxVersion: 0 } } }

    expect(await openProducers(broker as never, [{ topic: 'out', partition: 0 }])).toEqual([])
  })
})
