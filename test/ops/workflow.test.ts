import { existsSync, readFileSync } from 'node:fs'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { Job } from 'kubernetes-models/batch/v1/Job'
import { Service } from 'kubernetes-models/v1/Service'
import { expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { chartFolder, onKubernetes, runHelm } from '../support/chart.ts'
import { toolOrSkip } from '../support/ops-tools.ts'

interface Workflow {
  readonly permissions: unknown
  readonly jobs: Readonly<Record<string, { readonly 'timeout-minutes'?: number; readonly steps: readonly Step[] }>>
}

interface Step {
  readonly uses?: string
  readonly run?: string
}

const text = readFileSync('deploy/ci/github-actions.yml', 'utf8')
const workflow: Workflow = parse(text)
const jobs = Object.values(workflow.jobs)
const commands = jobs.flatMap(({ steps }) => steps.map(({ run = '' }) => run))
const services = readFileSync('deploy/ci/kind-services.yaml', 'utf8')
const helm = toolOrSkip('helm') ?? ''

test('the workflow says that nobody has run it here', () => {
  expect(text.split('\n')[1]).toMatch(/^# NOT RUN by this repository's own gate/)
})

test('the workflow may only read, and ends', () => {
  expect(workflow.permissions).toEqual({ contents: 'read' })
  for (const job of jobs) expect(job['timeout-minutes']).toBeLessThanOrEqual(60)
  for (const { uses } of jobs.flatMap(({ steps }) => steps)) expect(uses ?? '@v1').toMatch(/@v?\d/)
})

test('the workflow runs scripts and reads files that are there', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  const npmScripts = commands.flatMap((command) =>
    [...command.matchAll(/npm run (?:-s )?([\w:-]+)/g)].map(([, name]) => name),
  )
  const files = commands.flatMap((command) =>
    [...command.matchAll(/\b(?:deploy|examples)\/[\w./-]+/g)].map(([path]) => path),
  )

  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(npmScripts))
  expect(files.length).toBeGreaterThan(2)
  for (const file of files) expect(existsSync(file), file).toBe(true)
})

test('its services are valid, and the versions that Compose has', () => {
  const models: Record<string, new (data: never) => { validate(): void }> = { Deployment, Job, Service }
  for (const document of parseAllDocuments(services)) {
    const object: { kind: string } = document.toJS()
    const Model = models[object.kind]
    expect(Model, object.kind).toBeDefined()
    expect(() => Model && new Model(object as never).validate()).not.toThrow()
  }
  const compose = readFileSync('docker-compose.kafka.yml', 'utf8')
  for (const [, image] of services.matchAll(/image: (\S+)/g)) expect(compose).toContain(`image: ${image}\n`)
})

test.skipIf(!helm)('its values fit the chart', async () => {
  const parameters = ['template', 'documents', chartFolder, '--values', 'deploy/ci/kind-values.yaml', ...onKubernetes]
  const { code, stdout, stderr } = await runHelm(helm, parameters)

  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('name: documents-millrace')
})
