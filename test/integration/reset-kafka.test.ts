import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadProgram } from '../../src/cli/load-program.ts'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { millraceHere } from '../support/command-here.ts'
import { ChangeCounter, produceEvents } from '../support/document-pipeline.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

describe.skipIf(kafkaBrokers.length === 0)('millrace reset on Kafka', () => {
  test('refuses while an instance runs; then the application begins anew', async () => {
    await using folder = await temporaryDirectory()
    const application = `reset-${randomUUID().slice(0, 8)}`
    const topic = `${application}-documents`
    const file = join(folder.path, 'millrace.yaml')
    const pipeline = {
      application,
      source: { topic, format: 'file' },
      model: { hash: { dimensions: 8 } },
      index: { sqlite: { path: join(folder.path, 'index.db') } },
    }
    await writeFile(file, JSON.stringify(pipeline))
    const stateDirectory = join(folder.path, 'state')
    const command = ['reset', file, '--brokers', kafkaBrokers.join(','), '--state', stateDirectory, '--json']
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    await broker.createTopics([{ topic, partitions: 2 }])
    await produceEvents(broker, [{ key: 'a.md', op: 'upsert', text: 'Mills grind grain.' }], { topic, partitions: 2 })

    const { topology } = await loadProgram(file)
    const runtime = new StreamRuntime({ topology, broker, application, stateDirectory })
    await runtime.start()
    await runtime.drain()
    const refused = await millraceHere([...command, '--yes'])
    await runtime.close()
    const planned = await millraceHere([...command, '--dry-run'])
    const done = await millraceHere([...command, '--yes'])
    const again = await millraceHere([...command, '--dry-run'])
    const counter = new ChangeCounter()
    const { topology: anew } = await loadProgram(file)
    const options = { topology: anew, broker, application, stateDirectory, observer: counter }
    await using successor = new StreamRuntime(options)
    await successor.start()
    await successor.drain()

    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/GROUP_ACTIVE: group .* has 1 member /) })
    const own = [`${application}-changes-changelog`, `${application}-unchanged-changelog`]
    expect(JSON.parse(planned.stdout)).toEqual({
      application,
      committed: [topic],
      topics: own,
      stateFolder: join(stateDirectory, application),
      members: [],
      deleted: false,
    })
    expect(JSON.parse(done.stdout)).toMatchObject({ topics: own, deleted: true })
    expect(JSON.parse(again.stdout)).toMatchObject({ committed: [], topics: [], deleted: false })
    // The points were right: nothing is embedded a second time.
    expect(counter).toMatchObject({ upserts: 0, deletes: 0 })
    expect(await broker.committedTopics(application)).toEqual([topic])
  })
})
