import type { Assignment, Cluster, PartitionAssigner } from 'kafkajs'
import type { Assignor, TopicPartition } from '../../runtime/broker.ts'
import { type JoinGate, joinGate, type KafkaJs } from './compat.ts'
import type { SyncedGroup } from './internals.ts'

const protocolVersion = 1

/** An assignor as KafkaJS wants it: the members' data and the assignments travel in the format of Kafka's consumer protocol. */
export function partitionAssigner(
  { AssignerProtocol: { MemberMetadata, MemberAssignment } }: KafkaJs,
  assignor: Assignor,
  gate: JoinGate,
): PartitionAssigner {
  return ({ cluster }) => ({
    name: assignor.name,
    version: protocolVersion,
    protocol: ({ topics }) => ({
      name: assignor.name,
      metadata: MemberMetadata.encode({
        version: protocolVersion,
        topics,
        userData: Buffer.from(assignor.memberData()),
      }),
    }),
    assign: async ({ members, topics }) => {
      const candidates = members.map(({ memberId, memberMetadata }) => ({
        memberId,
        data: MemberMetadata.decode(memberMetadata)?.userData ?? Buffer.alloc(0),
      }))
      const decided = assignor.assign(
        candidates,
        topics.map((topic) => describe(cluster, topic)),
      )
      return members.map(({ memberId }) => {
        const { partitions = [], data = new Uint8Array(0) } = decided.get(memberId) ?? {}
        return {
          memberId,
          memberAssignment: MemberAssignment.encode({
            version: protocolVersion,
            assignment: byTopic(partitions),
            userData: Buffer.from(data),
          }),
        }
      })
    },
    [joinGate]: gate,
  })
}

/** What the leader said besides the partitions. KafkaJS decodes it, and keeps it to itself. */
export function assignmentData(
  { AssignerProtocol: { MemberAssignment } }: KafkaJs,
  { memberAssignment }: SyncedGroup,
): Uint8Array {
  return MemberAssignment.decode(memberAssignment)?.userData ?? new Uint8Array(0)
}

function describe(cluster: Cluster, topic: string): { topic: string; partitions: number } {
  return { topic, partitions: cluster.findTopicPartitionMetadata(topic).length }
}

function byTopic(partitions: readonly TopicPartition[]): Assignment {
  const groups = Map.groupBy(partitions, ({ topic }) => topic)
  return Object.fromEntries([...groups].map(([topic, group]) => [topic, group.map(({ partition }) => partition)]))
}
