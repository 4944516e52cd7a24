import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { build } from 'rolldown'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

interface PackageFile {
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
}

interface Locked {
  readonly version: string
  readonly integrity?: string
  readonly resolved?: string
  readonly dev?: boolean
  readonly devOptional?: boolean
}

const manifest: PackageFile = JSON.parse(readFileSync('package.json', 'utf8'))
const locked: Record<string, Locked> = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages
const shipped = Object.entries(locked).filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional)
const runtimeVersion = { version: locked['node_modules/onnxruntime-node']?.version }
const metadata = ['CHANGELOG.md', 'LICENSE', 'NOTICE', 'README.md', 'package.json']
/** Data that is shipped as it is. */
const data = globSync('{models,schema,deploy/grafana,deploy/prometheus,docs/runbooks}/**/*').filter((path) =>
  statSync(path).isFile(),
)

const entries = ['index', 'operators/index', 'embed/index', 'connectors/index', 'testing']
const threads = ['embed/worker', 'embed/tokenizer-worker', 'connectors/embedded/sqlite/worker']

let folder: TemporaryDirectory
/** The package as somebody has it who installed it, compiled from the sources as they are; another test checks their types. */
let installed: string
let packed: readonly string[]

beforeAll(async () => {
  folder = await temporaryDirectory()
  installed = join(folder.path, 'node_modules', 'millrace')
  mkdirSync(installed, { recursive: true })
  for (const name of metadata) cpSync(name, join(installed, name))
  // Their weight is not what is asked here.
  for (const file of data) put(join(installed, file))
  // Neither of them is to be shipped.
  for (const path of ['src/index.ts', 'test/a.test.ts', '.env', 'notes.md']) put(join(installed, path))
  execFileSync(process.execPath, ['scripts/build.mjs', join(installed, 'dist'), '--noCheck'])
  linkDependencies()
  packed = filesOf(npm(['pack', '--dry-run', '--json', '--ignore-scripts'], installed))
})

afterAll(() => folder[Symbol.asyncDispose]())

test('the package has what is built, the model, the schema of pipelines, monitoring and its papers, and nothing else', () => {
  const modules = globSync('src/**/*.ts').map((path) => path.replace(/^src/, 'dist').replace(/\.ts$/, ''))
  const declarations = modules.map((path) => `${path}.d.ts`)
  const code = packed.filter((path) => path.startsWith('dist/') && /\.c?js$/.test(path))
  // A file that only names what is in another one has no map.
  const maps = code.map((path) => `${path}.map`).filter((path) => packed.includes(path))

  expect(packed.toSorted()).toEqual([...declarations, ...code, ...maps, ...data, ...metadata].toSorted())
  expect(code.filter((path) => !path.startsWith('dist/shared/')).toSorted()).toEqual(
    [
      ...['cli/bin', ...entries].map((path) => `dist/${path}.js`),
      ...threads.map((path) => `dist/${path}.cjs`),
    ].toSorted(),
  )
})

test('embedding loads three files at once, and one more when a model is opened', () => {
  const loaded = loadedWith(join(installed, 'dist/embed/index.js')).map((file) => basename(file))

  expect(loaded).toEqual(['index.js', 'embed.js', 'kernel.js'])
  expect(packed).toContain('dist/shared/prepared-model.js')
})

test('the thread of a model reads no file of the runtime beside its library', () => {
  expect(requiredBy(join(installed, 'dist/embed/worker.cjs'))).toEqual([
    'onnxruntime-node/package.json',
    `onnxruntime-node/bin/napi-v6/${process.platform}/${process.arch}/onnxruntime_binding.node`,
  ])
})

test.each([
  ['is another version', { version: '0.0.0' }, ['onnxruntime-node/package.json']],
  ['does not show its version', { ...runtimeVersion, exports: './index.js' }, []],
])('the thread of a model takes all of the runtime that is installed when that %s', (_, description, read) => {
  const worker = join(folder.path, 'overridden', 'dist/embed/worker.cjs')
  const runtime = join(folder.path, 'overridden', 'node_modules/onnxruntime-node')
  for (const folder of [dirname(worker), runtime]) mkdirSync(folder, { recursive: true })
  cpSync(join(installed, 'dist/embed/worker.cjs'), worker)
  writeFileSync(join(runtime, 'package.json'), JSON.stringify(description))
  writeFileSync(join(runtime, 'index.js'), '')

  expect(requiredBy(worker)).toEqual([...read, 'onnxruntime-node/index.js'])
})

test.each(entries.filter((entry) => entry !== 'embed/index'))('%s does not load the code of embedding', (entry) => {
  const loaded = loadedWith(join(installed, 'dist', `${entry}.js`)).map((file) => basename(file))

  expect(loaded).toContain('kernel.js')
  expect(loaded).not.toContain('embed.js')
  expect(loaded).not.toContain('prepared-model.js')
})

test('whatever package.json points at is in the package', () => {
  const targets = Object.values(manifest.exports).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  )
  for (const target of [...targets, ...Object.values(manifest.bin)]) expect(packed).toContain(target.replace('./', ''))
})

test('installed with its own dependencies alone it knows its commands, its version and topologies', () => {
  const millrace = (...parameters: string[]) =>
    execFileSync(process.execPath, [join(installed, 'dist/cli/bin.js'), ...parameters], {
      cwd: folder.path,
      encoding: 'utf8',
    })

  expect(millrace('version')).toMatch(/^millrace \d+\.\d+\.\d+ \(node v/)
  expect(millrace('--help')).toContain('run')
  expect(millrace('dashboards', 'export', 'monitoring')).toContain('5 in grafana, 1 in prometheus, 15 in runbooks')
  // A topology as Kubernetes mounts it from a ConfigMap: a link to a link.
  const mount = join(folder.path, 'etc')
  mkdirSync(join(mount, '..2026_11'), { recursive: true })
  cpSync('examples/documents.ts', join(mount, '..2026_11', 'documents.ts'))
  symlinkSync('..2026_11', join(mount, '..data'))
  symlinkSync('..data/documents.ts', join(mount, 'documents.ts'))
  expect(millrace('describe', join(mount, 'documents.ts'))).toContain('vectors')
})

test('a topology that fails in the package is told with its own line where the package is no dependency, as in the image', () => {
  const image = join(folder.path, 'app')
  cpSync(join(installed, 'dist'), join(image, 'dist'), { recursive: true })
  cpSync('package.json', join(image, 'package.json'))
  // Built in its place it has maps that name the folder beside it.
  for (const map of globSync(join(image, 'dist/shared/*.map')))
    writeFileSync(map, readFileSync(map, 'utf8').replaceAll(/"[^"]*\/src\/(?=[\w/-]+\.ts")/g, '"../../src/'))
  const file = join(folder.path, 'broken.ts')
  writeFileSync(
    file,
    "import { TopologyBuilder } from 'millrace'\nnew TopologyBuilder().stream('a', null).process(null)",
  )

  const { stderr } = spawnSync(
    process.execPath,
    ['--enable-source-maps', join(image, 'dist/cli/bin.js'), 'validate', file],
    {
      encoding: 'utf8',
    },
  )

  expect(stderr).toContain(`${file}:2 cannot be loaded`)
})

test('a program that is bundled with it runs, and says which file it lacks of what is loaded by its name', async () => {
  const input = join(folder.path, 'bundled.mjs')
  writeFileSync(input, programToBundle)
  const external = (id: string) => !id.startsWith('.') && !id.startsWith('/') && !id.startsWith('millrace')
  await build({ input, platform: 'node', external, output: { dir: join(folder.path, 'out') }, logLevel: 'silent' })

  const said = execFileSync(process.execPath, [join(folder.path, 'out', 'bundled.js')], {
    cwd: folder.path,
    encoding: 'utf8',
  })

  expect(said).toMatch(
    /^8 function\nCONFIG_INVALID: .*\/sqlite\/worker\.cjs is missing: .*\nCONFIG_INVALID: .*\/embed\/worker\.cjs is missing: .*external/,
  )
})

test('a program that has it installed gets its threads: of the model, of another kind of tokenizer, and of the index', () => {
  writeFileSync(join(folder.path, 'program.mjs'), programWithThreads)
  const model = resolve('models/all-MiniLM-L6-v2')

  const dimensions = execFileSync(process.execPath, ['program.mjs', model, withCasedTokenizer(model)], {
    cwd: folder.path,
    encoding: 'utf8',
  })

  expect(dimensions).toBe('384\n384\n')
})

test.each([false, true])(
  'its types compile in a strict program that checks libraries too, with exactOptionalPropertyTypes %s',
  (exactOptionalPropertyTypes) => {
    const entries = Object.keys(manifest.exports).filter((entry) => !entry.endsWith('.json'))
    const lines = entries.map((entry) => `export * from '${join('millrace', entry)}'`)
    writeFileSync(join(folder.path, 'program.mts'), lines.join('\n'))
    const types = { types: ['node'], typeRoots: [resolve('node_modules/@types')] }
    const modern = { module: 'nodenext', target: 'es2024', lib: ['es2024', 'esnext.disposable'] }
    const compilerOptions = { ...modern, ...types, strict: true, noEmit: true, exactOptionalPropertyTypes }
    writeFileSync(join(folder.path, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.mts'] }))

    const { stdout } = spawnSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', folder.path], {
      encoding: 'utf8',
    })

    expect(stdout).toBe('')
  },
)

test('the list of parts names every package that is shipped with its version, and none that is not', () => {
  const { metadata: about, components } = JSON.parse(
    execFileSync(process.execPath, ['scripts/sbom.mjs'], { encoding: 'utf8' }),
  )

  const nameOf = ({ purl }: { purl: string }) => decodeURIComponent(purl.replace(/^pkg:npm\/|\?.*$/g, ''))
  const wanted = shipped.map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')}@${version}`)
  expect(new Set(components.map(nameOf))).toEqual(new Set(wanted))
  expect(about.component).toMatchObject({ name: 'millrace', type: 'application' })
})

test('the lock file pins every package by its hash, and to no registry', () => {
  const packages = Object.entries(locked).filter(([path]) => path !== '')
  expect(packages.filter(([, { integrity = '' }]) => !integrity.startsWith('sha512-')).map(([path]) => path)).toEqual(
    [],
  )
  expect(packages.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([])
})

const programWithThreads = `
  import { sqliteIndex } from 'millrace/connectors'
  import { createEmbedder } from 'millrace/embed'
  for (const model of process.argv.slice(2)) {
    const embedder = await createEmbedder({ model, workers: 1 })
    const [vector] = await embedder.embed(['A mill.'])
    console.log(vector.length)
    await embedder.close()
  }
  const index = sqliteIndex({ path: 'index.db' })
  await index.open({ id: 'any', dimensions: 384 })
  await index.close()
`

const programToBundle = `
  import { sqliteIndex } from 'millrace/connectors'
  import { createEmbedder, hash } from 'millrace/embed'
  console.log(hash({ dimensions: 8 }).dimensions, typeof createEmbedder)
  const tell = ({ message }) => console.log(message)
  await sqliteIndex({ path: 'index.db' }).open({ id: 'any', dimensions: 8 }).catch(tell)
  await createEmbedder({ model: ${JSON.stringify(resolve('models/all-MiniLM-L6-v2'))} }).catch(tell)
`

/** What Node has read for the thread of a model by the time that the thread says that it has no weights. */
function requiredBy(file: string): readonly string[] {
  const thread = `
    process.on('exit', () => require('node:fs').writeSync(1, JSON.stringify(Object.keys(require.cache))))
    require(${JSON.stringify(file)})`
  const program = `
    const { Worker } = require('node:worker_threads')
    const setup = { weights: 'none.onnx', provider: 'cpu', mode: 'exact', gate: new SharedArrayBuffer(8) }
    new Worker(process.argv[1], { eval: true }).postMessage({ kind: 'open', setup })`
  const files: string[] = JSON.parse(execFileSync(process.execPath, ['-e', program, thread], { encoding: 'utf8' }))
  return files.filter((path) => path !== file).map((path) => path.replace(/^.*node_modules\//, ''))
}

/** A file of the package and all that is loaded with it. */
function loadedWith(file: string, found = new Set<string>()): readonly string[] {
  if (found.has(file)) return [...found]
  found.add(file)
  for (const [, path = ''] of readFileSync(file, 'utf8').matchAll(/^(?:import|export) (?:[^;]* from )?"(\.[^"]+)";$/gm))
    loadedWith(join(dirname(file), path), found)
  return [...found]
}

/** The model with a tokenizer that is left to the library. */
function withCasedTokenizer(model: string): string {
  const copy = join(folder.path, 'cased')
  cpSync(model, copy, { recursive: true, filter: (path) => !/(onnx|golden\.json)$/.test(path) })
  symlinkSync(join(model, 'model_w8.onnx'), join(copy, 'model_w8.onnx'))
  const definition = JSON.parse(readFileSync(join(model, 'tokenizer.json'), 'utf8'))
  definition.normalizer.lowercase = false
  writeFileSync(join(copy, 'tokenizer.json'), JSON.stringify(definition))
  return copy
}

/** What the package needs at run time, and nothing else. */
function linkDependencies(): void {
  for (const [path] of shipped) {
    const link = join(folder.path, path)
    const isOwn = path.lastIndexOf('node_modules/') === 0
    mkdirSync(dirname(link), { recursive: true })
    if (isOwn) symlinkSync(join(process.cwd(), path), link)
  }
}

/** npm without its cache being asked for news. */
function npm(parameters: readonly string[], cwd: string): string {
  return execFileSync('npm', [...parameters], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, npm_config_offline: 'true' },
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1024 * 1024,
  })
}

function filesOf(answer: string): string[] {
  const [{ files }] = JSON.parse(answer) as [{ files: { path: string }[] }]
  return files.map(({ path }) => path)
}

function put(path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '')
}
