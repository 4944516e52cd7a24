// `helm test`: writes a document to the source topic, waits until Qdrant has it, deletes it, and waits until it is gone.
//   node round-trip.mjs <topic> <collection>
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const [topic, collection] = process.argv.slice(2)
const { QDRANT_URL, QDRANT_API_KEY_FILE, MILLRACE_TEST_SECONDS = '300' } = process.env
const deadline = Date.now() + Number(MILLRACE_TEST_SECONDS) * 1000
const apiKey = QDRANT_API_KEY_FILE && readFileSync(QDRANT_API_KEY_FILE, 'utf8').trim()

// The cursor remembers the folder by its path: what an earlier test left behind is deleted by this one.
const folder = join(tmpdir(), 'helm-test-documents')
const document = 'helm-test.md'
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, document), `# Test\n\nWritten by helm test at ${new Date().toISOString()}.\n`)
produce()
await counted('the document is in the index', (count) => count > 0)
rmSync(join(folder, document))
produce('--allow-empty')
await counted('the document is gone', (count) => count === 0)

function produce(...flags) {
  const parameters = ['produce', folder, '--topic', topic, '--cursor-topic', `${topic}-helm-test-cursor`, ...flags]
  const { status, error } = spawnSync('millrace', parameters, { stdio: 'inherit' })
  if (status !== 0) fail(`millrace ${parameters.join(' ')} ended with ${status ?? error}`)
}

async function counted(what, fits) {
  for (;;) {
    const found = await count()
    if (typeof found === 'number' && fits(found)) return process.stdout.write(`ok   ${what}\n`)
    if (Date.now() > deadline) fail(`${what}: no, Qdrant says ${found}`)
    await pause(1000)
  }
}

/** The number of points of the document, or what came instead. */
async function count() {
  try {
    const response = await fetch(`${QDRANT_URL}/collections/${encodeURIComponent(collection)}/points/count`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(apiKey && { 'api-key': apiKey }) },
      body: JSON.stringify({ filter: { must: [{ key: '_millrace.doc', match: { value: document } }] }, exact: true }),
      signal: AbortSignal.timeout(10_000),
    })
    const text = await response.text()
    return response.ok ? JSON.parse(text).result.count : `${response.status} ${text.slice(0, 500)}`
  } catch (error) {
    return String(error.cause ?? error)
  }
}

function fail(sentence) {
  process.stderr.write(`FAIL ${sentence}\n`)
  process.exit(1)
}
