import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TransactionEntry } from '../../../src/connectors/kafka/transaction-log.ts'
import {
  type NextEnd,
  nameOf,
  nextEnd,
  type Outcome,
  outcomesOf,
} from '../../../src/connectors/kafka/transaction-outcomes.ts'
import type { TopicPartition } from '../../../src/runtime/broker.ts'

const at = (topic: string): TopicPartition => ({ topic, partition: 0 })
const [out, other, changelog, offsets] = [at('out'), at('other'), at('changelog'), at('offsets')]
const prepared = (
  outcome: Outcome,
  ...partitions: TopicPartition[]
): Pick<TransactionEntry, 'state' | 'partitions'> => ({
  state: `prepare-${outcome}`,
  partitions,
})

describe('what becomes of a transaction that was left without its end', () => {
  test.each(['commit', 'abort'] as const)('is the %s that was decided, whatever was decided before', (decided) => {
    const entries = [prepared('abort', out), prepared('commit', out), prepared(decided, out, offsets)]

    expect(outcomesOf(entries, [out, offsets])).toEqual(
      new Map([
        ['out-0', decided],
        ['offsets-0', decided],
      ]),
    )
  })

  test('was decided with the last transaction that touched the partition, not with later ones', () => {
    const entries = [prepared('commit', out, offsets), prepared('commit', other, offsets), prepared('abort', offsets)]

    expect(outcomesOf(entries, [out])).toEqual(new Map([['out-0', 'commit']]))
  })

  test('is an abort where the rest of it was aborted since, as by a repair that was interrupted', () => {
    const entries = [prepared('commit', out, changelog, offsets), prepared('abort', out, changelog)]

    expect(outcomesOf(entries, [offsets])).toEqual(new Map([['offsets-0', 'abort']]))
  })

  test('is an abort, said to be undecided, where the log does not tell', () => {
    const outcomes = outcomesOf([prepared('commit', out)], [out, other])

    expect(nextEnd(outcomes, [out, other])).toEqual({ outcome: 'abort', partitions: [other], isDecided: false })
    expect(nextEnd(outcomes, [out])).toEqual({ outcome: 'commit', partitions: [out], isDecided: true })
  })
})

/** The partitions of a broker that may lose markers, and the log of its transaction coordinator. */
class ForgetfulBroker {
  readonly entries: Pick<TransactionEntry, 'state' | 'partitions'>[] = []
  /** For each transaction, what has become of it in each of its partitions. */
  readonly fates: Map<string, Outcome | 'open'>[] = []

  transaction(partitions: readonly TopicPartition[], outcome: Outcome, marked: readonly TopicPartition[]): void {
    this.fates.push(new Map(partitions.map((partition) => [nameOf(partition), 'open'])))
    this.end(partitions, outcome, marked)
  }

  /** A marker ends whatever its producer has open in the partition. */
  end(partitions: readonly TopicPartition[], outcome: Outcome, marked = partitions): void {
    this.entries.push(prepared(outcome, ...partitions))
    for (const fate of this.fates)
      for (const name of marked.map(nameOf)) if (fate.get(name) === 'open') fate.set(name, outcome)
  }

  get hanging(): TopicPartition[] {
    const isOpen = (partition: TopicPartition) => this.fates.some((fate) => fate.get(nameOf(partition)) === 'open')
    return [out, other, changelog, offsets].filter(isOpen)
  }

  /** `missing` are the partitions whose markers are lost again. */
  repair(missing: readonly TopicPartition[] = []): void {
    const { partitions, outcome } = this.#next()
    this.end(partitions, outcome, without(partitions, missing))
  }

  repairAll(): void {
    while (this.hanging.length > 0) this.repair()
  }

  /** The next producer of the id has it aborted, as far as it had come. */
  interruptRepair(where: 'before the offsets' | 'before the end'): void {
    const { partitions } = this.#next()
    this.end(where === 'before the end' ? partitions : without(partitions, [offsets]), 'abort')
  }

  /** What has become of the last transaction: one fate, unless its parts differ. */
  get lastFates(): (Outcome | 'open')[] {
    return [...new Set(this.fates.at(-1)?.values())]
  }

  #next(): NextEnd {
    return nextEnd(outcomesOf(this.entries, this.hanging), this.hanging)
  }
}

function without(partitions: readonly TopicPartition[], some: readonly TopicPartition[]): TopicPartition[] {
  return partitions.filter((partition) => !some.includes(partition))
}

/** Of a task: any of its outputs, always a changelog and the offsets. */
const transactions = fc.record({
  partitions: fc.subarray([out, other]).map((outputs) => [...outputs, changelog, offsets]),
  outcome: fc.constantFrom<Outcome>('commit', 'abort'),
})

describe('repairs', () => {
  test('bring the decision to every partition that has missed it, also when they hang themselves', () => {
    const missed = fc.subarray([out, other, changelog, offsets])
    const script = fc.array(fc.tuple(transactions, missed, fc.array(missed, { maxLength: 2 })))
    fc.assert(
      fc.property(script, (steps) => {
        const broker = new ForgetfulBroker()
        for (const [{ partitions, outcome }, missing, missingAgain] of steps) {
          broker.transaction(partitions, outcome, without(partitions, missing))
          for (const again of [...missingAgain, []]) broker.repair(again)
          expect(broker.lastFates).toEqual([outcome])
        }
      }),
    )
  })

  test('never commit one part of a transaction and abort another, wherever they are interrupted', () => {
    const interruption = fc.constantFrom('before the offsets' as const, 'before the end' as const)
    const script = fc.array(fc.tuple(transactions, fc.array(interruption, { maxLength: 3 })))
    fc.assert(
      fc.property(script, (steps) => {
        const broker = new ForgetfulBroker()
        for (const [{ partitions, outcome }, interruptions] of steps) {
          broker.transaction(partitions, outcome, [])
          for (const where of interruptions) broker.interruptRepair(where)
          broker.repairAll()
          expect(broker.lastFates).toEqual([interruptions.length > 0 ? 'abort' : outcome])
        }
      }),
    )
  })
})
