/** How many embeddings were made, and how many there had to be. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PointBookkeeping } from '../src/model.ts'
import { createChunker } from '../src/operators/chunker/chunker.ts'
import { markdown } from '../src/operators/chunker/markdown.ts'
import { wantedPoints } from '../src/operators/manifest/document-points.ts'
import type { ChangeEvent } from '../test/support/change-stream.ts'

/** How often each point came into being. */
export type Appearances = ReadonlyMap<string, number>

type Identity = Pick<PointBookkeeping, 'doc' | 'hash' | 'occurrence'>

export const identityOf = ({ doc, hash, occurrence }: Identity): string => `${hash}/${occurrence}/${doc}`

/** By process, killed ones included: each appends to a file of its own. */
export function countedEmbeddings(folder: string): Map<string, number> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.count'))
  return new Map(files.map((name) => [name.slice(0, -'.count'.length), sumOfLines(join(folder, name))]))
}

function sumOfLines(file: string): number {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number(line), 0)
}

/** What an index goes through when every delivered version is applied once, in order: an embedding for each appearance. */
export function appearancesOf(events: readonly ChangeEvent[]): Appearances {
  const chunker = createChunker(markdown)
  const held = new Map<string, ReadonlySet<string>>()
  const appearances = new Map<string, number>()
  for (const { key, op, text } of events) {
    const chunks = op === 'delete' ? [] : chunker.split(text)
    const points = wantedPoints(key, { chunks, metadata: {} }, { pipeline: 'any', partition: 0, at: 0 })
    const now = new Set(points.map(({ payload }) => identityOf(payload._millrace)))
    const before = held.get(key)
    for (const id of now) if (!before?.has(id)) appearances.set(id, (appearances.get(id) ?? 0) + 1)
    held.set(key, now)
  }
  return appearances
}

/**
 * The embeddings that were not wasted: for each point, as often as it came into being at the index, but not more often than in a run
 * without faults. (More often happens when a replay takes an index back; less often when versions in between were skipped.) A run
 * without faults needs exactly as many as it makes.
 */
export function neededEmbeddings(seen: Appearances, faultless: Appearances): number {
  let needed = 0
  for (const [id, count] of seen) needed += Math.min(count, faultless.get(id) ?? 0)
  return needed
}
