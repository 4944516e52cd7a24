import type { StoreDescription, TopologyDescription } from './describe.ts'

/**
 * What a change does to the state of an application that runs already.
 *
 * - `none`: state stays and is used as before.
 * - `begins-empty`: what is new knows nothing of records that are committed.
 * - `orphaned`: state stays somewhere, and nobody reads it any more.
 * - `refused`: the new version does not start, cannot read what is there, or would take it for something else.
 */
export type StateEffect = 'none' | 'begins-empty' | 'orphaned' | 'refused'

export interface TopologyChange {
  readonly what: 'store' | 'changelog' | 'repartition topic' | 'global table' | 'source topic'
  /** Internal topics are named without the application. */
  readonly name: string
  readonly change: 'new' | 'gone' | 'changed'
  readonly effect: StateEffect
  /** What it means, in a sentence. */
  readonly says: string
}

/**
 * What a new version of a topology does to the stores and internal topics of the one before. Names tell what is the same: a store with
 * another name is another store.
 *
 * @example
 * const changes = diffTopologies(describeTopology(before), describeTopology(after))
 * if (changes.some(losesState)) process.exit(1)
 */
export function diffTopologies(before: TopologyDescription, after: TopologyDescription): readonly TopologyChange[] {
  return [
    ...storeChanges(before, after),
    ...repartitionChanges(before, after),
    ...globalTableChanges(before, after),
    ...sourceChanges(before, after),
  ]
}

/** State would be orphaned, or the new version refuses it. */
export function losesState({ effect }: TopologyChange): boolean {
  return effect === 'orphaned' || effect === 'refused'
}

// ---- stores

interface PlacedStore extends StoreDescription {
  /** What its sub-topology reads. */
  readonly topics: readonly string[]
}

function storesOf({ subtopologies }: TopologyDescription): Map<string, PlacedStore> {
  const placed = subtopologies.flatMap(({ stores, topics }) => stores.map((store) => ({ ...store, topics })))
  return new Map(placed.map((store) => [store.name, store]))
}

function storeChanges(before: TopologyDescription, after: TopologyDescription): TopologyChange[] {
  const [old, now] = [storesOf(before), storesOf(after)]
  const added = [...now.values()].filter(({ name }) => !old.has(name))
  const gone = [...old.values()].filter(({ name }) => !now.has(name))
  return [
    ...gone.flatMap((store) => goneStore(store, added)),
    ...added.map(({ name }) =>
      changed('store', name, 'new', {
        effect: 'begins-empty',
        says: 'begins empty: records that are committed are not read again',
      }),
    ),
    ...[...now.values()].flatMap((store) => {
      const was = old.get(store.name)
      return was ? storeDifferences(was, store) : []
    }),
  ]
}

function goneStore({ name, kind, changelog }: PlacedStore, added: readonly PlacedStore[]): TopologyChange[] {
  const heirs = added.filter((store) => store.kind === kind).map((store) => `"${store.name}"`)
  const renamed = heirs.length > 0 ? `; if it was renamed to ${heirs.join(' or ')}, keep the old name` : ''
  const store = { effect: 'orphaned', says: `what it holds is read by nobody any more${renamed}` } as const
  const topic = { effect: 'orphaned', says: 'stays on the broker, and nobody writes or reads it any more' } as const
  return [
    changed('store', name, 'gone', store),
    ...(changelog === null ? [] : [changed('changelog', changelog, 'gone', topic)]),
  ]
}

/** What may differ between two stores of one name, and what that does. What is undefined is not known: an older Millrace did not print it. */
const differences: readonly {
  readonly of: (store: PlacedStore) => string | undefined
  readonly label: string
  readonly effect: StateEffect
  readonly says: string
}[] = [
  {
    of: ({ kind }) => kind,
    label: 'kind',
    effect: 'refused',
    says: 'what is on disk and in the changelog has another layout; give it another name',
  },
  {
    of: ({ key, value }) => `${key}, ${value}`,
    label: 'serdes',
    effect: 'refused',
    says: 'what is stored was written by others; give it another name unless they read the same bytes',
  },
  {
    of: ({ windows }) => windows,
    label: 'windows',
    effect: 'refused',
    says: 'what is stored would be taken for values of the new windows; give it another name',
  },
  {
    of: ({ topics }) => topics.join(', '),
    label: 'topics of its sub-topology',
    effect: 'none',
    says: 'its state is kept if they have as many partitions; else the start ends with TOPIC_MISMATCH',
  },
  {
    of: ({ storage }) => storage,
    label: 'storage',
    effect: 'none',
    says: 'it is restored from its changelog',
  },
  {
    of: ({ copyOf = 'none' }) => copyOf,
    label: 'topic that it is a copy of',
    effect: 'begins-empty',
    says: 'what it holds is that of the other topic until each key changes',
  },
]

function storeDifferences(was: PlacedStore, is: PlacedStore): TopologyChange[] {
  const found = differences
    .filter(({ of }) => of(was) !== undefined && of(is) !== undefined && of(was) !== of(is))
    .map(({ of, label, effect, says }) =>
      changed('store', is.name, 'changed', { effect, says: `${label}: ${of(was)}, now ${of(is)}: ${says}` }),
    )
  if (was.changelog === is.changelog) return found
  if (was.changelog !== null)
    found.push(
      changed('changelog', was.changelog, 'gone', {
        effect: 'orphaned',
        says: 'stays on the broker, and the store is not restored from it any more',
      }),
    )
  if (is.changelog !== null)
    found.push(
      changed('changelog', is.changelog, 'new', {
        effect: 'begins-empty',
        says: 'has only what changes from now on: what is on disk already is lost with the disk',
      }),
    )
  return found
}

// ---- topics

function repartitionChanges(before: TopologyDescription, after: TopologyDescription): TopologyChange[] {
  const [old, now] = [before, after].map(
    ({ repartitions }) => new Map(repartitions.map(({ topic, partitions }) => [topic, partitions] as const)),
  )
  return compared('repartition topic', old, now, {
    gone: { effect: 'orphaned', says: 'stays on the broker; records in it that are not processed yet are lost' },
    added: { effect: 'none', says: 'is made at the start' },
    differs: (was, is) =>
      is === null
        ? { effect: 'none', says: `keeps its ${was} partitions` }
        : {
            effect: 'refused',
            says: `partitions: ${was ?? 'those of its inputs'}, now ${is}: unless it has as many, the start ends with TOPIC_MISMATCH`,
          },
  })
}

function globalTableChanges(before: TopologyDescription, after: TopologyDescription): TopologyChange[] {
  const [old, now] = [before, after].map(
    ({ globalTables }) => new Map(globalTables.map(({ name, topic }) => [name, topic] as const)),
  )
  return compared('global table', old, now, {
    gone: { effect: 'none', says: 'its topic has all of it' },
    added: { effect: 'none', says: 'is read from its topic before anything starts' },
    differs: (was, is) => ({ effect: 'none', says: `topic: ${was}, now ${is}: it is read again from the start` }),
  })
}

/** Topics that are not the application's own. */
function sourceChanges(before: TopologyDescription, after: TopologyDescription): TopologyChange[] {
  const [old, now] = [before, after].map(({ subtopologies, internalTopics }) => {
    const topics = subtopologies.flatMap((part) => part.topics)
    return new Map(topics.filter((topic) => !internalTopics.includes(topic)).map((topic) => [topic, topic] as const))
  })
  return compared('source topic', old, now, {
    gone: { effect: 'none', says: 'what was committed of it stays with the group until `millrace reset`' },
    added: { effect: 'none', says: 'is read from its beginning' },
    differs: () => undefined,
  })
}

interface Meaning {
  readonly effect: StateEffect
  readonly says: string
}

/** What is in one map and not in the other, or in both and not the same. */
function compared<T>(
  what: TopologyChange['what'],
  old: ReadonlyMap<string, T> = new Map(),
  now: ReadonlyMap<string, T> = new Map(),
  meanings: {
    readonly gone: Meaning
    readonly added: Meaning
    readonly differs: (was: T, is: T) => Meaning | undefined
  },
): TopologyChange[] {
  const gone = [...old.keys()].filter((name) => !now.has(name))
  const added = [...now.keys()].filter((name) => !old.has(name))
  return [
    ...gone.map((name) => changed(what, name, 'gone', meanings.gone)),
    ...added.map((name) => changed(what, name, 'new', meanings.added)),
    ...[...now].flatMap(([name, is]) => {
      const was = old.get(name)
      const meaning = was === undefined || was === is ? undefined : meanings.differs(was, is)
      return meaning ? [changed(what, name, 'changed', meaning)] : []
    }),
  ]
}

function changed(
  what: TopologyChange['what'],
  name: string,
  change: TopologyChange['change'],
  meaning: Meaning,
): TopologyChange {
  return { what, name, change, ...meaning }
}
