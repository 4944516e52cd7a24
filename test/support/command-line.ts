import { type ChildProcess, spawn } from 'node:child_process'
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
export function startMillrace(parameters: readonly string[], options: { readonly cwd?: string } = {}): RunningCommand {
  const child = spawn(process.execPath, [main, ...parameters], { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (data: Buffer) => (stdout += data))
  child.stderr?.on('data', (data: Buffer) => (stderr += data))
  const result = new Promise<CommandResult>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return { child, result, log: () => stderr }
}

export function millrace(
  parameters: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<CommandResult> {
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
