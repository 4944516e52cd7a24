import type { Behind } from '../../runtime/views.ts'
import { type Cursor, cursorText } from './page-request.ts'

/** Some entries of a store, as JSON. */
export interface Page {
  readonly entries: readonly string[]
  /** Where the next page begins; undefined: there is none. */
  readonly next: Cursor | undefined
  /** Partitions of which a standby has told. */
  readonly stale: readonly StalePart[]
}

export interface StalePart extends Distance {
  readonly partition: number
}

/** How far behind a copy is, as answers have it. Null where it is not known. */
export interface Distance {
  readonly behindRecords: number | null
  readonly behindMs: number | null
}

export function distanceOf(behind: Behind | undefined): Distance {
  return { behindRecords: behind?.records ?? null, behindMs: behind?.ms ?? null }
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
