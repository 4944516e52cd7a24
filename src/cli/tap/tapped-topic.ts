import { deadLetterTopicOf, type RuntimeSettings } from '../../config.ts'
import { StreamError } from '../../errors.ts'
import { nearestName } from '../../nearest-name.ts'
import { type Headers, headerText } from '../../record.ts'
import type { LogRecord } from '../../runtime/broker.ts'
import type { Serde } from '../../serde.ts'
import { changelogTopic } from '../../state/changelog.ts'
import type { StoreSpec } from '../../state/store.ts'
import { orDeleted, splitVersionRow } from '../../state/versioned-layout.ts'
import { type GlobalTableSpec, type Topology, type TopologyNode, topicName } from '../../topology/topology.ts'
import { splitSessionKey, splitWindowKey } from '../../windowed.ts'

/** How the bytes of a record become what they mean. */
export interface Reading {
  /** Throws RECORD_UNDECODABLE. */
  key(bytes: Uint8Array): unknown
  /** Throws RECORD_UNDECODABLE. */
  value(bytes: Uint8Array): unknown
  /** Gets what is missing to read a record, such as a schema that a server has. */
  prepare(record: Pick<LogRecord, 'key' | 'value'>, signal: AbortSignal): Promise<void>
}

/** A topic of a topology that can be looked into. */
export interface TappedTopic {
  readonly kind: 'source' | 'repartition' | 'sink' | 'changelog' | 'dead-letter'
  /** As it is called on the broker. */
  readonly topic: string
  /** What else it may be called: its node, its store, its topic without the application. */
  readonly names: readonly string[]
  /** How to read a record with these headers; undefined when nobody knows. */
  reading(headers: Headers): Reading | undefined
}

/** Every topic that a topology reads or writes, those that the runtime makes for it included; each once. */
export function topicsOf(topology: Topology, settings: RuntimeSettings): readonly TappedTopic[] {
  const { application } = settings
  const nodes = [...topology.nodes.values()].flatMap((node) => topicOfNode(node, application))
  const stores = [...topology.stores.values()].filter(({ changelog }) => changelog ?? true)
  const changelogs = stores.map((store) => changelogOf(topology, store, application))
  const globals = [...topology.globalTables.values()].map(topicOfTable)
  const known = [...Map.groupBy([...nodes, ...globals, ...changelogs], ({ topic }) => topic).values()].flatMap(joined)
  return [...known, deadLettersOf(known, settings)]
}

/** The topic that a name stands for. Throws USAGE when there is none, or several. */
export function topicNamed(name: string, topics: readonly TappedTopic[]): TappedTopic {
  const found = topics.filter(({ topic, names }) => topic === name || names.includes(name))
  const [first] = found
  if (first && found.length === 1) return first
  if (first) {
    const choices = found.map(({ topic }) => topic).join(', ')
    throw new StreamError('USAGE', `"${name}" has several topics`, { fix: `Name one of them: ${choices}.` })
  }
  const nearest = nearestName(
    name,
    topics.flatMap(({ names }) => names),
  )
  const hint = nearest === undefined ? '' : `Did you mean ${nearest}? `
  const choices = topics.map(({ names: [own = ''], kind }) => `${own} (${kind})`).join(', ')
  throw new StreamError('USAGE', `no topic is that of "${name}": what passes inside of the process is in none`, {
    fix: `${hint}There are ${choices}.`,
  })
}

function topicOfNode(node: TopologyNode, application: string): readonly TappedTopic[] {
  if (node.kind === 'processor') return []
  const end = node.kind === 'source' ? node.source : node.target
  const topic = topicName(node, application)
  if (end.kind === 'sink' || topic === undefined) return []
  const { key, value, topic: own } = end
  const reading = readingOf(key, value)
  // The operator `by-author` has become two nodes around the topic `by-author-repartition`.
  const operator = own.replace(/-repartition$/, '')
  const names = node.internal ? [operator, own, node.name] : [node.name, own]
  return [{ kind: node.internal ? 'repartition' : node.kind, topic, names, reading: () => reading }]
}

function topicOfTable({ name, source: { topic, key, value } }: GlobalTableSpec): TappedTopic {
  const reading = readingOf(key, value)
  return { kind: 'source', topic, names: [name, topic], reading: () => reading }
}

function changelogOf(topology: Topology, store: StoreSpec, application: string): TappedTopic {
  const users = [...topology.nodes.values()].filter(
    (node) => node.kind === 'processor' && node.stores.includes(store.name),
  )
  const reading = changelogReading(store)
  return {
    kind: 'changelog',
    topic: changelogTopic(application, store.name),
    names: [store.name, `${store.name}-changelog`, ...users.map(({ name }) => name)],
    reading: () => reading,
  }
}

/** A node that reads a topic and one that writes it name the same one. */
function joined(same: readonly TappedTopic[]): readonly TappedTopic[] {
  const [first] = same
  return first ? [{ ...first, names: [...new Set(same.flatMap(({ names }) => names))] }] : []
}

/** A letter has key and value of the record that it was: of the topic that its header names. */
function deadLettersOf(known: readonly TappedTopic[], settings: RuntimeSettings): TappedTopic {
  return {
    kind: 'dead-letter',
    topic: deadLetterTopicOf(settings),
    names: ['dead-letter'],
    reading: (headers) => {
      const source = headerText(headers, '__streams.errors.topic')
      return known.find(({ topic }) => topic === source)?.reading(headers)
    },
  }
}

function readingOf(key: Serde<unknown>, value: Serde<unknown>): Reading {
  return {
    key: (bytes) => key.deserialize(bytes),
    value: (bytes) => value.deserialize(bytes),
    prepare: async (record, signal) => {
      if (record.key !== null) await key.prepare?.(record.key, signal)
      if (record.value !== null) await value.prepare?.(record.value, signal)
    },
  }
}

/** Keys of windows, sessions and versions carry their times. */
function changelogReading({ kind, key, value }: StoreSpec): Reading {
  const plain = readingOf(key, value)
  if (kind === 'versioned')
    return {
      ...readingOf(key, orDeleted(value)),
      key: (bytes) => {
        const { key: inner, untilMs } = splitVersionRow(bytes)
        return { key: key.deserialize(inner), untilMs }
      },
    }
  if (kind === 'window')
    return {
      ...plain,
      key: (bytes) => {
        const { key: inner, startMs } = splitWindowKey(bytes)
        return { key: key.deserialize(inner), startMs }
      },
    }
  if (kind !== 'session') return plain
  return {
    ...plain,
    key: (bytes) => {
      const { key: inner, window } = splitSessionKey(bytes)
      return { key: key.deserialize(inner), window }
    },
  }
}
