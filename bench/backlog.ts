import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Figure } from './measure.ts'

const child = fileURLToPath(new URL('./backlog-child.ts', import.meta.url))
const flags = ['--max-semi-space-size=16', '--heap-growing-percent=30']

/** How much more memory a backlog of 100,000 documents takes than one of 1,000: bounded queues, whatever waits. */
export async function backlogMemory(): Promise<Figure> {
  const [small, large] = [await peakMemory(1_000), await peakMemory(100_000)]
  const megabytes = (bytes: number) => Math.round(bytes / 1e6)
  return {
    figure: 'backlog.memory',
    value: megabytes(large - small),
    unit: 'MB',
    detail: `peak memory of the process: ${megabytes(large)} MB with 100,000 documents waiting, ${megabytes(small)} MB with 1,000`,
  }
}

/** Peak memory of a process that indexes so many documents with the hash embedder, in bytes. */
async function peakMemory(documents: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    const running = spawn(process.execPath, [...flags, child, String(documents), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    for await (const data of running.stdout.setEncoding('utf8')) output += data
    return Number(output)
  } finally {
    await rm(folder, { recursive: true })
  }
}
