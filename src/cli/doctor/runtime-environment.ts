import { needsNewerNode } from '../node-version.ts'
import { bytesText } from './bytes-text.ts'
import { type Check, ok, problem, warning } from './check.ts'

/** The version of Node. */
export const node: Check<'machine'> = {
  name: 'node',
  needs: ['machine'],
  async examine({ machine: { nodeVersion } }) {
    const complaint = needsNewerNode(nodeVersion)
    if (complaint === undefined) return [ok(`Node ${nodeVersion}`)]
    return [problem(`this is Node ${nodeVersion}, which is too old`, complaint)]
  },
}

/** What Node, the model and the clients take before the first record. */
const baseBytes = 400 * 1024 * 1024

/** Memory against what the settings let tasks hold, when one instance has to own all of them. */
export const memory: Check<'machine' | 'program' | 'topics'> = {
  name: 'memory',
  needs: ['machine', 'program', 'topics'],
  async examine({ machine: { memoryBytes }, program: { topology, settings }, topics }) {
    const { maxInFlightBytes, maxQueuedBytes, maxOpenGenerations, maxGenerationBytes } = settings
    const bounds = topology.subtopologies.map(({ id, topics: sources }) => {
      const task = maxInFlightBytes + maxQueuedBytes * sources.length + maxOpenGenerations * maxGenerationBytes
      return (topics.tasks.get(id) ?? 0) * task
    })
    const wanted = baseBytes + bounds.reduce((sum, bytes) => sum + bytes, 0)
    const tasks = [...topics.tasks.values()].reduce((sum, count) => sum + count, 0)
    if (wanted <= memoryBytes)
      return [ok(`${bytesText(memoryBytes)} of memory; ${tasks} tasks hold ${bytesText(wanted)} at their bounds`)]
    return [
      warning(
        `${tasks} tasks may come to hold ${bytesText(wanted)}, and this process may use ${bytesText(memoryBytes)}`,
        'Raise the memory limit, run more instances, or lower `maxOpenGenerations`, `maxGenerationBytes`, `maxInFlightBytes` or `maxQueuedBytes`.',
      ),
    ]
  },
}
