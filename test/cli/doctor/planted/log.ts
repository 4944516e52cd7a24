import { z } from 'zod'
import { jsonSchema, kafka, schemaRegistry } from '../../../../src/connectors/index.ts'
import { string } from '../../../../src/serde.ts'
import { TopologyBuilder } from '../../../../src/topology/builder.ts'
import { evenAssignor, TestMember } from '../../../contracts/broker/member.ts'
import { FastClock } from '../../../support/fast-clock.ts'
import { RecordingSink } from '../../../support/recording-sink.ts'
import type { Fault } from './fault.ts'

const documents = { topic: 'documents', partitions: 4 }
const changelog = { topic: 'app-changes-changelog', partitions: 4, cleanup: 'compact' as const }

/** On the log: topics, group, offsets, records. */
export const logFaults: readonly Fault[] = [
  {
    name: 'a topic that is missing',
    topics: [],
    plant: () => undefined,
    expected: { level: 'problem', check: 'topics', fact: /has no topic "documents"/, fix: /Create the topic/ },
  },
  {
    name: 'a changelog with another number of partitions',
    topics: [documents, { ...changelog, partitions: 2 }],
    plant: () => undefined,
    expected: {
      level: 'problem',
      check: 'changelogs',
      fact: /"app-changes-changelog" has 2 partitions, but there are 4 tasks/,
      fix: /another `application`/,
    },
  },
  {
    name: 'a changelog that is not compacted',
    topics: [documents, { ...changelog, cleanup: 'delete' }],
    plant: () => undefined,
    expected: {
      level: 'problem',
      check: 'changelogs',
      fact: /cleanup\.policy "delete"/,
      fix: /Set `cleanup\.policy=compact`/,
    },
  },
  {
    name: 'a group that other programs use',
    plant: async (bench) => {
      const assignor = evenAssignor('range')
      await TestMember.join(bench.log, { group: 'app', topics: ['documents'], assignor })
    },
    expected: {
      level: 'problem',
      check: 'group',
      fact: /group "app" uses assignor "range"/,
      fix: /Choose an `application` that no consumer has/,
    },
  },
  {
    name: 'two topologies that run under one application',
    topics: [documents, { topic: 'others', partitions: 1 }],
    plant: async (bench) => {
      const assignor = evenAssignor('millrace-sticky-1')
      await TestMember.join(bench.log, { group: 'app', topics: ['others'], assignor })
    },
    expected: {
      level: 'problem',
      check: 'group',
      fact: /1 of 1 members of group "app" read other topics/,
      fix: /an `application` of its own/,
    },
  },
  {
    name: 'an application that has read other topics before',
    topics: [documents, { topic: 'others', partitions: 1 }],
    plant: (bench) => bench.commit({ topic: 'others', partition: 0, offset: 0 }),
    expected: { level: 'warning', check: 'history', fact: /does not read: others/, fix: /delete its offsets/ },
  },
  {
    name: 'a committed offset that is not in the log',
    plant: (bench) => bench.commit({ topic: 'documents', partition: 2, offset: 9 }),
    expected: {
      level: 'problem',
      check: 'offsets',
      fact: /the committed offset 9 of documents-2 is not in the log, which has 0 to 0/,
      fix: /`earliest` or `latest` for `offsetReset`/,
    },
  },
  {
    name: 'dead letters that wait',
    topics: [documents, { topic: 'app-dead-letter', partitions: 1 }],
    plant: (bench) => bench.send('app-dead-letter', {}),
    expected: { level: 'warning', check: 'dead letters', fact: /holds dead letters, 1 at most/, fix: /dlq list/ },
  },
  {
    name: 'a clock that is ahead',
    plant: (bench) => bench.send('documents', { timestamp: Date.now() + 3_600_000 }),
    expected: {
      level: 'warning',
      check: 'clock',
      fact: /newest record of documents-0 is 3600 s in the future/,
      fix: /Set the clocks right/,
    },
  },
  {
    name: 'a producer that writes something else',
    plant: (bench) => bench.send('documents', { value: 'no JSON' }),
    expected: {
      level: 'warning',
      check: 'records',
      fact: /newest record of documents-0 cannot be read: .*json/,
      fix: /Correct the producer, or the format of the source/,
    },
  },
  {
    name: 'a schema registry that does not answer',
    plant: async (bench) => {
      bench.machine = { clock: new FastClock(100) }
      const registry = schemaRegistry({ url: 'http://127.0.0.1:1' })
      const builder = new TopologyBuilder()
      builder
        .stream('in', kafka({ topic: 'documents', key: string, value: jsonSchema(registry, z.string()) }))
        .to('out', new RecordingSink())
      bench.ownTopology = builder.build()
      // The frame of schema 7.
      await bench.send('documents', { value: Uint8Array.of(0, 0, 0, 0, 7, 34, 34) })
    },
    expected: {
      level: 'warning',
      check: 'records',
      fact: /newest record of documents-0 cannot be read: its schema did not come within 10000 ms/,
      fix: /./,
    },
  },
]
