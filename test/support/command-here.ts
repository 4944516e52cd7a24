import { CommanderError } from 'commander'
import { vi } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { exitCodeOfStop } from '../../src/cli/stop-signals.ts'
import { isStreamError } from '../../src/errors.ts'

export interface CommandHere {
  readonly stdout: string
  readonly stderr: string
  /** What the command line would end with. */
  readonly code: number
}

/** Runs a command in this process: starting one of its own for each takes most of a second. */
export async function millraceHere(
  parameters: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandHere> {
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += text
      return true
    })
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  try {
    await createProgram().parseAsync(['node', 'millrace', ...parameters])
    return { ...written, code: Number(process.exitCode ?? 0) }
  } catch (error) {
    if (error instanceof CommanderError) return { ...written, code: 2 }
    const stopped = exitCodeOfStop(error)
    if (stopped !== undefined) return { ...written, code: stopped }
    if (!isStreamError(error)) throw error
    return { ...written, stderr: `${written.stderr}${error.message}\n`, code: error.exitCode }
  } finally {
    process.exitCode = 0
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
  }
}
