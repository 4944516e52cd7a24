import { StreamError, toStreamError } from '../errors.ts'
import type { Serde } from '../serde.ts'
import type { StoreSpec } from '../state/store.ts'
import type { Topology, TopologyNode } from '../topology/topology.ts'

/** Is told of a serde that does not give back what it was given. */
export type ReportMismatch = (error: StreamError) => void

/**
 * The same topology with serdes that read back at once what they write to topics and stores. Serdes that ask a server are left as they
 * are: they cannot read without waiting.
 */
export function withCheckedSerdes(topology: Topology, report: ReportMismatch): Topology {
  const stores = new Map([...topology.stores].map(([name, spec]) => [name, checkedStore(spec, report)]))
  return {
    ...topology,
    nodes: new Map([...topology.nodes].map(([name, node]) => [name, checkedNode(node, report)])),
    stores,
    subtopologies: topology.subtopologies.map((part) => ({
      ...part,
      stores: part.stores.map((spec) => stores.get(spec.name) ?? spec),
    })),
  }
}

/** `where` names the serde in the error: `the value serde of topic "pages"`. */
function checkedSerde<T>(serde: Serde<T>, where: string, report: ReportMismatch): Serde<T> {
  if (serde.prepare) return serde
  return {
    name: serde.name,
    ...(serde.nullable && { nullable: true }),
    ...(serde.partitionedBy && { partitionedBy: serde.partitionedBy.bind(serde) }),
    ...(serde.forTopic && { forTopic: serde.forTopic.bind(serde) }),
    serialize: (value) => {
      const written = serde.serialize(value)
      const fact = unfaithful(serde, written, value)
      if (fact) report(new StreamError('SERDE_MISMATCH', `${where} (${serde.name}) ${fact}`))
      return written
    },
    deserialize: (bytes) => serde.deserialize(bytes),
  }
}

function checkedStore(spec: StoreSpec, report: ReportMismatch): StoreSpec {
  return { ...spec, ...checkedPair(spec, `store "${spec.name}"`, report) }
}

function checkedNode(node: TopologyNode, report: ReportMismatch): TopologyNode {
  if (node.kind !== 'sink' || node.target.kind !== 'topic-target') return node
  const { target } = node
  return { ...node, target: { ...target, ...checkedPair(target, `topic "${target.topic}"`, report) } }
}

interface Pair<K, V> {
  readonly key: Serde<K>
  readonly value: Serde<V>
}

export function checkedPair<K, V>({ key, value }: Pair<K, V>, of: string, report: ReportMismatch): Pair<K, V> {
  return {
    key: checkedSerde(key, `the key serde of ${of}`, report),
    value: checkedSerde(value, `the value serde of ${of}`, report),
  }
}

/** What is wrong with what it wrote; undefined when nothing is. */
function unfaithful<T>(serde: Serde<T>, written: Uint8Array, value: T): string | undefined {
  try {
    const read = serde.deserialize(written)
    const place = differenceBetween(value, read)
    return place && `gives back another value than it was given: ${place}`
  } catch (error) {
    return `cannot read what it wrote: ${toStreamError(error, 'RECORD_UNDECODABLE', 'it throws').fact}`
  }
}

/** The first place where two values differ, and how. Properties that are undefined count as absent, as most formats have it. */
function differenceBetween(given: unknown, read: unknown, path: readonly string[] = []): string | undefined {
  if (given === read || Object.is(given, read)) return undefined
  // Serdes of the runtime's own may read a value when it is asked for.
  if (typeof given === 'function' && typeof read === 'function') return undefined
  const [before, after] = [partsOf(given), partsOf(read)]
  if (!before || !after || Array.isArray(given) !== Array.isArray(read)) {
    const place = path.length > 0 ? `at "${path.join('.')}" ` : ''
    return `${place}${shortText(given)} became ${shortText(read)}`
  }
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const difference = differenceBetween(before[name], after[name], [...path, name])
    if (difference) return difference
  }
  return undefined
}

/** What a value is compared by; undefined for one that is compared as a whole. */
function partsOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (ArrayBuffer.isView(value))
    return { bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex') }
  if (value instanceof Date) return { time: value.getTime() }
  if (value instanceof Map || value instanceof Set) return { ...[...value] }
  return { ...value }
}

function shortText(value: unknown): string {
  if (value instanceof Date) return `Date ${value.toISOString()}`
  const text =
    typeof value === 'string' || (typeof value === 'object' && value !== null) ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 60)}...` : text
}
