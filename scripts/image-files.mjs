// Lays out what a container image has beside its base. Plain JavaScript: it runs in the image's build.
//   node scripts/image-files.mjs <folder> [architecture]
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

const [target, architecture = process.arch] = process.argv.slice(2)
if (!target) {
  process.stderr.write('usage: node scripts/image-files.mjs <folder> [architecture]\n')
  process.exit(2)
}

/** Binaries for other platforms: four fifths of ONNX Runtime. */
const platformFolders = [
  { folder: 'onnxruntime-node/bin/napi-v6', keep: 'linux' },
  { folder: 'onnxruntime-node/bin/napi-v6/linux', keep: architecture },
  { folder: 'classic-level/prebuilds', keep: `linux-${architecture}` },
]

/** The Qdrant client wants a compiler for its types, so npm keeps one; nothing runs it. */
const compiler = ['typescript', '@typescript', '.bin']

rmSync(target, { recursive: true, force: true })
const app = join(target, 'files', 'app')
mkdirSync(app, { recursive: true })
/** What `dashboards export` writes. */
const monitoring = ['deploy/grafana', 'deploy/prometheus', 'docs/runbooks']

for (const name of ['package.json', 'LICENSE', 'NOTICE', 'dist', 'models', ...monitoring, 'node_modules']) {
  if (!existsSync(name)) throw new Error(`there is no ${name}: build first`)
  cpSync(name, join(app, name), { recursive: true, verbatimSymlinks: true })
}
for (const { folder, keep } of platformFolders) {
  const path = join(app, 'node_modules', folder)
  if (!existsSync(join(path, keep))) throw new Error(`${folder} has nothing for ${keep}`)
  for (const other of readdirSync(path)) {
    if (other !== keep) rmSync(join(path, other), { recursive: true })
  }
}

for (const name of compiler) rmSync(join(app, 'node_modules', name), { recursive: true, force: true })

// `millrace` on the PATH is the process itself: no shell stands between it and the signals.
const command = join(app, 'dist', 'cli', 'bin.js')
chmodSync(command, 0o755)
mkdirSync(join(target, 'files', 'usr', 'local', 'bin'), { recursive: true })
symlinkSync('/app/dist/cli/bin.js', join(target, 'files', 'usr', 'local', 'bin', 'millrace'))

for (const folder of ['var/lib/millrace', 'home/millrace/.cache/millrace/models']) {
  mkdirSync(join(target, 'folders', folder), { recursive: true })
}
