import { describe, expect, test } from 'vitest'
import { type Log, numbered, text } from './harness.ts'
import { TestMember } from './member.ts'

/** What a member receives. */
export function deliveryFeatures(log: Log): void {
  describe('delivery', () => {
    test('each partition comes in order, from the offset that the listener named', async () => {
      const topic = await log.topic(2)
      const first = { topic, partition: 0 }
      const second = { topic, partition: 1 }
      await log.send(first, ...numbered(5))
      await log.send(second, ...numbered(3))

      const member = await TestMember.join(log.broker, {
        group: log.name('group'),
        topics: [topic],
        start: ({ partition }) => (partition === 0 ? 2 : 0),
      })

      await log.eventually(() => {
        expect(member.values(first)).toEqual(['record 2', 'record 3', 'record 4'])
        expect(member.values(second)).toEqual(numbered(3))
      })
      expect(member.records(first).map(({ offset }) => offset)).toEqual([2, 3, 4])
      expect(member.position(first)).toBe(5)
    })

    test('records that are written later arrive as well', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      const member = await TestMember.join(log.broker, { group: log.name('group'), topics: [topic] })
      await log.send(place, 'early')
      await log.eventually(() => expect(member.values(place)).toEqual(['early']))

      await log.send(place, 'late', 'later')

      await log.eventually(() => expect(member.values(place)).toEqual(['early', 'late', 'later']))
    })

    test('the listener is told how long the log took to answer, before it has the records', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      await log.send(place, ...numbered(3))
      let pollsBefore: number | undefined
      const member: TestMember = await TestMember.join(log.broker, {
        group: log.name('group'),
        topics: [topic],
        onRecords: () => {
          pollsBefore ??= member.polls.length
        },
      })

      await log.eventually(() => expect(member.values(place)).toEqual(numbered(3)))

      expect(pollsBefore).toBeGreaterThan(0)
      expect(member.polls.every((durationMs) => durationMs >= 0)).toBe(true)
    })

    test('the listener is told where partitions end before it has records of them, and again when they have more', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      await log.send(place, ...numbered(3))
      let endsBefore: readonly unknown[] | undefined
      const member: TestMember = await TestMember.join(log.broker, {
        group: log.name('group'),
        topics: [topic],
        onRecords: () => {
          endsBefore ??= [...member.ends]
        },
      })
      await log.eventually(() => expect(member.values(place)).toEqual(numbered(3)))

      await log.send(place, 'later')

      expect(endsBefore).toContainEqual({ ...place, offset: 3 })
      await log.eventually(() => expect(member.ends).toContainEqual({ ...place, offset: 4 }))
    })

    test('nothing arrives before assigned has resolved', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      await log.send(place, 'waiting')
      const { promise: mayStart, resolve: start } = Promise.withResolvers<void>()
      const joining = TestMember.join(log.broker, {
        group: log.name('group'),
        topics: [topic],
        onAssigned: () => mayStart,
      })
      await log.send(place, 'as well')

      start()
      const member = await joining

      await log.eventually(() => expect(member.values(place)).toEqual(['waiting', 'as well']))
      expect(member.violations).toEqual([])
    })

    test('a paused partition waits until it is resumed while the others go on', async () => {
      const topic = await log.topic(2)
      const paused = { topic, partition: 0 }
      const other = { topic, partition: 1 }
      const member = await TestMember.join(log.broker, { group: log.name('group'), topics: [topic] })
      await log.send(paused, 'before')
      await log.eventually(() => expect(member.values(paused)).toEqual(['before']))

      member.member.pause([paused])
      await log.send(paused, 'meanwhile')
      await log.send(other, ...numbered(10))
      await log.eventually(() => expect(member.values(other)).toEqual(numbered(10)))
      const whilePaused = member.values(paused)
      member.member.resume([paused])

      await log.eventually(() => expect(member.values(paused)).toEqual(['before', 'meanwhile']))
      expect(whilePaused).toEqual(['before'])
    })

    test('a listener that pauses at every batch is never given more than it can bear', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      const count = 64
      const producer = await log.producer()
      for (const value of numbered(count)) await producer.send([text(place, value.padEnd(100_000, '.'), value)])
      let member: TestMember | undefined
      const sizes: number[] = []
      member = await TestMember.join(log.broker, {
        group: log.name('group'),
        topics: [topic],
        onRecords: (_, batch) => {
          sizes.push(batch.records.length)
          member?.member.pause([place])
          setImmediate(() => member?.member.resume([place]))
        },
      })

      await log.eventually(() => expect(member?.records(place)).toHaveLength(count))

      expect(Math.max(...sizes)).toBeLessThanOrEqual(count / 2)
      expect(member.records(place).map(({ key }) => key && Buffer.from(key).toString())).toEqual(numbered(count))
    })

    test('every record arrives once while members come and go', async () => {
      const topic = await log.topic(4)
      const places = [0, 1, 2, 3].map((partition) => ({ topic, partition }))
      const options = { group: log.name('group'), topics: [topic] }
      const members: TestMember[] = []
      const join = async () => {
        const client = await log.another()
        const member: TestMember = await TestMember.join(client, {
          ...options,
          // What was received is committed before the partitions go to somebody else.
          onRevoked: () => commitAll(member),
        })
        members.push(member)
        return member
      }
      const commitAll = (member: TestMember) => {
        const owned = places.filter(({ partition }) => member.owned.includes(partition))
        const received = owned.filter((place) => member.position(place) !== undefined)
        return member.member.commit(received.map((place) => ({ ...place, offset: member.position(place) ?? 0 })))
      }
      const first = await join()
      for (const place of places) await log.send(place, ...numbered(50, `early in ${place.partition},`))

      await join()
      for (const place of places) await log.send(place, ...numbered(50, `late in ${place.partition},`))
      await first.member.leave()

      for (const place of places) {
        const wanted = [...numbered(50, `early in ${place.partition},`), ...numbered(50, `late in ${place.partition},`)]
        await log.eventually(() => {
          const received = members.flatMap((member) => member.values(place))
          expect(received.toSorted()).toEqual(wanted.toSorted())
        })
      }
      expect(members.flatMap(({ violations }) => violations)).toEqual([])
    })
  })
}
