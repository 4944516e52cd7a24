/** Plays recorded Qdrant exchanges against the double: `npm run -s exchanges -- DIR`. Exits with 1 when a case differs. */
import { playCase } from '../test/support/exchanges/player.ts'
import { readCases } from '../test/support/exchanges/recording.ts'

const [path] = process.argv.slice(2)
if (path === undefined) {
  console.error(
    'Usage: npm run -s exchanges -- DIR, a folder of recorded cases (.json), or a file of them (.jsonl, .jsonl.br)',
  )
  process.exit(2)
}

let failed = 0
const cases = readCases(path)
for (const recorded of cases) {
  const { name, difference } = await playCase(recorded)
  if (difference === undefined) continue
  failed++
  console.log(`${name}: ${difference}`)
}
console.log(`passed ${cases.length - failed}, failed ${failed}`)
process.exitCode = failed === 0 ? 0 : 1
