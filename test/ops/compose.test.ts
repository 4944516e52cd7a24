import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { createProgram } from '../../src/cli/program.ts'
import { toolOrSkip } from '../support/ops-tools.ts'

interface Service {
  readonly image: string
  readonly profiles: readonly string[]
  readonly restart: string
  readonly command?: readonly string[]
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: unknown
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const text = readFileSync('docker-compose.kafka.yml', 'utf8')
const compose: ComposeFile = parse(text)
const services = Object.entries(compose.services).map(([name, service]) => ({ name, ...service }))
const profiles = ['core', 'demo', 'registry', 'observability'] as const

/** It names itself and its parts as older drafts do, and has formats of its own. */
function compiledSchema() {
  const text = readFileSync('test/fixtures/compose/compose-spec.json', 'utf8')
  const schema = JSON.parse(text, (key, value) =>
    /^(\$schema|id)$/.test(key) && typeof value === 'string' ? undefined : value,
  )
  return new Ajv2019({ strict: false, validateFormats: false, allErrors: true }).compile(schema)
}

test('the file is what the Compose Specification says', () => {
  const validate = compiledSchema()

  validate(compose)

  expect(validate.errors ?? []).toEqual([])
})

test('the schema does find what is wrong', () => {
  const validate = compiledSchema()

  validate({ ...compose, services: { kafka: { ...compose.services.kafka, port: 9092 } } })

  expect(validate.errors).toMatchObject([{ params: { additionalProperty: 'port' } }])
})

test.each(profiles)('profile %s has whatever its services wait for', (profile) => {
  const members = services.filter((service) => service.profiles.includes(profile))

  expect(members.length).toBeGreaterThan(0)
  for (const { name, depends_on = {} } of members) {
    for (const [other, { condition }] of Object.entries(depends_on)) {
      const awaited = compose.services[other]
      expect(awaited?.profiles, `${name} waits for ${other}`).toContain(profile)
      if (condition === 'service_healthy') expect(awaited?.healthcheck, other).toBeDefined()
      else
        expect({ condition, restart: awaited?.restart }).toEqual({
          condition: 'service_completed_successfully',
          restart: 'no',
        })
    }
  }
})

test('there are no other profiles', () => {
  expect(new Set(services.flatMap((service) => service.profiles))).toEqual(new Set(profiles))
})

test.each(services)('$name has a pinned image, a bound restart, and ports on 127.0.0.1 alone', (service) => {
  expect(service.image).toMatch(/:v?\d+\.\d+\.\d+$/)
  expect(['no', 'unless-stopped']).toContain(service.restart)
  for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/)
  if (service.ports) expect(service.healthcheck, 'who is waited for can be asked').toBeDefined()
})

test.each(services)('$name mounts files of the repository, and volumes that are declared', ({ volumes = [] }) => {
  for (const volume of volumes) {
    const [source = '', target = '', mode] = volume.split(':')
    expect(target).toMatch(/^\//)
    if (source.startsWith('./')) {
      expect(existsSync(source), source).toBe(true)
      expect(mode, `${source} is not to be changed`).toBe('ro')
    } else {
      expect(Object.keys(compose.volumes)).toContain(source)
    }
  }
})

test('Millrace runs as in the chart: nothing writable but its state, no capabilities, the version of the package', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  for (const service of services.filter(({ image }) => image.startsWith('millrace:'))) {
    expect(service).toMatchObject({
      image: `millrace:${version}`,
      build: { target: 'runtime' },
      read_only: true,
      cap_drop: ['ALL'],
    })
    expect(service).toMatchObject({ tmpfs: ['/tmp'], security_opt: ['no-new-privileges:true'] })
  }
})

test('the commands of Millrace have the flags that they are given', () => {
  const [name, , ...flags] = compose.services.millrace?.command ?? []
  const known = createProgram()
    .commands.find((command) => command.name() === name)
    ?.options.map(({ long }) => long)

  expect(flags.length).toBeGreaterThan(0)
  for (const flag of flags) expect(known).toContain(flag.split('=')[0])
})

test('addresses name services and ports that are there', () => {
  const files = ['deploy/compose/prometheus.yml', 'deploy/compose/grafana/datasource.yml'].map((file) =>
    readFileSync(file, 'utf8'),
  )
  const inside = new Map([
    ['kafka:19092', compose.services.kafka?.environment?.KAFKA_ADVERTISED_LISTENERS],
    ...services.flatMap(({ name, ports = [] }) =>
      ports.map((port) => [`${name}:${port.split(':')[1]}`, port] as const),
    ),
  ])
  const host = services.map(({ name }) => name).join('|')
  const named = [text, ...files].flatMap((file) => [...file.matchAll(new RegExp(`\\b(?:${host}):\\d{4,5}\\b`, 'g'))])

  expect(named.length).toBeGreaterThan(8)
  const controller = 'kafka:9093'
  for (const [address] of named) expect([...inside.keys(), controller]).toContain(address)
})

const promtool = toolOrSkip('promtool') ?? ''

test.skipIf(!promtool)('Prometheus takes its configuration, and the alerts that it finds beside it', () => {
  const check = (...parameters: string[]) =>
    execFileSync(promtool, ['check', ...parameters], { encoding: 'utf8', stdio: 'pipe' })

  expect(() => check('config', 'deploy/compose/prometheus.yml')).not.toThrow()
  expect(check('rules', 'deploy/prometheus/alerts.yml')).toContain('SUCCESS')
})
