import { StreamError } from '../errors.ts'
import { withValue } from '../record.ts'
import type { ProcessorSupplier } from '../topology/processor.ts'
import type { Stream, StreamSplit } from '../topology/stream.ts'

/** Sees null values, which are deletions. */
export type BranchPredicate<K, V> = (value: V | null, key: K) => boolean

/** A value, and the branch that it belongs to; undefined: to none. */
interface Branched<V> {
  readonly branch: string | undefined
  readonly value: V | null
}

/**
 * Parts a stream: each record goes to the first branch whose predicate it passes, in the order in which they are written, and nowhere when it
 * passes none; end with `() => true` for the rest. Each branch is a stream of its own, out of the node `<name>-<branch>`.
 *
 * A branch that ends in an index is treated as what it is there, a table of documents: what goes another way is a deletion there.
 *
 * @example
 * const { urgent, rest } = orders.split(branches('orders', {
 *   urgent: (order) => order?.express === true,
 *   rest: () => true,
 * }))
 */
export function branches<K, V, B extends string>(
  name: string,
  predicates: Readonly<Record<B, BranchPredicate<K, V>>>,
): StreamSplit<K, V, B> {
  const names = Object.keys(predicates) as B[]
  for (const branch of names) {
    if (/^\d+$/.test(branch)) {
      const fact = `branch ${branch} of step "${name}" has a number for a name, which would come before all others`
      throw new StreamError('CONFIG_INVALID', fact, { fix: 'Give it a name with a letter in it.' })
    }
  }
  const branchOf = (value: V | null, key: K): string | undefined =>
    names.find((branch) => predicates[branch](value, key))
  return {
    onStream: (stream) => {
      const parted = stream.process(choosing(name, branchOf))
      const pairs = names.map((branch) => [branch, parted.process(taking<K, V>(name, branch))])
      return Object.fromEntries(pairs) as Record<B, Stream<K, V>>
    },
  }
}

function choosing<K, V>(
  name: string,
  branchOf: (value: V | null, key: K) => string | undefined,
): ProcessorSupplier<K, V, K, Branched<V>> {
  return {
    name,
    operator: 'split',
    create: () => ({
      process(record, context) {
        const { key, value } = record
        context.forward(withValue(record, { branch: branchOf(value, key), value }))
      },
    }),
  }
}

function taking<K, V>(name: string, branch: string): ProcessorSupplier<K, Branched<V>, K, V> {
  return {
    name: `${name}-${branch}`,
    operator: 'branch',
    create: () => ({
      process(record, context) {
        const { value } = record
        if (value?.branch === branch) context.forward(withValue<K, V>(record, value.value))
        else if (context.maintainsIndex) context.forward(withValue<K, V>(record, null))
      },
    }),
  }
}
