import type { StreamRecord } from '../../../record.ts'
import { nullable, type Serde } from '../../../serde.ts'
import type { ProcessorContext, ProcessorSupplier } from '../../../topology/processor.ts'
import type { Change } from '../../../topology/table.ts'
import { partitionOf } from '../../../topology/task-id.ts'
import { sameBytes } from '../../same-bytes.ts'
import { type ForeignKeyJoin, hashOf, registrationTopic } from './foreign-key-join.ts'
import { type Subscriber, type Subscription, subscriptions } from './messages.ts'

/** A subscription, and the foreign key that it is about. */
type Message<F> = Pick<Subscription, 'kind' | 'answer'> & { readonly to: F | null }

/** The foreign keys of a row before and after a change; null: none. */
interface ForeignKeys<F> {
  readonly before: F | null
  readonly now: F | null
  /** It has left the one before. */
  readonly hasMoved: boolean
}

/**
 * The step behind the left table: tells the task of the foreign key of each row that it refers to it, and that of the key before that it does
 * not any more. What refers to nothing may be answered by any task.
 */
export function subscribe<K, L, F, R, VOut>(
  join: ForeignKeyJoin<K, L, F, R, VOut>,
): ProcessorSupplier<K, Change<L>, F | null, Subscription> {
  const { name, right } = join
  return {
    name: `${name}-subscribe`,
    operator: 'subscribe',
    changesKey: true,
    repartition: {
      topic: registrationTopic(name),
      key: nullable(right.rows.key) as Serde<unknown>,
      value: subscriptions as Serde<unknown>,
    },
    create: () => ({ process: (record, context) => tell(join, record, context) }),
  }
}

function tell<K, L, F, R, VOut>(
  join: ForeignKeyJoin<K, L, F, R, VOut>,
  { key, value: change, timestamp, headers }: StreamRecord<K, Change<L>>,
  context: ProcessorContext<F | null, Subscription>,
): void {
  if (!change || isNothing(change)) return
  if (change.outOfOrder) {
    context.drop('late')
    return
  }
  const keys = foreignKeysOf(join, change, key)
  if (isMissed(join.kind, change, keys)) context.drop('null_key')
  const subscriber: Subscriber = {
    key: join.left.rows.key.serialize(key),
    partition: partitionOf(context.task),
    hash: hashOf(change.newValue, join.leftValue),
  }
  for (const { to, ...message } of messages(join.kind, keys))
    context.forward({ key: to, value: { ...message, subscriber }, timestamp, headers })
}

/** What was not there is deleted. */
function isNothing({ newValue, oldValue }: Change<unknown>): boolean {
  return newValue === null && oldValue() === null
}

/** An inner join has no place for a row that refers to nothing. */
function isMissed(kind: 'inner' | 'left', { newValue }: Change<unknown>, { now }: ForeignKeys<unknown>): boolean {
  return kind === 'inner' && newValue !== null && now === null
}

function foreignKeysOf<K, L, F, R, VOut>(
  { by, right }: ForeignKeyJoin<K, L, F, R, VOut>,
  change: Change<L>,
  key: K,
): ForeignKeys<F> {
  const foreignKeyOf = (value: L | null) => (value === null ? null : by(value, key))
  const [before, now] = [foreignKeyOf(change.oldValue()), foreignKeyOf(change.newValue)]
  const bytesOf = (foreignKey: F | null) => (foreignKey === null ? null : right.rows.key.serialize(foreignKey))
  return { before, now, hasMoved: before !== null && !sameBytes(bytesOf(before), bytesOf(now)) }
}

/**
 * Every change gets an answer: an earlier one may be on its way that is stale by now. The original asks for none where there is nothing to
 * delete, were all answers here, and leaves rows behind that it should have deleted.
 */
function messages<F>(kind: 'inner' | 'left', { before, now, hasMoved }: ForeignKeys<F>): readonly Message<F>[] {
  const answer = hasMoved || kind === 'left' ? 'always' : 'quiet'
  // The answer of an inner join deletes, at the later time of both rows.
  if (kind === 'inner' && now === null) return [{ to: before, kind: 'unsubscribe', answer }]
  const leaving: readonly Message<F>[] = hasMoved ? [{ to: before, kind: 'unsubscribe', answer: 'never' }] : []
  return [...leaving, { to: now, kind: 'subscribe', answer }]
}
