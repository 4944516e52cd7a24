import { StreamError } from '../errors.ts'
import type { ChunkedDocument, DocumentKey, Metadata } from '../model.ts'
import { withValue } from '../record.ts'
import type { ProcessorSupplier } from '../topology/processor.ts'
import { type Chunker, type ChunkerSettings, createChunker } from './chunker/chunker.ts'
import { markdown } from './chunker/markdown.ts'
import { plainText } from './chunker/plain-text.ts'

/** How the text of a document is read. */
export type DocumentKind = 'markdown' | 'plain'

export interface ChunkOptions<D> extends ChunkerSettings {
  /** The text of a document. */
  readonly text: (document: D) => string
  /** Comes before the headings in every heading path, unless the text opens with a heading that says the same. */
  readonly title?: (document: D) => string | undefined
  /** Travels in the payload of every point, as JSON. `source` and `heading` are set by Millrace, whatever they are here. */
  readonly metadata?: (document: D) => Metadata
  /** One kind for all documents, or chosen for each, for example by its media type. Default `markdown`. */
  readonly kind?: DocumentKind | ((document: D) => DocumentKind)
  /** A larger text is refused with DOCUMENT_TOO_LARGE. UTF-8 bytes, default 1 MiB: what Kafka takes in one record by default. */
  readonly maxDocumentBytes?: number
}

const defaultMaxDocumentBytes = 1_048_576

/**
 * Cuts documents into chunks that stay the same when something else in the document changes: see `prioritySplit`. What is embedded of a
 * chunk is its heading path and its plain text, so a change of markup alone changes no chunk's meaning.
 *
 * A document without visible text has no chunks; a tombstone stays one. Errors: DOCUMENT_TOO_LARGE; CONFIG_INVALID at once when `min`
 * and `max` contradict each other.
 *
 * @example
 * documents.process(chunk('chunks', { text: (d) => d.body, title: (d) => d.title, metadata: (d) => ({ author: d.author }) }))
 */
export function chunk<D>(
  name: string,
  options: ChunkOptions<D>,
): ProcessorSupplier<DocumentKey, D, DocumentKey, ChunkedDocument> {
  const { text, title, metadata, kind = 'markdown', maxDocumentBytes = defaultMaxDocumentBytes } = options
  const chunkers = chunkersWith(options)
  const chunkerOf = (document: D): Chunker => chunkers[typeof kind === 'function' ? kind(document) : kind]
  const possible = typeof kind === 'function' ? Object.values(chunkers) : [chunkers[kind]]
  return {
    name,
    operator: 'chunk',
    facts: () => ({ fingerprint: possible.map(({ id }) => id).join(', ') }),
    create: () => ({
      process(record, context) {
        if (record.value === null) return context.forward(withValue<DocumentKey, ChunkedDocument>(record, null))
        const document = record.value
        const source: unknown = text(document)
        if (typeof source !== 'string') throw noText(name, record.key, source)
        checkSize(record.key, source, maxDocumentBytes)
        const chunks = chunkerOf(document).split(source, title?.(document))
        context.forward(withValue(record, { chunks, metadata: metadata?.(document) ?? {} }))
      },
    }),
  }
}

function chunkersWith(settings: ChunkerSettings): Readonly<Record<DocumentKind, Chunker>> {
  return { markdown: createChunker(markdown, settings), plain: createChunker(plainText, settings) }
}

function noText(node: string, key: DocumentKey, found: unknown): StreamError {
  const fact = `\`text\` of node "${node}" returned ${found === null ? 'null' : typeof found} for document "${key}", not a string`
  return new StreamError('RECORD_FAILED', fact, { fix: 'Correct the function or the document.' })
}

function checkSize(key: DocumentKey, text: string, maxDocumentBytes: number): void {
  // A UTF-16 code unit takes at most three bytes: most texts need no counting.
  if (text.length * 3 <= maxDocumentBytes) return
  const bytes = Buffer.byteLength(text)
  if (bytes <= maxDocumentBytes) return
  throw new StreamError('DOCUMENT_TOO_LARGE', `document "${key}" has ${bytes} bytes, more than ${maxDocumentBytes}`, {
    details: { key, bytes, maxDocumentBytes },
  })
}
