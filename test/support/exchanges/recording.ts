/** Recorded exchanges with a server: one case per JSON file, or one per line of a compressed file. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

export interface Answered {
  readonly status?: number
  readonly response?: unknown
  readonly responseText?: string
}

export interface Step extends Answered {
  readonly method: string
  readonly path: string
  /** Null takes a header away. */
  readonly headers?: Readonly<Record<string, string | null>>
  readonly body?: unknown
  readonly rawBody?: string
  readonly rawHex?: string
  /** A generated upsert of that many bytes. */
  readonly bodyGen?: { readonly bytes: number; readonly batch?: boolean; readonly chunked?: boolean }
  readonly resHeaders?: Readonly<Record<string, string>>
  /** Paths that differ from run to run. */
  readonly volatile?: readonly string[]
  /** Path of an array without an order. */
  readonly unordered?: string
  /** Only the key tree, or only the names of the metrics, were kept. */
  readonly keep?: 'keys' | 'metricNames'
  /** The client saw a broken connection. */
  readonly error?: string
  /** What another run answered. */
  readonly other?: Answered
  /** Name under which `result.name` is kept for later paths. */
  readonly save?: string
}

export interface RecordedCase {
  readonly name: string
  readonly server: 'main' | 'auth' | 'small'
  readonly steps: readonly Step[]
}

export function readCases(path: string): RecordedCase[] {
  if (statSync(path).isDirectory()) {
    const files = readdirSync(path).filter((file) => file.endsWith('.json'))
    return files.sort().map((file) => JSON.parse(readFileSync(join(path, file), 'utf8')))
  }
  const bytes = readFileSync(path)
  const text = (path.endsWith('.br') ? brotliDecompressSync(bytes) : bytes).toString('utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
