import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { runtimeSettings } from '../../src/config.ts'
import { readPipeline } from '../../src/pipeline/index.ts'
import { features, goldenManifests } from '../support/chart.ts'
import { podsOf } from '../support/chart-objects.ts'

/** What the chart and Compose give to a pipeline: two variables, and secrets as files. */
const environment = { QDRANT_URL: 'https://qdrant:6333', KAFKA_BROKERS: 'kafka:9092' }

function read(name: string, text: string) {
  return readPipeline(text, { name, environment, readFile: () => 'a-secret' })
}

const pipelines = features.flatMap((feature) =>
  goldenManifests(feature).flatMap(({ data }) => {
    const text = data?.['millrace.yaml']
    return text === undefined ? [] : [{ feature, text }]
  }),
)

test.each(pipelines)(
  'the pipeline of $feature is one that Millrace runs, under the name that the group has',
  ({ feature, text }) => {
    const { topology, settings } = read(feature, text)

    expect(topology.nodes.size).toBeGreaterThan(3)
    const named = optionsOf(feature).get('--application')
    expect(named).toBe(feature === 'settings' ? 'team-documents' : settings.application)
  },
)

test.each(features)('the instances of %s are started with flags and settings that exist', (feature) => {
  const command = createProgram().commands.find((known) => known.name() === 'run')
  const known = command?.options.map(({ long }) => long) ?? []

  const options = optionsOf(feature)

  for (const flag of options.keys()) expect(known).toContain(flag)
  const settings = argumentsOf(feature).filter((argument) => argument.startsWith('--set='))
  for (const setting of settings) expect(Object.keys(runtimeSettings.shape)).toContain(setting.split('=')[1])
})

test('Compose runs a pipeline over what the demo produces', () => {
  const text = readFileSync('deploy/compose/millrace.yaml', 'utf8')

  expect(read('millrace.yaml', text).settings).toMatchObject({ application: 'documents' })
  expect(text).toContain('topic: documents\n  format: file\n')
})

test("a pipeline in someone else's ConfigMap keeps its name, and a topology is called after the release", () => {
  expect(optionsOf('existing-config').get('--application')).toBeUndefined()
  expect(optionsOf('topology').get('--application')).toBe('documents-millrace')
})

function argumentsOf(feature: string): readonly string[] {
  return podsOf(goldenManifests(feature))[0]?.spec.containers[0]?.args ?? []
}

function optionsOf(feature: string): Map<string, string> {
  const flags = argumentsOf(feature).filter((argument) => argument.startsWith('--'))
  return new Map(flags.map((flag) => [flag.split('=')[0] ?? '', flag.split('=').slice(1).join('=')]))
}
