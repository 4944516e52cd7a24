import { openLevelStore } from '../../src/state/level-store.ts'

/** Opens the store in the directory of its first argument, says so, and holds it until it is killed. */
await openLevelStore(process.argv[2] ?? '')
process.stdout.write('open\n')
setInterval(() => undefined, 60_000)
