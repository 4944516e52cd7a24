import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { stickyAssignor } from '../../../src/runtime/group/assignor.ts'
import { decodeOrders, decodeReport, encodeReport } from '../../../src/runtime/group/member-report.ts'
import { type Candidate, placeStandbys, placeTasks } from '../../../src/runtime/group/task-placement.ts'
import type { TaskId } from '../../../src/topology/processor.ts'

type Positions = Readonly<Record<TaskId, number>>

/** A member that owns these tasks and has come so far in these; without positions it is of an older version. */
function member(memberId: string, tasks: readonly TaskId[], positions?: Positions): Candidate {
  return { memberId, tasks, positions: positions && new Map(Object.entries(positions) as [TaskId, number][]) }
}

const tasksUpTo = (count: number): TaskId[] =>
  Array.from({ length: count }, (_, partition) => `0_${partition}` as const)

describe('a task whose owner is gone', () => {
  test('goes to the member that has come furthest in its changelogs', () => {
    const placed = placeTasks(tasksUpTo(3), [
      member('a', ['0_0'], { '0_0': 10, '0_2': 5 }),
      member('b', ['0_1'], { '0_1': 10, '0_2': 7 }),
    ])

    expect(placed.get('b')).toEqual(['0_1', '0_2'])
  })

  test('goes to the next one when the best has its share', () => {
    const placed = placeTasks(tasksUpTo(4), [
      member('a', ['0_0', '0_1'], { '0_0': 9, '0_1': 9, '0_2': 9, '0_3': 9 }),
      member('b', [], { '0_2': 1 }),
    ])

    expect(placed.get('a')).toEqual(['0_0', '0_1'])
    expect(placed.get('b')).toEqual(['0_2', '0_3'])
  })

  test('goes to whom has the fewest when nobody knows it', () => {
    const placed = placeTasks(tasksUpTo(3), [member('a', ['0_0', '0_1'], {}), member('b', [], {})])

    expect(placed.get('b')).toEqual(['0_2'])
  })
})

test('an owner that must give up tasks gives those back that the newcomer knows', () => {
  const placed = placeTasks(tasksUpTo(4), [
    member('stayed', tasksUpTo(4), { '0_0': 20, '0_1': 20, '0_2': 20, '0_3': 20 }),
    member('restarted', [], { '0_0': 15, '0_1': 15 }),
  ])

  expect(placed.get('stayed')).toEqual(['0_2', '0_3'])
  expect(placed.get('restarted')).toEqual(['0_0', '0_1'])
})

describe('an owner of several sub-topologies that must give up tasks', () => {
  const tasks = [0, 1, 2].flatMap((part) => [0, 1, 2, 3].map((partition): TaskId => `${part}_${partition}`))
  const ofEach = (own: readonly TaskId[] = []) => [0, 1, 2].map((part) => own.filter((id) => id.startsWith(`${part}_`)))

  test('gives up as many of each, so that a newcomer shares the work on every topic', () => {
    const placed = placeTasks(tasks, [member('stayed', tasks, {}), member('new', [], {})])

    expect(ofEach(placed.get('new')).map(({ length }) => length)).toEqual([2, 2, 2])
  })

  test('gives up those of each that the newcomer knows', () => {
    const known: readonly TaskId[] = ['0_0', '0_2', '1_1', '1_2', '2_0', '2_1']
    const positions = Object.fromEntries(known.map((id, index) => [id, index]))

    const placed = placeTasks(tasks, [member('stayed', tasks, {}), member('restarted', [], positions)])

    expect(placed.get('restarted')?.toSorted()).toEqual(known)
  })
})

describe('standbys', () => {
  test('stay where they have come furthest', () => {
    const members = [member('a', ['0_0'], { '0_0': 9 }), member('b', [], { '0_0': 3 }), member('c', [], { '0_0': 8 })]

    const standbys = placeStandbys(['0_0'], 1, { owners: new Map([['a', ['0_0']]]), members })

    expect(standbys.get('c')).toEqual(['0_0'])
  })

  test('are not asked of members that do not know of them', () => {
    const members = [member('a', ['0_0'], {}), member('old', [])]

    const standbys = placeStandbys(['0_0'], 1, { owners: new Map([['a', ['0_0']]]), members })

    expect([...standbys.values()].flat()).toEqual([])
  })

  test('are as many as wanted, never with the owner, never two of a task on one member, and loads differ by two at most', () => {
    const positions = fc.dictionary(
      fc.integer({ min: 0, max: 30 }).map((partition) => `0_${partition}`),
      fc.nat(1_000),
      { maxKeys: 20 },
    )
    const scenario = fc.record({
      tasks: fc.integer({ min: 1, max: 30 }),
      replicas: fc.integer({ min: 0, max: 3 }),
      members: fc.array(fc.record({ owned: fc.array(fc.nat(40), { maxLength: 20 }), positions }), {
        minLength: 1,
        maxLength: 7,
      }),
    })
    fc.assert(
      fc.property(scenario, ({ tasks, replicas, members }) => {
        const ids = tasksUpTo(tasks)
        const candidates = members.map(({ owned, positions }, index) =>
          member(
            `m${index}`,
            [...new Set(owned)].map((partition) => `0_${partition}` as const),
            positions as Positions,
          ),
        )

        const owners = placeTasks(ids, candidates)
        const standbys = placeStandbys(ids, replicas, { owners, members: candidates })

        const loads = [...standbys.values()].map((own) => own.length)
        const copies = Math.min(replicas, members.length - 1)
        expect([...owners.values()].flat().sort()).toEqual(ids.toSorted())
        for (const id of ids) {
          const keepers = [...standbys].filter(([, own]) => own.includes(id)).map(([keeper]) => keeper)
          expect(keepers).toHaveLength(copies)
          expect(keepers.some((keeper) => owners.get(keeper)?.includes(id))).toBe(false)
        }
        for (const own of standbys.values()) expect(new Set(own).size).toBe(own.length)
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(2)
      }),
      { numRuns: 300 },
    )
  })
})

describe('members of two versions in one group', () => {
  const topics = new Map([[0, ['in']]])
  const described = [{ topic: 'in', partitions: 2 }]
  /** What the version before standbys says of itself. */
  const oldReport = (tasks: readonly TaskId[]) => new TextEncoder().encode(JSON.stringify({ tasks }))
  const newReport = (tasks: readonly TaskId[]) =>
    encodeReport({ tasks, positions: new Map(tasks.map((id) => [id, 5])) })
  const assignor = stickyAssignor({
    topics,
    report: () => ({ tasks: ['0_1'], positions: new Map([['0_1', 5]]) }),
    standbyReplicas: 1,
    restorable: new Set([0]),
  })

  test('a newer leader leaves an older member its tasks, and tells it nothing', () => {
    const assignment = assignor.assign(
      [
        { memberId: 'old', data: oldReport(['0_0']) },
        { memberId: 'new', data: newReport(['0_1']) },
        { memberId: 'newer', data: newReport([]) },
      ],
      described,
    )

    expect(assignment.get('old')).toEqual({ partitions: [{ topic: 'in', partition: 0 }], data: new Uint8Array(0) })
    const told = ['new', 'newer'].map((id) => decodeOrders(assignment.get(id)?.data ?? new Uint8Array(0)).standbys)
    expect(told).toEqual([['0_0'], ['0_1']])
  })

  test('a newer member tells an older leader what that understands, under the name that it knows', () => {
    expect(assignor.name).toBe('millrace-sticky-1')
    expect(JSON.parse(new TextDecoder().decode(assignor.memberData()))).toMatchObject({ tasks: ['0_1'] })
  })

  test('all are told what the members with an address have, and an older one without address is left out', () => {
    const hosting = encodeReport({ tasks: ['0_1'], positions: new Map(), address: 'http://10.0.0.7:9465' })

    const assignment = assignor.assign(
      [
        { memberId: 'old', data: oldReport(['0_0']) },
        { memberId: 'hosting', data: hosting },
        { memberId: 'new', data: newReport([]) },
      ],
      described,
    )

    const hosts = [{ address: 'http://10.0.0.7:9465', tasks: ['0_1'], standbys: ['0_0'] }]
    for (const id of ['old', 'hosting', 'new'])
      expect(decodeOrders(assignment.get(id)?.data ?? new Uint8Array(0)).hosts).toEqual(hosts)
  })

  test('nobody is told of addresses in a group so large that its log could not keep what all are told', () => {
    const tooMany = vi.fn()
    const large = stickyAssignor({ topics, report: () => ({ tasks: [] }), tooManyHosts: tooMany })
    const members = Array.from({ length: 120 }, (_, index) => {
      const data = encodeReport({ tasks: [], address: `http://10.0.0.${index}:9465` })
      return { memberId: `member ${index}`, data }
    })

    const assignment = large.assign(members, [{ topic: 'in', partitions: 1_000 }])

    expect(tooMany).toHaveBeenCalledOnce()
    expect(decodeOrders(assignment.get('member 0')?.data ?? new Uint8Array(0)).hosts).toEqual([])
  })

  test.each(['ftp://x', 'no address', 7, null])(
    'an address that nobody can be asked at counts as none: %s',
    (address) => {
      const data = new TextEncoder().encode(JSON.stringify({ address, hosts: [{ address, tasks: ['0_0'] }, null, 7] }))

      expect(decodeReport(data).address).toBeUndefined()
      expect(decodeOrders(data).hosts).toEqual([])
    },
  )

  test.each(['', 'no JSON', '[]', '{"tasks":[1,"x"],"positions":{"0_0":"far","x":1}}'])(
    'a report that is none says nothing: %s',
    (text) => {
      const { tasks, positions } = decodeReport(Buffer.from(text))

      expect(tasks).toEqual([])
      expect([...(positions ?? [])]).toEqual([])
      expect(decodeOrders(Buffer.from(text))).toEqual({ standbys: [], hosts: [] })
    },
  )
})
