import type { Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { AssignorMember, GroupDescription, GroupListener, GroupOptions } from '../../runtime/broker.ts'
import type { EmbeddedLog } from './log.ts'
import { Member, type Membership } from './member.ts'

export interface GroupContext {
  readonly log: EmbeddedLog
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * A consumer group inside the process. Rebalances are eager, as with Kafka's classic protocol: everybody gives up everything, then
 * the leader decides. They run one at a time; what changes meanwhile causes another one.
 */
export class Group implements Membership {
  readonly #name: string
  readonly #context: GroupContext
  /** By member id, in the order of joining: the first one is the leader. */
  readonly #members = new Map<string, Member>()
  #lastId = 0
  #isRebalanceWanted = false
  #rebalancing = false

  constructor(name: string, context: GroupContext) {
    this.#name = name
    this.#context = context
  }

  /** Throws TOPIC_MISSING, and CONSUMER_DEAD when the group uses another assignor. */
  join(options: GroupOptions, listener: GroupListener): Member {
    for (const topic of options.topics) this.#context.log.catalog.partitionsOf(topic)
    const [leader] = this.#members.values()
    const used = leader?.options.assignor.name ?? options.assignor.name
    if (used !== options.assignor.name) {
      const fact = `group "${this.#name}" uses assignor "${used}", not "${options.assignor.name}"`
      throw new StreamError('CONSUMER_DEAD', fact, { fix: 'Use one assignor in all members of a group.' })
    }
    const member = new Member(options, listener, { ...this.#context, group: this })
    this.rejoin(member)
    return member
  }

  /** Who is in it, without those that are leaving. */
  describe(): GroupDescription {
    const present = [...this.#members].filter(([, { isLeaving }]) => !isLeaving)
    return {
      members: present.map(([memberId, { options }]) => ({ memberId, host: 'this process', topics: options.topics })),
      assignor: present[0]?.[1].options.assignor.name,
    }
  }

  rejoin(member: Member): void {
    this.#lastId++
    this.#members.set(`${this.#name}-${this.#lastId}`, member)
    this.#rebalance()
  }

  remove(member: Member): void {
    for (const [id, candidate] of this.#members) {
      if (candidate !== member) continue
      this.#members.delete(id)
      this.#rebalance()
    }
  }

  /** All members are out without a word. */
  close(): void {
    for (const member of [...this.#members.values()]) member.abandon()
  }

  #rebalance(): void {
    this.#isRebalanceWanted = true
    if (!this.#rebalancing) void this.#run()
  }

  async #run(): Promise<void> {
    this.#rebalancing = true
    while (this.#isRebalanceWanted) {
      await Promise.all([...this.#members].map(([id, member]) => this.#revoke(id, member)))
      // Whoever came or went while the others gave up their partitions is part of this decision.
      this.#isRebalanceWanted = false
      this.#assign()
    }
    this.#rebalancing = false
  }

  async #revoke(id: string, member: Member): Promise<void> {
    if (await member.revoke()) return
    if (!this.#members.delete(id)) return
    const facts = { group: this.#name, rebalanceTimeoutMs: member.rebalanceTimeoutMs }
    this.#context.logger.warn(facts, 'a member did not give up its partitions in time; the group goes on without it')
    member.lose()
  }

  #assign(): void {
    const candidates = [...this.#members].flatMap(([memberId, member]) => candidateOf(memberId, member))
    const leader = candidates[0]?.member
    if (!leader) return
    const topics = new Set(candidates.flatMap(({ member }) => member.options.topics))
    try {
      const described = this.#context.log.catalog
        .describe([...topics])
        .values()
        .toArray()
      const members = candidates.map(({ memberId, data }) => ({ memberId, data }))
      const assignment = leader.options.assignor.assign(members, described)
      for (const { memberId, member } of candidates) member.assign(assignment.get(memberId) ?? { partitions: [] })
    } catch (error) {
      // The others decide again, with another leader.
      leader.fail(error)
    }
  }
}

interface Candidate extends AssignorMember {
  readonly member: Member
}

/** Nothing when the member leaves, or cannot even tell about itself. */
function candidateOf(memberId: string, member: Member): Candidate[] {
  if (member.isLeaving) return []
  try {
    return [{ memberId, member, data: member.options.assignor.memberData() }]
  } catch (error) {
    member.fail(error)
    return []
  }
}
