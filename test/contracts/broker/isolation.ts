import { describe, expect, test } from 'vitest'
import type { TopicPartition } from '../../../src/runtime/broker.ts'
import { type Log, text, valuesOf } from './harness.ts'
import { TestMember } from './member.ts'
import { Schedule } from './schedule.ts'

/** In the language of `Schedule`. */
const schedules: readonly (readonly [name: string, steps: string, visible: readonly string[]])[] = [
  ['one after the other', 'a+ a- a+ a! b+ b-', ['a1']],
  ['aborted inside of a committed one', 'a+ b+ b. b- a. a!', ['a0', 'a1']],
  ['committed inside of an aborted one', 'a+ b+ b. b! a. a-', ['b0', 'b1']],
  ['nested three deep', 'a+ b+ c+ c- b- a. a! b+ b! c+ c-', ['a0', 'a1', 'b1']],
  ['interleaved, the later one ends first', 'a+ b+ a. b. b- plain a! b+ b!', ['a0', 'a1', 'plain', 'b2']],
  ['several that begin before the first record is read', 'a+ b+ c+ d+ d- c- b! a- d+ d!', ['b0', 'd1']],
  ['aborted in another order than begun', 'a+ b+ c+ b- c- a- a+ b+ c+ c! a! b-', ['a1', 'c1']],
  ['plain records between', 'one a+ two a. a- three a+ a! four', ['one', 'two', 'three', 'a2', 'four']],
  ['the same producer aborts again and again', 'a+ a- a+ a- a+ a! a+ a- b+ b!', ['a2', 'b0']],
]

/** The key of an abort marker on the wire of Kafka begins like this. */
const zeroKey = new Uint8Array(4)

export function isolationFeatures(log: Log): void {
  describe('isolation', () => {
    test.each(schedules)('aborted records are never seen: %s', async (_, steps, visible) => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      await new Schedule(log, place).play(steps)
      await log.send(place, 'end')

      const member = await TestMember.join(log.broker, { group: log.name('group'), topics: [topic] })
      await log.eventually(() => expect(member.values(place).at(-1)).toBe('end'))

      expect(member.values(place)).toEqual([...visible, 'end'])
      await log.eventually(async () => expect(valuesOf(await log.read(place))).toEqual([...visible, 'end']))
    })

    test('aborted records are never seen: from any offset', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      await new Schedule(log, place).play('a+ b+ a. b. c+ b- a. c! a- b+ a+ b! a!')
      await log.send(place, 'end')
      await log.eventually(async () => expect(valuesOf(await log.read(place)).at(-1)).toBe('end'))
      const all = await log.read(place)
      const [offsets] = await log.broker.offsets([place])

      for (let from = 0; from < (offsets?.latest ?? 0); from++) {
        expect(valuesOf(await log.read(place, from))).toEqual(valuesOf(all.filter(({ offset }) => offset >= from)))
      }
      expect(valuesOf(all)).toEqual(['c0', 'b2', 'a3', 'end'])
    })

    test('a key of four zero bytes is only a key', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      const record = (target: TopicPartition, value: string) => ({ ...text(target, value), key: zeroKey })

      await new Schedule(log, place, record).play('a+ b+ plain a. a- b. b! c+ c-')
      await log.send(place, 'end')
      const member = await TestMember.join(log.broker, { group: log.name('group'), topics: [topic] })
      await log.eventually(() => expect(member.values(place).at(-1)).toBe('end'))

      expect(member.values(place)).toEqual(['b0', 'plain', 'b1', 'end'])
      expect(valuesOf(await log.read(place))).toEqual(['b0', 'plain', 'b1', 'end'])
    })

    test('a member is told of the position behind what was aborted at the end', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      const member = await TestMember.join(log.broker, { group: log.name('group'), topics: [topic] })

      await new Schedule(log, place).play('plain a+ a-')

      await log.eventually(async () => {
        const [offsets] = await log.broker.offsets([place])
        expect(offsets?.latest).toBeGreaterThan(1)
        expect(member.position(place)).toBe(offsets?.latest)
      })
      expect(member.values(place)).toEqual(['plain'])
    })
  })
}
