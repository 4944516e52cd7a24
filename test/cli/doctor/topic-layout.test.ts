import { expect, test } from 'vitest'
import { evenAssignor, TestMember } from '../../contracts/broker/member.ts'
import { DoctorBench } from '../../support/doctor-bench.ts'

const factOf = async (bench: DoctorBench, name: string) =>
  (await bench.diagnose()).find(({ check }) => check === name)?.fact

test('doctor counts one partition, one task and one instance as one', async () => {
  await using bench = await DoctorBench.open([{ topic: 'documents', partitions: 1 }])
  await TestMember.join(bench.log, {
    group: 'app',
    topics: ['documents'],
    assignor: evenAssignor('millrace-sticky-1'),
  })

  expect(await factOf(bench, 'topics')).toBe('"documents" has 1 partition: 1 task')
  expect(await factOf(bench, 'group')).toMatch(/^1 instance runs \(/)
})
