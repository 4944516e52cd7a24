import { writeSync } from 'node:fs'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { change, point, testDimensions, upsert } from './points.ts'

/**
 * A program to be killed: rewrites ten documents of seven points for ever, each side by side with the others, and prints
 * `<document> <version>` for every version that was acknowledged. Arguments: path of the index, first version.
 */
const [path = '', first = '0'] = process.argv.slice(2)
const signal = new AbortController().signal

const documents = Array.from({ length: 10 }, (_, i) => `doc-${i}`)
const pointsPerDocument = 7

function version(doc: string, number: number) {
  return Array.from({ length: pointsPerDocument }, (_, i) => point(doc, `version ${number} part ${i}`, { at: number }))
}

async function rewrite(doc: string): Promise<never> {
  const writer = index.writer('0_0')
  for (let number = Number(first); ; number++) {
    // What an earlier run left may be of any version: it is looked up, as recovery does.
    const stale = (await index.observe([doc])).get(doc) ?? []
    const fresh = version(doc, number)
    const kept = new Set(fresh.map(({ id }) => id))
    const gone = stale.filter(({ id }) => !kept.has(id)).map(({ id }) => id)
    await writer.write(change(doc, upsert(...fresh), { kind: 'delete', ids: gone }), signal)
    writeSync(1, `${doc} ${number}\n`)
  }
}

const index = sqliteIndex({ path })
await index.open({ id: 'pipeline-a', dimensions: testDimensions })
await Promise.all(documents.map((doc) => rewrite(doc)))
