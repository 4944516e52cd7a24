import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export interface CommandResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningCommand {
  readonly child: ChildProcess
  readonly result: Promise<CommandResult>
  /** What it has written to standard error so far. */
  readonly log: () => string
}

/** Starts `millrace <parameters>` as a process of its own, from the sources. */
export function startMillrace(parameters: readonly string[], options: ProgramOptions = {}): RunningCommand {
  return startProgram(main, parameters, options)
}

export interface ProgramOptions {
  readonly cwd?: string
  /** Beside the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
}

/** Starts a program of ours as a process of its own. */
export function startProgram(
  program: string,
  parameters: readonly string[],
  options: ProgramOptions = {},
): RunningCommand {
  const child = spawn(process.execPath, [program, ...parameters], {
    ...options,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stdout = collected(child.stdout)
  const stderr = collected(child.stderr)
  const result = new Promise<CommandResult>((resolve, reject) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout: stdout(), stderr: stderr() }))
    child.on('error', reject)
  })
  return { child, result, log: stderr }
}

/** The text that has come so far. A character may come in two pieces. */
function collected(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  return () => text
}

export function millrace(parameters: readonly string[], options: ProgramOptions = {}): Promise<CommandResult> {
  return startMillrace(parameters, options).result
}

/** Waits until something holds. Throws with what the commands have said when one of them has ended, or after two minutes. */
export async function holds(condition: () => boolean | Promise<boolean>, ...commands: RunningCommand[]): Promise<void> {
  const deadline = Date.now() + 120_000
  const ends = commands.map(({ result }) => result)
  while (!(await condition())) {
    const ended = await Promise.race([...ends, pause(50)])
    if (ended || Date.now() > deadline) {
      const fact = ended ? `a command ended with ${ended.code ?? ended.signal}` : 'it never came to hold'
      throw new Error([fact, ...commands.map(({ log }) => log())].join('\n---\n'))
    }
  }
}
