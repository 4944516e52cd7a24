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

interface WaitingCommit {
  readonly assignment: Assignment
  readonly offsets: readonly CommitOffset[]
  readonly done: PromiseWithResolvers<void>
}

/**
 * Commits the offsets of one member, one request after the other: a commit that waits for its broker must not arrive after a newer one.
 * What comes meanwhile goes into one request together: many tasks that commit at once, as in a rebalance, need two.
 */
export class GroupCommits {
  readonly #group: string
  readonly #clock: Clock
  readonly #waiting: WaitingCommit[] = []
  #isSending = false

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
    const done = Promise.withResolvers<void>()
    this.#waiting.push({ assignment, offsets, done })
    if (!this.#isSending) void this.#send()
    if (await within(this.#clock, timeoutMs, done.promise)) return
    throw new StreamError('COMMIT_FAILED', `group "${this.#group}" could not commit within ${timeoutMs} ms`)
  }

  async #send(): Promise<void> {
    this.#isSending = true
    for (let [first] = this.#waiting; first; [first] = this.#waiting) {
      const { assignment } = first
      const end = this.#waiting.findIndex((commit) => commit.assignment !== assignment)
      const together = this.#waiting.splice(0, end < 0 ? this.#waiting.length : end)
      try {
        await this.#commit(assignment, toKafkaJs(newestOf(together.flatMap(({ offsets }) => offsets))))
        for (const { done } of together) done.resolve()
      } catch (error) {
        for (const { done } of together) done.reject(error)
      }
    }
    this.#isSending = false
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

/** The last commit of each partition. */
function newestOf(offsets: readonly CommitOffset[]): CommitOffset[] {
  return [...new Map(offsets.map((offset) => [`${offset.topic}-${offset.partition}`, offset])).values()]
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
