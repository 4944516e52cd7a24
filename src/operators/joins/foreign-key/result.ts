import type { ProcessorSupplier } from '../../../topology/processor.ts'
import { type Change, changeRow, sendChanges, tableStoreSpec } from '../../../topology/table.ts'
import { type ForeignKeyJoin, hashOf, sameBytes } from './foreign-key-join.ts'
import type { Answer } from './messages.ts'

/** Joins a row with the answer that it got, if it is still the row that asked, and keeps what comes of it. */
export function joinAnswers<K, L, F, R, VOut>(
  join: ForeignKeyJoin<K, L, F, R, VOut>,
): ProcessorSupplier<K, Answer<R>, K, Change<VOut>> {
  const { name, operator, left, leftValue, store } = join
  const send = sendChanges<K, VOut>(store)
  return {
    name,
    operator,
    stores: [tableStoreSpec(name, store), ...left.stores],
    create: () => ({
      process(record, context) {
        const { key, value: answer, timestamp } = record
        const row = left.get(key, context)
        const current = row ? row.value : null
        if (!answer) return
        if (!sameBytes(answer.hash, hashOf(current, leftValue))) return context.drop('stale')
        const joined = { key, value: resultOf(join, { key, current, other: answer.row }), timestamp }
        const change = changeRow<K, VOut>(name, {}, joined, context)
        if (change) send(record, change, context)
      },
    }),
  }
}

interface Sides<K, L, R> {
  readonly key: K
  readonly current: L | null
  readonly other: R | null
}

function resultOf<K, L, F, R, VOut>(
  { kind, joiner }: ForeignKeyJoin<K, L, F, R, VOut>,
  { key, current, other }: Sides<K, L, R>,
): VOut | null {
  return current === null || (other === null && kind === 'inner') ? null : joiner(current, other, key)
}
