// Builds src into dist, or into the folder that is named: what the npm package ships.
//   node scripts/build.mjs [folder [flags of tsc]]
// The declarations are those of tsc, a file a module. The code is joined to few files: Node needs half a millisecond for each of them, and
// there are hundreds of modules.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'
import { isRuntime, runtimeInThread } from './runtime-in-thread.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [target = join(root, 'dist'), ...flags] = process.argv.slice(2)
const out = resolve(target)

/** What is loaded by its name, and has to stay where it is. */
const shared = ['index', 'operators/index', 'embed/index', 'connectors/index', 'testing', 'cli/bin']
/** What is waited for until a first vector is there: what starts the threads, then what reads the model while they boot. */
const steps = ['embed/index', 'embed/prepared-model']
/** Threads share no memory with others: each has all it needs in one file, and starts 4 ms earlier without the loader of ES modules. */
const threads = ['embed/worker', 'embed/tokenizer-worker', 'connectors/embedded/sqlite/worker']

rmSync(out, { recursive: true, force: true })
declare()
await bundle(shared, {
  format: 'esm',
  codeSplitting: { groups: [{ name: 'kernel', test: isKernel }, ...steps.map(inOneFile)] },
})
for (const thread of threads)
  await bundle(
    [thread],
    { format: 'cjs', codeSplitting: false },
    { plugins: runtimeInThread(), external: (id) => isDependency(id) && !isRuntime(id) },
  )

function declare() {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const options = ['--project', 'tsconfig.build.json', '--outDir', out, ...flags]
  const { status } = spawnSync(process.execPath, [compiler, ...options], { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

/** Those stay what they are: they come from the registry. The other package is what `using` becomes for Node 22, and no dependency. */
function isDependency(id) {
  return !id.startsWith('.') && !isAbsolute(id) && !id.startsWith('@oxc-project/runtime')
}

/** What nearly every program needs, or embedding shares with the others, and none of it a dependency: one file. */
function isKernel(id) {
  if (id.includes('@oxc-project') || id === join(root, 'src', 'state', 'make-folder.ts')) return true
  return (
    dirname(id) === join(root, 'src') && !/(serde|config|file-document|metric-registry|index|testing)\.ts$/.test(id)
  )
}

/** A module and all that is loaded with it, as far as it is in no file before. */
function inOneFile(module) {
  const name = basename(module) === 'index' ? dirname(module) : basename(module)
  let members
  return {
    name(id, modules) {
      members ??= staticImportsOf(join(root, 'src', `${module}.ts`), modules)
      return members.has(id) ? name : null
    },
    debugName: name,
  }
}

function staticImportsOf(id, modules, found = new Set()) {
  if (found.has(id)) return found
  found.add(id)
  for (const imported of modules.getModuleInfo(id)?.importedIds ?? []) staticImportsOf(imported, modules, found)
  return found
}

async function bundle(modules, { format, codeSplitting }, { plugins = [], external = isDependency } = {}) {
  const extension = format === 'cjs' ? 'cjs' : 'js'
  await build({
    cwd: root,
    input: Object.fromEntries(modules.map((module) => [module, `src/${module}.ts`])),
    platform: 'node',
    plugins,
    external,
    tsconfig: false,
    transform: { target: 'node22' },
    logLevel: 'warn',
    output: {
      dir: out,
      format,
      entryFileNames: `[name].${extension}`,
      chunkFileNames: 'shared/[name].js',
      sourcemap: true,
      codeSplitting,
    },
  })
}
