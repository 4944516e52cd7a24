import { execFileSync } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Instruction {
  readonly name: string
  readonly value: string
}

interface Stage {
  readonly name: string
  readonly base: string
  readonly instructions: readonly Instruction[]
}

/** The instructions of the Dockerfile, continued lines joined, by stage. */
function stagesOf(file: string): Stage[] {
  const lines = file
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter(Boolean)
  const instructions = lines.map((line) => ({ name: line.split(' ', 1)[0] ?? '', value: line.replace(/^\S+\s+/, '') }))
  const starts = instructions.flatMap(({ name }, index) => (name === 'FROM' ? [index] : []))
  return starts.map((start, index) => {
    const [base = '', , name = ''] = instructions[start]?.value.split(' ') ?? []
    return { name, base, instructions: instructions.slice(start + 1, starts[index + 1]) }
  })
}

const stages = stagesOf(readFileSync('Dockerfile', 'utf8'))
const shipped = stages.filter(({ name }) => name === 'runtime' || name === 'gpu')
const { version, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))

function lastOf(stage: Stage | undefined, instruction: string): string | undefined {
  return stage?.instructions.findLast(({ name }) => name === instruction)?.value
}

test('there is an image for CPUs, which is the default, and one for GPUs', () => {
  expect(stages.map(({ name }) => name)).toEqual(['build', 'build-gpu', 'gpu', 'runtime'])
})

test('bases are pinned to a full version, on glibc, with the Node that the tests run on', () => {
  const names = stages.map(({ name }) => name)
  for (const { base } of stages.filter((stage) => !names.includes(stage.base))) {
    expect(base).toMatch(/:\d+\.\d+\.\d+-/)
    expect(base).not.toMatch(/alpine|musl/)
    if (base.startsWith('node:')) expect(base).toContain(`node:${devDependencies.node}-`)
  }
})

test.each(shipped)('$name runs as 65532, as a process that gets its signals itself', (stage) => {
  expect(lastOf(stage, 'USER')).toBe('65532:65532')
  expect(JSON.parse(lastOf(stage, 'ENTRYPOINT') ?? '')).toEqual(['millrace'])
  expect(JSON.parse(lastOf(stage, 'CMD') ?? '')).toEqual(['--help'])
  expect(lastOf(stage, 'EXPOSE')).toBe('9464')
  expect(lastOf(stage, 'WORKDIR')).toBe('/var/lib/millrace')
})

test.each(shipped)('$name sends no usage reports to the makers of its parts', (stage) => {
  expect(lastOf(stage, 'ENV')).toContain('ORT_DISABLE_TELEMETRY=1')
})

test.each(shipped)('$name says what it is', (stage) => {
  const label = lastOf(stage, 'LABEL') ?? ''
  for (const name of ['title', 'description', 'licenses', 'version', 'revision']) {
    expect(label).toContain(`org.opencontainers.image.${name}=`)
  }
  expect(stage.instructions).toContainEqual({ name: 'ARG', value: `VERSION=${version}` })
})

test.each(shipped)('$name has what was built, and builds nothing', (stage) => {
  const copies = stage.instructions.filter(({ name }) => name === 'COPY')
  expect(copies.length).toBeGreaterThanOrEqual(2)
  for (const { value } of copies) expect(value).toMatch(/^--from=build(-gpu)? /)
  for (const { name, value } of stage.instructions) {
    if (name === 'RUN') expect(value).toMatch(/^rm -rf /)
  }
})

test('nothing is piped into a shell, added from a URL, or taken from a secret', () => {
  for (const { name, value } of stages.flatMap(({ instructions }) => instructions)) {
    expect(name).not.toBe('ADD')
    expect(value).not.toMatch(/\|\s*(ba)?sh\b|curl|wget|apt-get|chmod 777|sudo/)
    if (name === 'ARG' || name === 'ENV') expect(value).not.toMatch(/password|secret|token|key/i)
  }
})

test('what the build copies is there, and let through by .dockerignore', () => {
  const allowed = readFileSync('.dockerignore', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('!'))
  const sources = copiedIntoBuild()

  expect(allowed.map((line) => line.slice(1)).toSorted()).toEqual(sources.toSorted())
  for (const source of sources) expect(existsSync(source), source).toBe(true)
})

test('a script that the build copies finds the scripts that it imports', () => {
  const scripts = copiedIntoBuild().filter((path) => path.endsWith('.mjs'))
  const imported = scripts.flatMap((script) =>
    [...readFileSync(script, 'utf8').matchAll(/ from '(\.[^']+)'/g)].map(([, path = '']) =>
      join(dirname(script), path),
    ),
  )

  expect(scripts).toContain('scripts/build.mjs')
  expect(scripts).toEqual(expect.arrayContaining(imported))
})

function copiedIntoBuild(): readonly string[] {
  const [build] = stages
  return (build?.instructions ?? [])
    .filter(({ name }) => name === 'COPY')
    .flatMap(({ value }) => value.split(' ').slice(0, -1))
}

const script = resolve('scripts/image-files.mjs')
/** What `dashboards export` writes. */
const monitoring = ['deploy/grafana/tasks.json', 'deploy/prometheus/alerts.yml', 'docs/runbooks/lag.md']

test('the image has the binaries of its own platform alone, no compiler, and the command on the PATH', async () => {
  await using folder = await temporaryDirectory()
  const platforms = ['linux/x64', 'linux/arm64', 'darwin/arm64', 'win32/x64'].map(
    (name) => `onnxruntime-node/bin/napi-v6/${name}`,
  )
  const prebuilds = ['linux-x64', 'linux-arm64', 'win32-x64'].map((name) => `classic-level/prebuilds/${name}`)
  for (const path of [...platforms, ...prebuilds]) put(folder.path, `node_modules/${path}/binding.node`)
  for (const path of [...monitoring, 'package.json', 'LICENSE', 'NOTICE', 'dist/cli/bin.js', 'models/a/model.onnx'])
    put(folder.path, path)
  put(folder.path, 'node_modules/typescript/package.json')

  execFileSync(process.execPath, [script, 'image', 'arm64'], { cwd: folder.path })

  const app = join(folder.path, 'image/files/app')
  expect(globSync('node_modules/**/binding.node', { cwd: app }).toSorted()).toEqual([
    'node_modules/classic-level/prebuilds/linux-arm64/binding.node',
    'node_modules/onnxruntime-node/bin/napi-v6/linux/arm64/binding.node',
  ])
  expect(existsSync(join(app, 'node_modules/typescript'))).toBe(false)
  for (const path of monitoring) expect(existsSync(join(app, path)), path).toBe(true)
  expect(readlinkSync(join(folder.path, 'image/files/usr/local/bin/millrace'))).toBe('/app/dist/cli/bin.js')
  expect(statSync(join(app, 'dist/cli/bin.js')).mode & 0o111).toBe(0o111)
  expect(readdirSync(join(folder.path, 'image/folders')).toSorted()).toEqual(['home', 'var'])
})

test('packages that no longer look as expected stop the build', async () => {
  await using folder = await temporaryDirectory()
  for (const path of [...monitoring, 'package.json', 'LICENSE', 'NOTICE', 'dist/cli/bin.js', 'models/a/model.onnx'])
    put(folder.path, path)
  put(folder.path, 'node_modules/onnxruntime-node/bin/napi-v7/linux/x64/binding.node')

  const run = () => execFileSync(process.execPath, [script, 'image'], { cwd: folder.path, stdio: 'pipe' })

  expect(run).toThrow('onnxruntime-node/bin/napi-v6 has nothing for linux')
})

test('the layout of the installed packages is the expected one', () => {
  expect(existsSync(`node_modules/onnxruntime-node/bin/napi-v6/linux/${process.arch}/onnxruntime_binding.node`)).toBe(
    true,
  )
  expect(existsSync(`node_modules/classic-level/prebuilds/linux-${process.arch}`)).toBe(true)
  expect(existsSync('node_modules/onnxruntime-node/script/install.js')).toBe(true)
})

function put(root: string, path: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), path)
}
