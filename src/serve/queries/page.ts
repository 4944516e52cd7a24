import { type Cursor, cursorText } from './page-request.ts'

/** Some entries of a store, as JSON. */
export interface Page {
  readonly entries: readonly string[]
  /** Where the next page begins; undefined: there is none. */
  readonly next: Cursor | undefined
  /** Partitions of which a standby has told. */
  readonly stale: readonly StalePart[]
}

export interface StalePart {
  readonly partition: number
  readonly behindRecords: number | null
  readonly behindMs: number | null
}

/** The body of an answer. */
export function pageText(
  store: { readonly name: string; readonly kind: string },
  { entries, next, stale }: Page,
): string {
  const head = JSON.stringify({ store: store.name, kind: store.kind }).slice(0, -1)
  const tail = JSON.stringify({ ...(next && { next: cursorText(next) }), ...(stale.length > 0 && { stale }) }).slice(1)
  return `${head},"entries":[${entries.join(',')}]${tail === '}' ? '' : ','}${tail}\n`
}
