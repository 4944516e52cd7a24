// Indexes as many documents as the first argument says, and prints the peak memory of the process in bytes.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DocumentIndex } from '../src/cli/document-index.ts'
import { changeStream } from '../src/connectors/files/change-stream.ts'

const [count = '1000', folder = '.'] = process.argv.slice(2)
const path = join(folder, 'documents.jsonl')
const lines: string[] = []
for (let number = 0; number < Number(count); number++) {
  const text = `# Document ${number}\n\n${`Sentence of document ${number} that says what it says. `.repeat(20)}`
  lines.push(JSON.stringify({ key: `document-${number}.md`, op: 'upsert', text }))
  if (lines.length === 1_000 || number === Number(count) - 1)
    writeFileSync(path, `${lines.splice(0).join('\n')}\n`, { flag: 'a' })
}

const index = await DocumentIndex.open({ data: join(folder, 'data'), model: 'hash' })
await index.read(changeStream({ path }), { signal: new AbortController().signal })
await index.close()
process.stdout.write(`${process.resourceUsage().maxRSS * 1024}\n`)
