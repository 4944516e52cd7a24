// Compiles src to dist, or to the folder that is named: what the npm package ships. tsc alone, no bundler.
//   node scripts/build.mjs [folder [flags of tsc]]
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [target = join(root, 'dist'), ...flags] = process.argv.slice(2)
const out = resolve(target)
rmSync(out, { recursive: true, force: true })
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const { status } = spawnSync(
  process.execPath,
  [compiler, '--project', 'tsconfig.build.json', '--outDir', out, ...flags],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
if (status !== 0) process.exit(status ?? 1)
// Data that modules read beside themselves.
for (const file of globSync('src/**/*.json', { cwd: root }))
  cpSync(join(root, file), join(out, file.slice('src/'.length)))
