import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { alerts, expressionOf } from '../../scripts/monitoring/alerts.ts'
import { boards } from '../../scripts/monitoring/boards.ts'
import { driftText } from '../../src/cli/audit-metrics.ts'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { book500, changeStream } from '../support/change-stream.ts'
import { holds, type RunningCommand, startMillrace } from '../support/command-line.ts'
import { send } from '../support/dead-letters.ts'
import { produceEvents } from '../support/document-pipeline.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { logRecord } from '../support/log-records.ts'
import { toolOrSkip } from '../support/ops-tools.ts'
import { Prometheus } from '../support/prometheus.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const program = toolOrSkip('prometheus') ?? ''
const partitions = 2

/** Everything that metrics tell of: documents into an index, copies of records into a topic, and a global table. */
function topologyFile(topic: string, url: string): string {
  return `
import { FileDocument, json, string, TopologyBuilder } from 'millrace'
import { kafka, kafkaTopic, qdrant } from 'millrace/connectors'
import { embed, hash } from 'millrace/embed'
import { chunk, dedupe, diff } from 'millrace/operators'

const index = qdrant({ collection: 'documents', url: '${url}' })
const builder = new TopologyBuilder()
const documents = builder.stream('documents', kafka({ topic: '${topic}', key: string, value: json(FileDocument) }))
documents
  .process(dedupe('unchanged'))
  .process(chunk('chunks', { text: (document) => document.text }))
  .process(diff('changes', { against: index }))
  .process(embed('vectors', hash({ dimensions: 32 })))
  .to('index', index)
documents.to('copies', kafkaTopic({ topic: '${topic}-copies', key: string, value: json(FileDocument) }))
builder.globalTable('owners', kafka({ topic: '${topic}-owners', key: string, value: string }))
export default builder.build()
`
}

/** Dashboards fill these in. */
function filledIn(expression: string): string {
  const values = { namespace: 'test', application: '.*', instance: '.*', __rate_interval: '15s', __range: '1m' }
  return Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`$${name}`, value), expression)
}

/** Where the command serves metrics: `127.0.0.1:9464`. */
function addressOf(command: RunningCommand): string | undefined {
  return /"url":"http:\/\/([^"]+)"/.exec(command.log())?.[1]
}

/** What node exporter serves of an audit that found nothing, which is not among the metrics of an instance. */
async function serveAudit(): Promise<AsyncDisposable & { readonly address: string }> {
  const text = await driftText('qdrant:documents', { missing: [], orphan: [], stale: [], foreign: [] })
  const server = createServer((_request, response) => response.end(`${text}\n`)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port is free')
  return { address: `127.0.0.1:${address.port}`, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

const shown = boards.flatMap(({ title, rows }) =>
  rows.flatMap(({ panels }) =>
    panels.flatMap((panel) =>
      panel.queries.map(({ expr }) => ({ of: `${title}: ${panel.title}`, expr: filledIn(expr) })),
    ),
  ),
)
/** These may be right about the machine that the test runs on. */
const ofTheMachine = ['StateDiskFilling', 'MemoryNearLimit']
const watched = alerts.flatMap(({ name, conditions }) => conditions.map(({ value }) => ({ of: name, expr: value })))

test.skipIf(kafkaBrokers.length === 0 || program === '')(
  'every query of a dashboard and every value of an alert has an answer while two instances work on Kafka',
  async () => {
    await using folder = await temporaryDirectory()
    await using double = await startQdrantDouble()
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    const topic = `monitoring-${Date.now()}`
    await broker.createTopics([
      { topic, partitions },
      { topic: `${topic}-copies`, partitions },
      { topic: `${topic}-owners`, partitions: 1 },
    ])
    await send(broker, [logRecord({ topic: `${topic}-owners`, partition: 0 }, 'all', 'Ann')])
    const file = join(folder.path, 'topology.ts')
    await writeFile(file, topologyFile(topic, double.url))
    const brokers = kafkaBrokers.join(',')
    const run = (state: string) =>
      startMillrace([
        ...['run', file, '--brokers', brokers, '--application', topic, '--state', join(folder.path, state)],
        ...['--port', '0', '--metrics', 'debug', '--set', 'numStandbyReplicas=1', '--set', 'commitIntervalMs=200'],
      ])

    // given: two instances, each with a task and a standby, and Prometheus, which sees them from the beginning
    const instances = [run('one'), run('two')]
    await holds(() => instances.every((instance) => addressOf(instance) !== undefined), ...instances)
    const targets = instances.flatMap((instance) => addressOf(instance) ?? [])
    await using audit = await serveAudit()
    await using prometheus = await Prometheus.start(program, folder.path, [...targets, audit.address])
    const running = instances.map((instance) => () => instance.log().includes('the runtime is running'))
    await holds(() => running.every((isRunning) => isRunning()), ...instances)

    // when: documents come, until every query was answered
    const events = changeStream(book500)
    const open = new Map([...shown, ...watched].map(({ of, expr }) => [expr, of]))
    let produced = 0
    await holds(
      async () => {
        await produceEvents(broker, events.slice(produced, produced + 50), { topic, partitions })
        produced = Math.min(produced + 50, events.length - 50)
        for (const [expr] of open) {
          const answer = await prometheus.query(expr)
          expect(answer.error, expr).toBeUndefined()
          if ((answer.data?.result.length ?? 0) > 0) open.delete(expr)
        }
        return open.size === 0
      },
      ...instances,
    ).catch((error: unknown) => {
      throw new Error(`without an answer: ${JSON.stringify([...open], null, 2)}`, { cause: error })
    })

    // then: only the age of the documents, which are years old, is worth an alert; and the instances end in order
    const firing: string[] = []
    for (const alert of alerts) {
      const { status, data } = await prometheus.query(expressionOf(alert))
      expect(status, alert.name).toBe('success')
      if ((data?.result.length ?? 0) > 0) firing.push(alert.name)
    }
    expect(firing.filter((name) => !ofTheMachine.includes(name))).toEqual(['FreshnessBurn'])
    for (const { child } of instances) child.kill('SIGTERM')
    const ends = await Promise.all(instances.map(({ result }) => result))
    expect(ends.map(({ code }) => code)).toEqual([0, 0])
    console.log(`monitoring: ${shown.length} queries of panels and ${watched.length} of alerts were answered`)
  },
)
