import { count, filter, flatMapValues, map, mapValues, reduce } from '../src/operators/index.ts'
import { num } from './functions.ts'
import type { PlayedTopology } from './played-topology.ts'
import type { Recording } from './recording.ts'
import { storedAs } from './table-topologies.ts'

type Builder = (recording: Recording, played: PlayedTopology) => void

/** The topologies of the recordings in which records fail, or carry headers. */
export const errorTopologies: Readonly<Record<string, Builder>> = {
  errorsDeserialization: (recording, played) => {
    handleErrors(recording, played)
    played.to(played.stream())
  },
  errorsProcessing: (recording, played) => {
    handleErrors(recording, played)
    const stream = played.stream()
    const failing = mapValues('boom', (value) => {
      if (num(value) % 5 === 3) throw new Error('boom')
      return num(value) + 1
    })
    played.to(stream.process(failing), 'o1')
    if (String(recording.topology.handler).startsWith('LogAndFail')) return
    played.to(stream.process(count('S', storedAs(recording))), 'o2')
    const late = filter('late', (value) => {
      if (value === 7) throw new Error('late')
      return true
    })
    played.to(stream.process(late), 'o3')
  },
  headers: (recording, played) => {
    const stream = played.stream()
    const stored = storedAs(recording)
    if (recording.topology.cache === 'on')
      played.to(stream.process(reduce('R', (sum: unknown, value) => num(sum) + num(value), stored)))
    else {
      const mapped = stream.process(map('renamed', (key, value) => [`${key}x`, num(value) + 1] as const))
      played.to(mapped.process(flatMapValues('twice', (value) => [value, value])), 'o1')
      played.to(stream.process(count('C', stored)), 'o2')
    }
  },
}

function handleErrors({ topology }: Recording, played: PlayedTopology): void {
  const { handler, dlqTopic } = topology
  const reaction = String(handler).startsWith('LogAndFail') ? 'fail' : dlqTopic === null ? 'skip' : 'dead-letter'
  played.settings = {
    onUndecodable: reaction,
    onFailedRecord: reaction,
    ...(typeof dlqTopic === 'string' && { deadLetterTopic: dlqTopic }),
  }
  if (reaction === 'dead-letter') played.deadLetters(String(dlqTopic))
}
