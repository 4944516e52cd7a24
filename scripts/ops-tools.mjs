// Brings the programs that tests in test/ops run to .cache/ops-tools/bin: Helm from the Go module proxy, Prometheus and promtool from
// Debian. What it fetches is kept in the user's cache folder, so that the next clone on this machine has it at once; nothing else is
// changed on the machine. Each step has a deadline.
//   node scripts/ops-tools.mjs [helm] [prometheus]
// Ends with 1 when one of them could not be had; says which and why.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const bin = join(dirname(dirname(fileURLToPath(import.meta.url))), '.cache', 'ops-tools', 'bin')
const kept = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'millrace-ops-tools')
const helmVersion = 'v3.21.4'

const steps = [
  { name: 'helm', version: helmVersion, programs: ['helm'], fetch: buildHelm },
  { name: 'prometheus', version: 'debian', programs: ['prometheus', 'promtool'], fetch: unpackPrometheus },
]

const wanted = process.argv.slice(2)
for (const step of steps) {
  if (wanted.length > 0 && !wanted.includes(step.name)) continue
  const startedAt = performance.now()
  const problem = provide(step)
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  process.stderr.write(problem ? `${step.name}: ${problem}\n` : `${step.name}: ready after ${seconds} s\n`)
  if (problem) process.exitCode = 1
}

/** Fetches what is not kept yet, and links to it. What went wrong, or undefined. */
function provide({ name, version, programs, fetch }) {
  const folder = join(kept, `${name}-${version}-${process.arch}`)
  if (!programs.every((program) => existsSync(join(folder, program)))) {
    mkdirSync(kept, { recursive: true })
    const unfinished = mkdtempSync(`${folder}-`)
    try {
      const problem = fetch(unfinished)
      if (problem) return problem
      rmSync(folder, { recursive: true, force: true })
      renameSync(unfinished, folder)
    } finally {
      rmSync(unfinished, { recursive: true, force: true })
    }
  }
  mkdirSync(bin, { recursive: true })
  for (const program of programs) {
    rmSync(join(bin, program), { force: true })
    symlinkSync(join(folder, program), join(bin, program))
  }
  return undefined
}

/** Two minutes of two cores. What stops it is tried once more: Go keeps what it has fetched and compiled. */
function buildHelm(folder) {
  const env = {
    ...process.env,
    PATH: `${process.env.PATH}:/usr/local/go/bin`,
    GOBIN: folder,
    CGO_ENABLED: '0',
    GOTOOLCHAIN: 'local',
  }
  const parameters = ['install', '-trimpath', '-ldflags=-s -w', `helm.sh/helm/v3/cmd/helm@${helmVersion}`]
  return problemOf('go', parameters, { env, minutes: 10 }) && problemOf('go', parameters, { env, minutes: 10 })
}

/** A package that is unpacked and not installed needs no rights. */
function unpackPrometheus(target) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-ops-tools-'))
  try {
    const problem =
      problemOf('apt-get', ['download', 'prometheus'], { cwd: folder, minutes: 5 }) && downloadAnew(folder)
    if (problem) return problem
    const archive = readdirSync(folder).find((file) => file.endsWith('.deb')) ?? ''
    const unpacked = problemOf('dpkg-deb', ['--extract', archive, 'content'], { cwd: folder, minutes: 1 })
    if (unpacked) return unpacked
    for (const program of ['prometheus', 'promtool']) {
      copyFileSync(join(folder, 'content', 'usr', 'bin', program), join(target, program))
    }
    return undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** With lists of packages of its own: a machine may have none yet, or old ones, and to renew those takes the rights of root. */
function downloadAnew(folder) {
  const lists = ['-o', `Dir::State::Lists=${join(folder, 'lists')}`, '-o', `Dir::Cache=${folder}`]
  mkdirSync(join(folder, 'lists', 'partial'), { recursive: true })
  mkdirSync(join(folder, 'archives', 'partial'), { recursive: true })
  const updated = problemOf('apt-get', [...lists, 'update'], { cwd: folder, minutes: 5 })
  return updated ?? problemOf('apt-get', [...lists, 'download', 'prometheus'], { cwd: folder, minutes: 5 })
}

/** Runs a program; what went wrong in one line, or undefined. */
function problemOf(program, parameters, { minutes, ...options }) {
  const { status, signal, error, stderr } = spawnSync(program, parameters, {
    ...options,
    timeout: minutes * 60_000,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (status === 0) return undefined
  if (error?.code === 'ENOENT') return `there is no ${program} here`
  if (error?.code === 'ETIMEDOUT') return `${program} was not done after ${minutes} minutes`
  return `${program} ended with ${status ?? signal}: ${stderr.trim().split('\n').at(-1)}`
}
