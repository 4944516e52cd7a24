import type { StreamRecord } from '../../../record.ts'
import type { ProcessorContext, ProcessorSupplier } from '../../../topology/processor.ts'
import { type Change, changeRow, rowsIn, sendChanges, tableStoreSpec } from '../../../topology/table.ts'
import { sameBytes } from '../../same-bytes.ts'
import { type ForeignKeyJoin, hashOf } from './foreign-key-join.ts'
import type { Answer } from './messages.ts'

/** Joins a row with the answer that it got, if it is still the row that asked, and keeps what comes of it. */
export function joinAnswers<K, L, F, R, VOut>(
  join: ForeignKeyJoin<K, L, F, R, VOut>,
): ProcessorSupplier<K, Answer<R>, K, Change<VOut>> {
  const { name, operator, left, store } = join
  const send = sendChanges<K, VOut>(store)
  return {
    name,
    operator,
    caching: store.caching,
    stores: [tableStoreSpec(name, store), ...left.stores],
    create: () => ({
      process(record, context) {
        const value = record.value && resultOf(join, { ...record, value: record.value }, context)
        const change = value && changeRow<K, VOut>(name, {}, { ...record, value: value.result }, context)
        if (change) send(record, change, context)
      },
    }),
  }
}

/** What the row is now; undefined when the answer says nothing about it. */
function resultOf<K, L, F, R, VOut>(
  { name, kind, left, leftValue, joiner }: ForeignKeyJoin<K, L, F, R, VOut>,
  { key, value: answer }: Pick<StreamRecord<K, Answer<R>>, 'key'> & { readonly value: Answer<R> },
  context: ProcessorContext<K, Change<VOut>>,
): { readonly result: VOut | null } | undefined {
  const current = left.get(key, context)?.value ?? null
  const isStale = !sameBytes(answer.hash, hashOf(current, leftValue))
  if (isStale && !answer.quiet) context.drop('stale')
  if (isStale || (answer.quiet && !rowsIn<K, VOut>(name, context).get(key))) return undefined
  const hasRow = current !== null && (answer.row !== null || kind === 'left')
  return { result: hasRow ? joiner(current, answer.row, key) : null }
}
