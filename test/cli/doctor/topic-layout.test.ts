import { expect, test } from 'vitest'
import { kafka } from '../../../src/connectors/index.ts'
import { count } from '../../../src/operators/index.ts'
import { string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
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

test('doctor says of a repartition topic that is not there that it will be made', async () => {
  const builder = new TopologyBuilder()
  builder
    .stream('orders', kafka({ topic: 'orders', key: string, value: string }))
    .process(count('per-shop', { by: (order) => order }))
  await using bench = await DoctorBench.open([{ topic: 'orders', partitions: 2 }])
  bench.ownTopology = builder.build()

  const before = await factOf(bench, 'topics')
  await bench.log.createTopics([{ topic: 'app-per-shop-repartition', partitions: 2 }])

  expect(before).toBe('"orders" has 2 partitions, "app-per-shop-repartition" will be made with 2 partitions: 4 tasks')
  expect(await factOf(bench, 'topics')).toBe(
    '"orders" has 2 partitions, "app-per-shop-repartition" has 2 partitions: 4 tasks',
  )
})
