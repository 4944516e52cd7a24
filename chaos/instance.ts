/** One place where an instance of the topology runs as a process: started, ended, frozen and, when it dies, started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Journal } from './journal.ts'

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const topology = fileURLToPath(new URL('topology.ts', import.meta.url))

export interface InstanceOptions {
  readonly brokers: string
  readonly application: string
  readonly topic: string
  readonly qdrantUrl: string
  /** For states, logs and counters of all instances. */
  readonly folder: string
  /** Settings of the runtime. */
  readonly settings: Readonly<Record<string, number | string>>
  readonly indexTimeoutMs: number
  /** How long a process may take to exit after TERM. */
  readonly exitWithinMs: number
  readonly journal: Journal
  /** Something that must not happen. */
  readonly onFault: (fault: string) => void
}

/** A process that ended although nobody asked it to is started again after that, as a supervisor would. */
const restartMs = 1_000

/** Makes Node write down its handles and stacks. */
const reportSignal = 'SIGUSR2'
const reportMs = 1_500

interface Run {
  /** `b.3`: the third process of place b. */
  readonly name: string
  readonly child: ChildProcess
  readonly logFile: string
  readonly startedAt: number
  readonly ended: Promise<void>
  isFrozen: boolean
  isAskedToEnd: boolean
}

export class Instance {
  readonly name: string
  readonly #options: InstanceOptions
  #run: Run | undefined
  #runs = 0
  #isWanted = false
  /** One thing after the other happens to an instance. */
  #steps: Promise<void> = Promise.resolve()

  constructor(name: string, options: InstanceOptions) {
    this.name = name
    this.#options = options
  }

  /** What the current process has logged. */
  get log(): string {
    return this.#run ? readFileSync(this.#run.logFile, 'utf8') : ''
  }

  /** Resolves when everything that was ordered so far is done. */
  get settled(): Promise<void> {
    return this.#steps
  }

  start(): void {
    this.#then(async () => this.#start())
  }

  kill(downMs: number): void {
    this.#then(async () => {
      this.#end('SIGKILL')
      await this.#run?.ended
      await pause(downMs)
      this.#start()
    })
  }

  /** Without `downMs` it stays away. */
  terminate(downMs?: number): void {
    this.#then(async () => {
      await this.#terminated()
      if (downMs === undefined) return
      await pause(downMs)
      this.#start()
    })
  }

  freeze(forMs: number): void {
    this.#then(async () => {
      const run = this.#run
      if (!run) return
      run.isFrozen = true
      run.child.kill('SIGSTOP')
      this.#note(run, 'is frozen')
      await pause(forMs)
      run.child.kill('SIGCONT')
      run.isFrozen = false
      this.#note(run, 'goes on')
    })
  }

  /** Ends the process at once, whatever it is doing. For the end of the harness itself. */
  dispose(): void {
    this.#isWanted = false
    this.#end('SIGKILL')
  }

  #then(step: () => Promise<void>): void {
    this.#steps = this.#steps.then(step)
  }

  #note(run: Run, what: string): void {
    this.#options.journal.add(`${run.name} ${what}`)
  }

  #end(signal: 'SIGKILL' | 'SIGTERM'): void {
    const run = this.#run
    this.#isWanted = false
    if (!run) return
    run.isAskedToEnd = true
    this.#note(run, signal === 'SIGKILL' ? 'is killed (-9)' : 'is told to stop (TERM)')
    run.child.kill(signal)
  }

  async #terminated(): Promise<void> {
    const run = this.#run
    if (!run) return
    const askedAt = Date.now()
    this.#end('SIGTERM')
    const { exitWithinMs, onFault } = this.#options
    const deadline = new AbortController()
    const late = pause(exitWithinMs, undefined, { signal: deadline.signal }).then(async () => {
      onFault(`${run.name} has not exited ${exitWithinMs} ms after TERM; its log: ${run.logFile}`)
      // What keeps it alive is in the report that Node writes beside the log.
      run.child.kill(reportSignal)
      await pause(reportMs)
      run.child.kill('SIGKILL')
    })
    await run.ended
    deadline.abort()
    await late.catch(() => undefined)
    const { exitCode, signalCode } = run.child
    this.#note(run, `exited with ${exitCode ?? signalCode} after ${Date.now() - askedAt} ms`)
    if (exitCode && !couldNotStart(run.logFile)) {
      onFault(`${run.name} exited with ${exitCode} after TERM: ${lastLine(run.logFile)}`)
    }
  }

  #start(): void {
    if (this.#run) return
    const { brokers, application, topic, qdrantUrl, folder, settings, indexTimeoutMs } = this.#options
    this.#isWanted = true
    const name = `${this.name}.${++this.#runs}`
    const logFile = join(folder, `${name}.log`)
    const log = openSync(logFile, 'a')
    const set = Object.entries(settings).flatMap(([setting, value]) => ['--set', `${setting}=${value}`])
    const place = ['--application', application, '--state', join(folder, `state-${this.name}`)]
    const report = ['--report-on-signal', `--report-signal=${reportSignal}`, `--report-directory=${folder}`]
    const named = [`--report-filename=${name}.report.json`, '--report-exclude-network', '--report-exclude-env']
    const child = spawn(
      process.execPath,
      [...report, ...named, main, 'run', topology, '--brokers', brokers, ...place, ...set],
      {
        stdio: ['ignore', 'ignore', log],
        env: {
          ...process.env,
          CHAOS_TOPIC: topic,
          CHAOS_QDRANT: qdrantUrl,
          CHAOS_NAME: name,
          CHAOS_COUNTER: join(folder, `${name}.count`),
          CHAOS_INDEX_TIMEOUT: `${indexTimeoutMs}`,
        },
      },
    )
    closeSync(log)
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const run = { name, child, logFile, startedAt: Date.now(), ended, isFrozen: false, isAskedToEnd: false }
    this.#run = run
    this.#note(run, `is started, process ${child.pid}`)
    child.once('exit', () => this.#exited(run))
  }

  #exited(run: Run): void {
    this.#run = undefined
    if (run.isAskedToEnd) return
    const { exitCode, signalCode } = run.child
    const fact = `${run.name} ended by itself with ${exitCode ?? signalCode}: ${lastLine(run.logFile)}`
    if (couldNotStart(run.logFile)) this.#options.journal.add(fact)
    else this.#options.onFault(fact)
    if (!this.#isWanted) return
    this.#then(async () => {
      await pause(restartMs)
      if (this.#isWanted) this.#start()
    })
  }
}

/** Who starts while the broker or the index is away says so and ends: its supervisor tries again. Who runs has to bear it. */
function couldNotStart(logFile: string): boolean {
  const hasRun = readFileSync(logFile, 'utf8').includes('the runtime is running')
  return !hasRun && /^(BROKER|INDEX)_UNREACHABLE: /.test(lastLine(logFile))
}

function lastLine(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').at(-1)?.slice(0, 500) ?? ''
}
