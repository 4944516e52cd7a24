import type { Figure } from './measure.ts'
import { storeReadCache, storeReadDisk, storeReadOverlay, storeWrite } from './store.ts'

/** Every figure by its name. */
const figures: Readonly<Record<string, () => Promise<Figure>>> = {
  'store.read-overlay': storeReadOverlay,
  'store.read-cache': storeReadCache,
  'store.read-disk': storeReadDisk,
  'store.write-batch': storeWrite,
}

/** `npm run -s bench [prefix]`: one line of JSON for each figure whose name starts with the prefix. */
const prefix = process.argv[2] ?? ''
const chosen = Object.entries(figures).filter(([name]) => name.startsWith(prefix))
if (chosen.length === 0) {
  console.error(`no figure starts with "${prefix}"; there are: ${Object.keys(figures).join(', ')}`)
  process.exitCode = 2
}
for (const [, measure] of chosen) console.log(JSON.stringify(await measure()))
