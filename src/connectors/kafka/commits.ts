import type { Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { CommitOffset } from '../../runtime/broker.ts'
import type { Assignment } from './assignment.ts'
import { within } from './deadline.ts'
import { commitError, isCoordinatorGone, isUnknownMember } from './errors.ts'
import type { CommittedTopics } from './internals.ts'
import { findCoordinator } from './steady-group.ts'

const attempts = 3
const timeoutMs = 15_000

/** Commits the offsets of one member. */
export class GroupCommits {
  readonly #group: string
  readonly #clock: Clock
  /** One after the other: a commit that waits for its broker must not arrive after a newer one. */
  #last: Promise<void> = Promise.resolve()

  constructor(group: string, clock: Clock) {
    this.#group = group
    this.#clock = clock
  }

  /** The broker would take commits for partitions that the member does not own: that is refused here. */
  async commit(assignment: Assignment | undefined, offsets: readonly CommitOffset[]): Promise<void> {
    if (!assignment || assignment.isFenced || !offsets.every((offset) => assignment.has(offset))) {
      const names = offsets.map(({ topic, partition }) => `${topic}-${partition}`).join(', ')
      const fact = `this member of group "${this.#group}" does not own ${names} any more`
      throw new StreamError('MEMBER_FENCED', fact, { details: { group: this.#group } })
    }
    const attempt = this.#last.then(() => this.#commit(assignment, toKafkaJs(offsets)))
    this.#last = attempt.catch(() => undefined)
    if (await within(this.#clock, timeoutMs, attempt)) return
    throw new StreamError('COMMIT_FAILED', `group "${this.#group}" could not commit within ${timeoutMs} ms`)
  }

  async #commit(assignment: Assignment, topics: CommittedTopics): Promise<void> {
    const { group, offsetManager } = assignment.generation
    for (let attempt = 1; ; attempt++) {
      try {
        // The consumer's own method does nothing while it is not running, as during a first join or while it stops.
        return await offsetManager.commitOffsets({ topics })
      } catch (error) {
        if (isUnknownMember(error)) assignment.isFenced = true
        if (!isCoordinatorGone(error) || attempt === attempts) throw commitError(error, this.#group)
      }
      await findCoordinator(group).catch((error: unknown) => {
        throw commitError(error, this.#group)
      })
    }
  }
}

function toKafkaJs(offsets: readonly CommitOffset[]): CommittedTopics {
  return [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
    topic,
    partitions: ofTopic.map(({ partition, offset, metadata = '' }) => ({
      partition,
      offset: String(offset),
      metadata,
    })),
  }))
}
