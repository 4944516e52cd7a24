import { setTimeout } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { serveRequests } from '../../src/embed/worker-port.ts'

/** What the worker does, by the text of a request or of its setup. */
export type Script = string

serveRequests<Script, string, Script, string>(async (setup) => {
  if (setup === 'cannot open') throw new RangeError('the file is broken')
  if (setup === 'crash at start') process.exit(3)
  if (setup === 'never open') await new Promise(() => parentPort?.on('message', () => undefined))
  if (setup === 'open slowly') await setTimeout(300)
  return {
    ready: `opened with ${setup}`,
    async handle(script) {
      if (script === 'crash') process.exit(7)
      if (script === 'throw') throw new RangeError('no such request')
      if (script === 'hang') await new Promise(() => undefined)
      return { message: `did ${script}`, transfer: [] }
    },
    close: async () => undefined,
  }
})
