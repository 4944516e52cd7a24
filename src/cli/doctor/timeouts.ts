import { requestTimeoutOf, requireShortRequests } from '../../runtime/resources/resources.ts'
import { type Check, ok } from './check.ts'

/** The time that a request to the index may take, against the time that an instance may be silent. */
export const timeouts: Check<'program'> = {
  name: 'timeouts',
  needs: ['program'],
  async examine({ program: { topology, settings } }) {
    requireShortRequests(topology, settings)
    const longestMs = Math.max(0, ...topology.subtopologies.map((part) => requestTimeoutOf(topology, part)))
    const session = `a session of ${settings.sessionTimeoutMs} ms`
    if (longestMs === 0) return [ok(`${session}; no request to an index can outlive it`)]
    return [ok(`${session} leaves room for requests to an index, which take up to ${longestMs} ms`)]
  },
}
