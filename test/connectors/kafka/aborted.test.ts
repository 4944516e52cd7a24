import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { withoutAborted } from '../../../src/connectors/kafka/aborted.ts'

interface Message {
  readonly offset: string
  readonly key: Buffer | null
  readonly isControlRecord: boolean
  readonly batchContext: {
    readonly firstOffset: string
    readonly lastOffsetDelta: number
    readonly producerId: string
    readonly inTransaction: boolean
  }
}

interface Aborted {
  readonly producerId: string
  readonly firstOffset: string
  readonly lastOffset: number
}

interface Step {
  readonly action: 'plain' | 'write' | 'commit' | 'abort'
  readonly producerId: string
  readonly key: Buffer | null
}

const zeroKey = Buffer.alloc(4)

/** A partition as a broker keeps it, with its list of aborted transactions in the order of their ends. */
class PartitionLog {
  readonly messages: Message[] = []
  readonly aborted: Aborted[] = []
  readonly #open = new Map<string, number[]>()
  readonly #visible = new Set<number>()

  plain(key: Buffer | null = null): this {
    this.#visible.add(this.messages.length)
    return this.#append('-1', { key })
  }

  write(producerId: string, key: Buffer | null = null): this {
    const offsets = this.#open.get(producerId) ?? []
    this.#open.set(producerId, [...offsets, this.messages.length])
    return this.#append(producerId, { key, inTransaction: true })
  }

  end(producerId: string, outcome: 'commit' | 'abort'): this {
    const offsets = this.#open.get(producerId)
    const [first] = offsets ?? []
    if (!offsets || first === undefined) return this
    this.#open.delete(producerId)
    if (outcome === 'commit') for (const offset of offsets) this.#visible.add(offset)
    else this.aborted.push({ producerId, firstOffset: String(first), lastOffset: this.messages.length })
    const key = Buffer.from([0, 0, 0, outcome === 'commit' ? 1 : 0])
    return this.#append(producerId, { key, inTransaction: true, isControlRecord: true })
  }

  take({ action, producerId, key }: Step): this {
    if (action === 'plain') return this.plain(key)
    return action === 'write' ? this.write(producerId, key) : this.end(producerId, action)
  }

  endAll(): this {
    for (const producerId of [...this.#open.keys()]) this.end(producerId, 'abort')
    return this
  }

  /** What a fetch of this range hands to the filter, and what should come out. */
  fetch(from = 0, to = this.messages.length): { delivered: number[]; expected: number[] } {
    const messages = this.messages.slice(from, to)
    const abortedTransactions = this.aborted.filter(
      ({ firstOffset, lastOffset }) => lastOffset >= from && Number(firstOffset) < to,
    )
    const delivered = withoutAborted({ messages, abortedTransactions })
      .filter(({ isControlRecord }) => !isControlRecord)
      .map(({ offset }) => Number(offset))
    return {
      delivered,
      expected: [...this.#visible].filter((offset) => offset >= from && offset < to).sort((a, b) => a - b),
    }
  }

  #append(
    producerId: string,
    message: { key: Buffer | null; inTransaction?: boolean; isControlRecord?: boolean },
  ): this {
    const offset = String(this.messages.length)
    const { key, inTransaction = false, isControlRecord = false } = message
    const batchContext = { firstOffset: offset, lastOffsetDelta: 0, producerId, inTransaction }
    this.messages.push({ offset, key, isControlRecord, batchContext })
    return this
  }
}

const cases: Record<string, (log: PartitionLog) => PartitionLog> = {
  'a transaction inside another one that is aborted later': (log) =>
    log.write('A').write('B').end('B', 'abort').write('A').end('A', 'abort').write('C').end('C', 'commit'),
  'a transaction that outlives the one in which it began': (log) =>
    log.write('A').write('B').end('A', 'abort').write('B').end('B', 'abort').plain(),
  'several transactions of one producer': (log) =>
    log.write('A').end('A', 'abort').write('A').end('A', 'abort').write('A').end('A', 'commit'),
  'a record with the four zero bytes of an abort marker as its key': (log) =>
    log.write('A').write('A', zeroKey).write('A').end('A', 'abort').write('A', zeroKey).end('A', 'commit'),
  'an aborted and a committed transaction record by record': (log) =>
    log.write('A').write('B').write('A').write('B').end('B', 'commit').end('A', 'abort'),
  'records outside of transactions between aborted ones': (log) =>
    log.plain(zeroKey).write('A').plain().write('A').plain(zeroKey).end('A', 'abort').plain(),
}

describe('records of aborted transactions', () => {
  test.each(Object.entries(cases))('are left out: %s', (_name, write) => {
    const log = write(new PartitionLog())

    const { delivered, expected } = log.fetch()

    expect(delivered).toEqual(expected)
    expect(log.aborted.length).toBeGreaterThan(0)
  })

  test('are left out by a fetch that starts behind the begin of several of them', () => {
    const log = new PartitionLog()
      .write('A')
      .write('B')
      .write('A')
      .write('B')
      .end('B', 'abort')
      .end('A', 'abort')
      .plain()

    const fetches = log.messages.map((_message, from) => log.fetch(from))

    expect(fetches.map(({ delivered }) => delivered)).toEqual(fetches.map(({ expected }) => expected))
  })

  test('are left out of any range of any log', () => {
    const step = fc.record({
      action: fc.constantFrom<Step['action']>('plain', 'write', 'write', 'commit', 'abort'),
      producerId: fc.constantFrom('A', 'B', 'C', 'D'),
      key: fc.constantFrom(null, zeroKey),
    })
    const property = fc.property(fc.array(step, { maxLength: 60 }), fc.nat(), fc.nat(), (steps, start, length) => {
      const log = new PartitionLog()
      for (const one of steps) log.take(one)
      log.endAll()

      const from = start % (log.messages.length + 1)
      const { delivered, expected } = log.fetch(from, from + (length % (log.messages.length + 1)))

      expect(delivered).toEqual(expected)
    })

    fc.assert(property, { numRuns: 500 })
  })
})
