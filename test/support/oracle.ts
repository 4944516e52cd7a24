import { type ChangeEvent, documentsAfter } from './change-stream.ts'

/**
 * Judges an index from outside: knows documents and points, nothing of chunkers, ids, state or windows. An index is right when the
 * points of each document, put in order by the text itself, tile the text of its latest version, white space aside, and nothing else
 * is there.
 */

/** A line of an export. */
export interface DumpedPoint {
  readonly id: string
  readonly key: string
  readonly text: string
}

/** Everything that is wrong with the index, a line each. */
export function faultsOf(events: readonly ChangeEvent[], points: Iterable<DumpedPoint>): string[] {
  const all = [...points]
  const documents = documentsAfter(events)
  const byKey = Map.groupBy(all, (point) => point.key)
  const twice = all.length - new Set(all.map((point) => point.id)).size
  return [
    ...(twice > 0 ? [`${twice} ids occur twice`] : []),
    ...[...byKey.keys()]
      .filter((key) => !documents.has(key))
      .map((key) => `${key}: points of a document that is deleted`),
    ...[...documents].flatMap(([key, text]) => tilingFaults(key, text, byKey.get(key) ?? [])),
  ]
}

function tilingFaults(key: string, text: string, points: readonly DumpedPoint[]): string[] {
  const wanted = dense(text)
  const faults: string[] = []
  let end = 0
  for (const { at, piece } of placed(points, wanted)) {
    if (at < 0) faults.push(`${key}: a point has a text of another version: ${JSON.stringify(piece.slice(0, 60))}`)
    else if (at < end) faults.push(`${key}: ${end - at} characters are there twice`)
    else if (at > end) faults.push(`${key}: ${at - end} characters are missing at ${end}`)
    end = Math.max(end, at + piece.length)
  }
  if (end < wanted.length) faults.push(`${key}: ${wanted.length - end} characters are missing at the end`)
  return faults
}

/** The k-th copy of a text belongs to its k-th occurrence in the document. */
function placed(points: readonly DumpedPoint[], wanted: string): { at: number; piece: string }[] {
  const last = new Map<string, number>()
  return points
    .map(({ text }) => {
      const piece = dense(text)
      const before = last.get(piece)
      const at = wanted.indexOf(piece, before === undefined ? 0 : before + 1)
      last.set(piece, at < 0 ? wanted.length : at)
      return { at, piece }
    })
    .sort((a, b) => a.at - b.at)
}

function dense(text: string): string {
  return text.replace(/\s+/g, '')
}

/** What differs between two indexes: same document and text under another id, or on one side only. */
export function differences(a: Iterable<DumpedPoint>, b: Iterable<DumpedPoint>): string[] {
  const [left, right] = [identified(a), identified(b)]
  const onlyLeft = [...left].filter(([place, id]) => right.get(place) !== id).map(([place]) => `left only: ${place}`)
  const onlyRight = [...right].filter(([place, id]) => left.get(place) !== id).map(([place]) => `right only: ${place}`)
  return [...onlyLeft, ...onlyRight]
}

/** Document, text and how often it came before -> id. */
function identified(points: Iterable<DumpedPoint>): Map<string, string> {
  const seen = new Map<string, number>()
  const ids = new Map<string, string>()
  for (const { key, text, id } of [...points].sort((x, y) => (x.id < y.id ? -1 : 1))) {
    const place = `${key} ${dense(text)}`
    const occurrence = seen.get(place) ?? 0
    seen.set(place, occurrence + 1)
    ids.set(`${place} ${occurrence}`, id)
  }
  return ids
}

export interface DeliveryOptions {
  readonly seed: number
  readonly partitions: number
  readonly partitionOf: (key: string) => number
  /** Chance that a delivery goes back by a few records of its partition. Default 0.02. */
  readonly replays?: number
}

/**
 * A legal at-least-once delivery: any interleaving that keeps the order inside a partition, with runs of a partition delivered again.
 * Reproducible by its seed.
 */
export function shuffled(events: Iterable<ChangeEvent>, options: DeliveryOptions): ChangeEvent[] {
  const { seed, partitions, partitionOf, replays = 0.02 } = options
  const random = generator(seed)
  const queues: ChangeEvent[][] = Array.from({ length: partitions }, () => [])
  for (const event of events) queues[partitionOf(event.key)]?.push(event)
  const positions = queues.map(() => 0)
  const delivered: ChangeEvent[] = []
  for (;;) {
    const waiting = queues.flatMap((queue, index) => ((positions[index] ?? 0) < queue.length ? [index] : []))
    const chosen = waiting[Math.floor(random() * waiting.length)]
    if (chosen === undefined) return delivered
    const position = positions[chosen] ?? 0
    const event = queues[chosen]?.[position]
    if (event) delivered.push(event)
    const back = random() < replays ? Math.min(position + 1, 1 + Math.floor(random() * 3)) : 0
    positions[chosen] = position + 1 - back
  }
}

/** xorshift32: the same numbers for the same seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
