import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { pipelinesPage, schemaFile, schemaText, withKeyTables } from '../../scripts/pipelines.ts'
import { starterPipeline } from '../../src/cli/starter-pipeline.ts'
import { schemaKeys } from '../../src/pipeline/json-schema.ts'
import { pipelineSchema } from '../../src/pipeline/schema/pipeline.ts'
import { pipelineOf } from '../support/pipelines.ts'

const files = {
  '/etc/millrace/kafka-ca.pem': 'certificate',
  '/run/secrets/kafka-password': 'password',
  '/run/secrets/registry-password': 'password',
  '/run/secrets/tei-key': 'key',
  '/run/secrets/qdrant-key': 'key',
}
const surroundings = { environment: { KAFKA_BROKERS: 'broker:9092' }, files }
const page = readFileSync(pipelinesPage, 'utf8')
const examples = globSync('examples/pipelines/*.yaml').map((file) => [file, readFileSync(file, 'utf8')] as const)
const inPage = [...page.matchAll(/```yaml\n(# yaml-language[\s\S]*?)```/g)].map(
  ([, text = ''], at) => [`docs/pipelines.md ${at}`, text] as const,
)
const pipelines = [...examples, ...inPage, ['the starter of init', starterPipeline] as const]

test('schema/pipeline.json is that of the code', () => {
  expect(readFileSync(schemaFile, 'utf8')).toBe(schemaText())
})

test('docs/pipelines.md has every key with its type, default and meaning', () => {
  const sections = [...page.matchAll(/<!-- keys of (\w+) -->/g)].map(([, name]) => name)

  expect(page).toBe(withKeyTables(page))
  expect(sections.sort()).toEqual(Object.keys(pipelineSchema.shape).sort())
  expect(
    schemaKeys()
      .filter(({ schema }) => !schema.description)
      .map(({ path }) => path.join('.')),
  ).toEqual([])
})

test.each(pipelines)('%s is valid, and the published schema takes it', (_, text) => {
  expect(() => pipelineOf(text, surroundings)).not.toThrow()
  expect(z.fromJSONSchema(JSON.parse(schemaText())).safeParse(parse(text)).error).toBeUndefined()
})

test.each(pipelines)('%s names the schema for editors', (file, text) => {
  const schema = file.startsWith('examples/')
    ? '../../schema/pipeline.json'
    : 'node_modules/millrace/schema/pipeline.json'

  expect(text.split('\n')[0]).toBe(`# yaml-language-server: $schema=${schema}`)
})

test('the published schema refuses what a pipeline cannot hold', () => {
  const published = z.fromJSONSchema(JSON.parse(schemaText()))
  const [, text = ''] = examples[0] ?? []
  const valid = parse(text)

  expect(published.safeParse({ ...valid, sorce: {} }).success).toBe(false)
  expect(published.safeParse({ ...valid, runtime: { commitIntervalMs: 'soon' } }).success).toBe(false)
  expect(published.safeParse({ ...valid, runtime: { commitIntervalMs: `\${N}` } }).success).toBe(true)
})

test('what `init` writes as comments is valid without the marks of comments', () => {
  const uncommented = starterPipeline
    .replace(/^# (?!yaml-language|Keeps|A value|Names|Only|How|What)(?=[\w ])/gm, '')
    .replace(/^( +)# (?!What|comes|One|Or)(?=[\w ]+:|- )/gm, '$1')
    .replace('  format: file', '')
    .replace(/ {2}tei:\n.*\n/, '')
    .replace(/ {2}sqlite:\n.*\n/, '')

  expect(() => pipelineOf(uncommented, { files: { ...files, '/run/secrets/qdrant-key': 'key' } })).not.toThrow()
  expect(uncommented).toContain('\n  sasl:\n    mechanism: scram-sha-512')
})
