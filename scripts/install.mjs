// Installs the locked dependencies when they are missing, so that `npm test` and `npm run demo` are one command on a fresh clone.
// Plain JavaScript for any Node >= 20: the Node of the project (24) comes with the dependencies themselves.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const installed = join(root, 'node_modules', '.package-lock.json')

/** npm keeps a copy of what it installed; a package of the lock file that is absent there, or has another version, means "install". */
function isComplete() {
  if (!existsSync(installed)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional || present[path]?.version === entry.version,
  )
}

if (!isComplete()) {
  process.stderr.write('Installing the locked dependencies (once, about a minute) ...\n')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const result = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    shell: process.platform === 'win32',
  })
  if (result.status !== 0) {
    process.stderr.write('npm ci failed; see the lines above.\n')
    process.exit(result.status ?? 1)
  }
}
