import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'

export interface ChangeEvent {
  readonly key: string
  readonly op: 'upsert' | 'delete'
  /** Empty when the document was deleted. */
  readonly text: string
}

/** The first 500 commits of the Rust book: see the README beside it. */
export const book500 = fileURLToPath(new URL('../fixtures/change-streams/book-500.jsonl.gz', import.meta.url))

/** All events of a .jsonl, .jsonl.gz or .jsonl.br file, in order. */
export function changeStream(path: string): ChangeEvent[] {
  return decompressed(path)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { key, op, text } = JSON.parse(line) as ChangeEvent
      return { key, op, text: op === 'upsert' ? text : '' }
    })
}

/** The documents that exist after the last event. */
export function documentsAfter(events: readonly ChangeEvent[]): Map<string, string> {
  const documents = new Map<string, string>()
  for (const { key, op, text } of events) {
    if (op === 'delete') documents.delete(key)
    else documents.set(key, text)
  }
  return documents
}

function decompressed(path: string): Buffer {
  const bytes = readFileSync(path)
  if (path.endsWith('.gz')) return gunzipSync(bytes)
  return path.endsWith('.br') ? brotliDecompressSync(bytes) : bytes
}
