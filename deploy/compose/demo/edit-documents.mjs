// Writes documents to a topic and goes on editing them: a sentence changed, a document added, one deleted.
//   node edit-documents.mjs <topic>
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const [topic = 'documents'] = process.argv.slice(2)
const { DEMO_EDITS = 'Infinity', DEMO_PAUSE_MS = '2000' } = process.env
const folder = join(tmpdir(), 'demo-documents')
const crops = ['barley', 'buckwheat', 'einkorn', 'maize', 'millet', 'oats', 'rye', 'spelt', 'wheat']
const machines = ['water mill', 'windmill', 'roller mill', 'hand quern', 'horse mill', 'tide mill']

process.once('SIGTERM', () => process.exit(0))
mkdirSync(folder, { recursive: true })
for (const crop of crops) write(crop, 0)
produce()
for (let edit = 1; edit <= Number(DEMO_EDITS); edit++) {
  await pause(Number(DEMO_PAUSE_MS))
  const crop = crops[edit % crops.length]
  const isThere = readdirSync(folder).includes(`${crop}.md`)
  if (edit % 10 === 0 && isThere) rmSync(join(folder, `${crop}.md`))
  else write(crop, edit)
  produce()
}

/** Two sections that stay the same, and one sentence that does not. */
function write(crop, edit) {
  const machine = machines[edit % machines.length]
  const sections = [
    `# Grinding ${crop}\n\nBefore it is ground, ${crop} is cleaned, sorted by size and left to rest until it is evenly moist.`,
    `## Today\n\nBatch ${edit} of ${crop} was ground by a ${machine}.`,
    `## Storage\n\nFlour of ${crop} keeps for months in a cool and dry place, and for a year where it is cold.`,
  ]
  writeFileSync(join(folder, `${crop}.md`), `${sections.join('\n\n')}\n`)
}

function produce() {
  const { status } = spawnSync('millrace', ['produce', folder, '--topic', topic], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
