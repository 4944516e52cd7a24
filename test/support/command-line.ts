import { type ChildProcess, spawn } from 'node:child_process'
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
  return { child, result }
}

export function millrace(
  parameters: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<CommandResult> {
  return startMillrace(parameters, options).result
}
