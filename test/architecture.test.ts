// think hard about the layering before you change this table
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, normalize, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

interface Layer {
  /** What the layer may import besides itself and the kernel: layers, or single files of one. */
  readonly imports: readonly string[]
  /** Third-party packages, and `node:` modules that only this layer may touch. */
  readonly packages: readonly string[]
}

/** The law of the house. A layer is a folder of src; the files at the root of src are the kernel, or composition roots. */
const layers: Record<string, Layer> = {
  kernel: { imports: [], packages: ['zod', '@msgpack/msgpack', 'prom-client'] },
  state: { imports: [], packages: ['classic-level'] },
  topology: { imports: ['state/store.ts'], packages: [] },
  runtime: { imports: ['state', 'topology'], packages: [] },
  operators: { imports: ['state', 'topology'], packages: [] },
  // The cache keeps vectors in a byte store of its own, as the embedded log keeps records: it sees the port and its maker, no stores.
  embed: {
    imports: ['topology', 'state/store.ts', 'state/level-store.ts', 'state/make-folder.ts'],
    packages: ['onnxruntime-node', '@huggingface/tokenizers'],
  },
  // The embedded log keeps its records in the same kind of store as state does: connectors see the port, its two makers, and how folders are made.
  connectors: {
    imports: [
      'topology',
      'runtime/broker.ts',
      'state/store.ts',
      'state/level-store.ts',
      'state/memory-store.ts',
      'state/make-folder.ts',
    ],
    packages: ['kafkajs', 'ajv', 'avsc', 'protobufjs', '@qdrant/js-client-rest', 'node:sqlite', 'sqlite-vec'],
  },
  // It is told by a runtime, and looks at one: events and views, no parts.
  serve: {
    imports: ['topology', 'runtime/views.ts', 'runtime/observer.ts', 'runtime/tracer.ts'],
    packages: ['@opentelemetry/api'],
  },
  // Puts operators, embedders and indexes together, as a composition root does, from a description instead of code. It is no root:
  // it runs nothing, and knows neither the runtime nor the environment, so that a file compiles to a value wherever it is read.
  // Its schemas are what it is about: hence zod.
  pipeline: { imports: ['topology', 'operators', 'embed', 'connectors'], packages: ['yaml', 'zod'] },
  cli: { imports: ['*'], packages: ['commander', 'pino'] },
  composition: { imports: ['*'], packages: [] },
}

/**
 * What each folder of the runtime may import of the others, from what a single record meets upwards. The files beside the folders are the
 * parts that all may know, and what puts the folders together, which none may.
 */
const runtimeFolders: Record<string, readonly string[]> = {
  nodes: [],
  outputs: ['nodes'],
  'dead-letters': ['outputs'],
  commit: ['nodes', 'outputs', 'dead-letters'],
  tasks: ['nodes', 'dead-letters', 'commit'],
  group: ['tasks'],
  copies: ['tasks'],
  work: ['tasks'],
  topics: ['nodes', 'tasks', 'group'],
  queries: ['tasks', 'group', 'copies'],
  resources: [],
}
const runtimeParts = ['broker.ts', 'observer.ts', 'tracer.ts', 'partitions.ts', 'retry.ts', 'close-all.ts']

const compositionRoots = ['index.ts', 'testing.ts']
/** Without any node: import a topology stays a value that can be built anywhere. */
const withoutNode = ['topology']

const root = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src')
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.split(sep).join('/'))
  .sort()

function layerOf(file: string): string {
  if (file.includes('/')) return file.split('/')[0] ?? ''
  return compositionRoots.includes(file) ? 'composition' : 'kernel'
}

function importsOf(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const pattern =
    /(?:^|[;\n])\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|[;\n])\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g
  return [...source.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

function firstParty(file: string): string[] {
  return importsOf(file)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) =>
      relative(root, normalize(join(root, dirname(file), specifier)))
        .split(sep)
        .join('/'),
    )
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}

describe('the layer table', () => {
  test.each(files)('%s imports only what its layer may', (file) => {
    const layer = layerOf(file)
    const rule = layers[layer]
    expect(rule, `folder ${layer} is not in the layer table`).toBeDefined()
    const allowed = rule?.imports ?? []
    const forbidden = firstParty(file).filter((target) => {
      const targetLayer = layerOf(target)
      if (targetLayer === layer || targetLayer === 'kernel' || allowed.includes('*')) return false
      return !allowed.includes(targetLayer) && !allowed.includes(target)
    })
    expect(forbidden).toEqual([])
  })

  test.each(files.filter((file) => /^runtime\/.+\//.test(file)))('%s imports only what its folder may', (file) => {
    const folder = file.split('/')[1] ?? ''
    const allowed = runtimeFolders[folder]
    expect(allowed, `folder runtime/${folder} is not in the table of the runtime`).toBeDefined()
    const forbidden = firstParty(file).filter((target) => {
      const [layer, place = ''] = target.split('/')
      return layer === 'runtime' && ![folder, ...(allowed ?? []), ...runtimeParts].includes(place)
    })
    expect(forbidden).toEqual([])
  })

  test.each(files)('%s uses only the packages of its layer', (file) => {
    const layer = layerOf(file)
    const owned = new Set(Object.values(layers).flatMap((rule) => rule.packages))
    const own = layers[layer]?.packages ?? []
    const foreign = importsOf(file)
      .filter((specifier) => !specifier.startsWith('.'))
      .map((specifier) => (specifier.startsWith('node:') ? specifier : packageOf(specifier)))
      .filter((name) => {
        if (own.includes(name)) return false
        const isNode = name.startsWith('node:') || builtinModules.includes(name)
        return !isNode || owned.has(name) || withoutNode.includes(layer)
      })
    expect(foreign).toEqual([])
  })

  test('import cycles do not exist', () => {
    const imports = new Map(files.map((file) => [file, new Set(firstParty(file))]))
    // Files whose imports are all gone can be part of no cycle: take them away until nothing changes.
    let size = -1
    while (size !== imports.size) {
      size = imports.size
      for (const [file, targets] of imports)
        if (![...targets].some((target) => imports.has(target))) imports.delete(file)
    }
    expect([...imports.keys()]).toEqual([])
  })

  test('process.env is read by the command line alone', () => {
    const readers = files.filter(
      (file) => layerOf(file) !== 'cli' && /process\.env/.test(readFileSync(join(root, file), 'utf8')),
    )
    expect(readers).toEqual([])
  })

  test('time comes from the clock alone', () => {
    const readers = files.filter(
      (file) =>
        file !== 'clock.ts' &&
        /\bDate\.now\(|\bsetTimeout\(|\bsetInterval\(/.test(readFileSync(join(root, file), 'utf8')),
    )
    expect(readers).toEqual([])
  })
})
