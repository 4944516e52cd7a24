import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assignTasks, stickyAssignor } from '../../../src/runtime/group/assignor.ts'
import type { TaskId } from '../../../src/topology/processor.ts'

const data = (tasks: readonly TaskId[]) => new TextEncoder().encode(JSON.stringify({ tasks }))
const tasksUpTo = (count: number): TaskId[] =>
  Array.from({ length: count }, (_, partition) => `0_${partition}` as const)

describe('the assignor', () => {
  test('brings equal partitions of the topics of a sub-topology to one member', () => {
    const assignor = stickyAssignor({ topics: new Map([[0, ['a', 'b']]]), report: () => ({ tasks: [] }) })
    const members = [
      { memberId: 'one', data: data([]) },
      { memberId: 'two', data: data([]) },
    ]

    const assignment = assignor.assign(members, [
      { topic: 'a', partitions: 2 },
      { topic: 'b', partitions: 2 },
    ])

    for (const { partitions } of assignment.values()) {
      expect(partitions.map(({ topic }) => topic)).toEqual(['a', 'b'])
      expect(new Set(partitions.map(({ partition }) => partition)).size).toBe(1)
    }
  })

  test('gives nothing to members whose sub-topologies read other topics, and names them', () => {
    const foreign: string[] = []
    const of = (topic: string) =>
      stickyAssignor({
        topics: new Map([[0, [topic]]]),
        report: () => ({ tasks: [] }),
        foreign: (members) => foreign.push(...members),
      })
    const [documents, users] = [of('documents'), of('users')]
    const members = [
      { memberId: 'one', data: documents.memberData() },
      { memberId: 'two', data: users.memberData() },
      { memberId: 'of an older version', data: data([]) },
    ]

    const assignment = documents.assign(members, [{ topic: 'documents', partitions: 4 }])

    expect([...assignment].map(([member, { partitions }]) => [member, partitions.length])).toEqual([
      ['one', 2],
      ['of an older version', 2],
    ])
    expect(foreign).toEqual(['two'])
  })

  test('leaves tasks where they are when nobody comes or goes', () => {
    const before = new Map<string, TaskId[]>([
      ['one', ['0_0', '0_3']],
      ['two', ['0_1', '0_2']],
    ])

    const after = assignTasks(
      tasksUpTo(4),
      [...before].map(([memberId, tasks]) => ({ memberId, data: data(tasks) })),
    )

    expect(after).toEqual(before)
  })

  test('moves only as many tasks as a new member needs', () => {
    const after = assignTasks(tasksUpTo(4), [
      { memberId: 'one', data: data(tasksUpTo(4)) },
      { memberId: 'new', data: data([]) },
    ])

    expect(after.get('one')).toEqual(['0_0', '0_1'])
    expect(after.get('new')).toEqual(['0_2', '0_3'])
  })

  test('does not trust what a member of another version says', () => {
    const after = assignTasks(tasksUpTo(1), [{ memberId: 'one', data: Uint8Array.of(1, 2, 3) }])

    expect(after.get('one')).toEqual(['0_0'])
  })

  test('every task has one owner and loads differ by one at most, whatever was before', () => {
    const scenario = fc.record({
      tasks: fc.integer({ min: 0, max: 30 }),
      members: fc.array(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 20 }), { minLength: 1, maxLength: 8 }),
    })
    fc.assert(
      fc.property(scenario, ({ tasks, members }) => {
        const after = assignTasks(
          tasksUpTo(tasks),
          members.map((owned, index) => ({ memberId: `m${index}`, data: data(owned.map((p) => `0_${p}` as const)) })),
        )

        const loads = [...after.values()].map((own) => own.length)
        expect([...after.values()].flat().sort()).toEqual(tasksUpTo(tasks).sort())
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1)
      }),
    )
  })
})
