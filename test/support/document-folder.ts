import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type CommandResult, millrace, type RunningCommand, startMillrace } from './command-line.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** A folder to run the command line in. */
export interface DocumentFolder extends AsyncDisposable {
  readonly path: string
  /** Paths are relative to the folder. */
  put(file: string, content: string): Promise<void>
  remove(file: string): Promise<void>
  run(...parameters: string[]): Promise<CommandResult>
  start(...parameters: string[]): RunningCommand
  /** Indexes with the hash embedder into `data`, unless the parameters say something else. */
  index(...parameters: string[]): Promise<IndexResult>
  /** Keys of the documents in the index in `data`, sorted. */
  indexed(): Promise<readonly string[]>
}

export interface IndexResult extends CommandResult {
  /** What it says at its end; empty when it does not come so far. */
  readonly summary: {
    readonly documents?: { readonly new: number; readonly deleted: number; readonly unchanged: number }
    readonly deadLetters?: number
  }
}

export async function documentFolder(files: Readonly<Record<string, string>> = {}): Promise<DocumentFolder> {
  const directory = await temporaryDirectory()
  const at = (file: string) => join(directory.path, file)
  const put = async (file: string, content: string) => {
    await mkdir(dirname(at(file)), { recursive: true })
    await writeFile(at(file), content)
  }
  const run = (...parameters: string[]) => millrace(parameters, { cwd: directory.path })
  for (const [file, content] of Object.entries(files)) await put(file, content)
  return {
    path: directory.path,
    put,
    remove: (file) => rm(at(file)),
    run,
    start: (...parameters) => startMillrace(parameters, { cwd: directory.path }),
    index: async (...parameters) => {
      const result = await run('index', '--data', 'data', '--model', 'hash', '--json', ...parameters)
      return { ...result, summary: result.stdout ? JSON.parse(result.stdout) : {} }
    },
    indexed: async () => {
      const { stdout } = await run('export', '--data', 'data')
      const points = stdout.split('\n').filter(Boolean)
      return [...new Set(points.map((line) => JSON.parse(line).key as string))].sort()
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}
