import { chmodSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { goldenManifests } from '../support/chart.ts'
import { podsOf } from '../support/chart-objects.ts'
import { startMillrace, startProgram } from '../support/command-line.ts'
import { freePorts } from '../support/kafka-server.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const programs = resolve('deploy/helm/millrace/files/tests')

test.skipIf(kafkaBrokers.length === 0)('what the chart starts passes what the chart tests it with', async () => {
  await using folder = await temporaryDirectory()
  await using qdrant = await startQdrantDouble()
  const [port = 0] = await freePorts(1)
  const topic = `documents-${Date.now()}`
  await using broker = kafkaBroker({ brokers: kafkaBrokers })
  await broker.open()
  await broker.createTopics([{ topic, partitions: 2 }])

  // given: the instance of the chart, with its files in this folder, under names that are free
  const manifests = goldenManifests('round-trip')
  const [instance, tests] = podsOf(manifests)
  const places: Record<string, string> = {
    '/etc/millrace': folder.path,
    '/var/lib/millrace': join(folder.path, 'data'),
    '/tests': programs,
    'http://documents-millrace:9464': `http://127.0.0.1:${port}`,
    '--port=9464': `--port=${port}`,
    '--application=documents': `--application=${topic}`,
  }
  const here = (argument: string) =>
    Object.entries(places).reduce((text, [there, place]) => text.replace(there, place), argument)
  const pipeline = manifests.find(({ data }) => data?.['millrace.yaml'])?.data?.['millrace.yaml'] ?? ''
  await writeFile(join(folder.path, 'millrace.yaml'), pipeline.replace('topic: documents', `topic: ${topic}`))
  const bin = join(folder.path, 'bin')
  await mkdir(bin)
  await writeFile(join(bin, 'millrace'), `#!/usr/bin/env node\nimport(${JSON.stringify(resolve('src/cli/main.ts'))})\n`)
  chmodSync(join(bin, 'millrace'), 0o755)
  const env = {
    KAFKA_BROKERS: kafkaBrokers.join(','),
    QDRANT_URL: qdrant.url,
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    TMPDIR: folder.path,
    MILLRACE_TEST_SECONDS: '100',
  }
  const running = startMillrace((instance?.spec.containers[0]?.args ?? []).map(here), { env })

  // when: the programs of `helm test` ask it, with the parameters that the chart gives them
  const outcomes: Record<string, unknown> = {}
  for (const { name, command = [] } of tests?.spec.containers ?? []) {
    const [, program = '', ...parameters] = command.map(here)
    // The collection keeps its name: nobody else has this index.
    const given = name === 'round-trip' ? [topic, ...parameters.slice(1)] : parameters
    const { code, stderr } = await startProgram(program, given, { env }).result
    outcomes[name] = { code, failed: /FAIL.*/.exec(stderr)?.[0] }
  }
  running.child.kill('SIGTERM')

  // then: both pass, and the instance leaves in order
  expect(outcomes).toEqual({ probes: { code: 0, failed: undefined }, 'round-trip': { code: 0, failed: undefined } })
  expect((await running.result).code).toBe(0)
})
