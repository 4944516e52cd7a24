// Prints what is installed with the package as a CycloneDX document.
// `npm sbom --omit dev` alone leaves out what a development dependency happens to need too, such as zod (npm 11.19): it is asked about
// a copy of the lock file that has no development dependencies.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const read = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'))

const { devDependencies: _, scripts: __, ...manifest } = read('package.json')
const lock = read('package-lock.json')
const shipped = Object.entries(lock.packages).filter(([, { dev, devOptional }]) => !dev && !devOptional)
const packages = Object.fromEntries(shipped)
packages[''] = { ...packages[''], devDependencies: undefined }

const temporary = mkdtempSync(join(tmpdir(), 'millrace-sbom-'))
try {
  // npm takes the name from the folder.
  const folder = join(temporary, manifest.name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ ...lock, packages }))
  const parameters = ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only']
  const { status } = spawnSync('npm', [...parameters, '--offline', '--loglevel', 'error'], {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  })
  process.exitCode = status ?? 1
} finally {
  rmSync(temporary, { recursive: true, force: true })
}
