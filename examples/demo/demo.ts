// The product in a minute: real documents are indexed, edited and found again, with only the edited chunks embedded.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DocumentIndex } from '../../src/cli/document-index.ts'
import { folder } from '../../src/connectors/files/folder.ts'
import { applyCommit, readCommits } from './history.ts'

const json = process.argv.includes('--json')
const root = join('.millrace', 'demo')
const documents = join(root, 'documents')
const data = join(root, 'data')

/** Commits of the book that make the first version of the folder, and those that then edit it. */
const firstCommits = 225
const editCommits = 50

const questions = [
  {
    query: 'a slice references a contiguous sequence of elements without taking ownership',
    expected: 'ch04-03-slices.md',
  },
  {
    query: 'unwinding or aborting the stack when a program panics',
    expected: 'ch09-01-unrecoverable-errors-with-panic.md',
  },
  { query: 'updating a value in a hash map based on the old value', expected: 'ch08-03-hash-maps.md' },
]

const say = (line = ''): void => {
  process[json ? 'stderr' : 'stdout'].write(`${line}\n`)
}

const signal = new AbortController().signal
await rm(root, { recursive: true, force: true })
const commits = readCommits()

say('Writing early chapters of "The Rust Programming Language" to a folder ...')
for (const commit of commits.slice(0, firstCommits)) await applyCommit(documents, commit)

await using index = await DocumentIndex.open({ data, model: 'all-MiniLM-L6-v2' })
const { observer } = index
say('Indexing it: chunks, embeddings, full-text and vector index, all in this process ...')
const startedAt = performance.now()
await index.read(folder({ path: documents }), { signal })
const first = { documents: observer.documents.new, chunks: observer.chunks.embedded }
const seconds = (performance.now() - startedAt) / 1_000
say(`  ${first.documents} documents, ${first.chunks} chunks embedded in ${seconds.toFixed(1)} s`)
say()

say(`Replaying the authors' next ${editCommits} commits, one by one ...`)
let edits = 0
for (const commit of commits.slice(firstCommits, firstCommits + editCommits)) {
  edits += await applyCommit(documents, commit)
  await index.read(folder({ path: documents }), { signal })
}
const embeddedOnEdits = observer.chunks.embedded - first.chunks
const chunksOnEdits = embeddedOnEdits + observer.chunks.reused
const share = Math.round((100 * embeddedOnEdits) / chunksOnEdits)
say(
  `  ${edits} edits touched documents of ${chunksOnEdits} chunks; ${embeddedOnEdits} of these were embedded (${share} %)`,
)
say()

const { comparison, points } = await index.audit()
const audit = {
  missing: comparison.missing.length,
  orphan: comparison.orphan.length,
  stale: comparison.stale.length,
}
say('Auditing: does the index hold what the documents say?')
say(`  ${points} points: ${audit.missing} missing, ${audit.orphan} orphan, ${audit.stale} stale`)
say()

const searches = []
for (const { query, expected } of questions) {
  const hits = await index.search(query, 10)
  const rank = hits.findIndex(({ payload }) => payload.metadata.source.endsWith(expected)) + 1
  searches.push({ query, rank })
  const found = hits[0]?.payload
  say(`Searching: ${query}`)
  say(`  1. ${found?.metadata.source}  (${found?.metadata.heading})`)
  say(`     ${found?.content.replace(/\s+/g, ' ').slice(0, 110)} ...`)
}
say()
say('Next:')
say(`  npm run -s millrace -- search "how do I handle an error" --data ${data}`)
say('  npm run -s millrace -- index <a folder of yours> --watch')
say('  README.md shows the same pipeline between Kafka and Qdrant')

if (json) {
  const { documents: count, chunks } = first
  process.stdout.write(
    `${JSON.stringify({ documents: count, chunks, edits, embeddedOnEdits, chunksOnEdits, audit, searches })}\n`,
  )
}
