import { StreamError } from '../errors.ts'
import { withValue } from '../record.ts'
import type { ProcessorSupplier } from '../topology/processor.ts'
import type { Stream, StreamSplit } from '../topology/stream.ts'

/** Sees null values, which are deletions. */
export type BranchPredicate<K, V> = (value: V | null, key: K) => boolean

/**
 * Parts a stream: each record goes to the first branch whose predicate it passes, in the order in which they are written, and nowhere when it
 * passes none; end with `() => true` for the rest. Each branch is a stream of its own, out of the node `<name>-<branch>`.
 *
 * A branch that ends in an index is treated as what it is there, a table of documents: what goes another way is a deletion there. Branches that
 * are merged before the index end in it together: what goes from one of them to another stays.
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
  const nodeOf = (branch: B): string => `${name}-${branch}`
  const branchOf = (value: V | null, key: K): string | undefined => {
    const branch = names.find((one) => predicates[one](value, key))
    return branch && nodeOf(branch)
  }
  return {
    onStream: (stream) => {
      const parted = stream.process(choosing(name, branchOf))
      const pairs = names.map((branch) => [branch, parted.process(taking<K, V>(nodeOf(branch)))])
      return Object.fromEntries(pairs) as Record<B, Stream<K, V>>
    },
  }
}

/** `branchOf` gives the node of a branch. */
function choosing<K, V>(
  name: string,
  branchOf: (value: V | null, key: K) => string | undefined,
): ProcessorSupplier<K, V, K, V> {
  return {
    name,
    operator: 'split',
    parts: true,
    create: () => ({
      process(record, context) {
        const branch = branchOf(record.value, record.key)
        for (const other of context.leftBehind(branch)) context.forward(withValue<K, V>(record, null), other)
        if (branch !== undefined) context.forward(record, branch)
      },
    }),
  }
}

function taking<K, V>(name: string): ProcessorSupplier<K, V, K, V> {
  return {
    name,
    operator: 'branch',
    create: () => ({ process: (record, context) => context.forward(record) }),
  }
}
