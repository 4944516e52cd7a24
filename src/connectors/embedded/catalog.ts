import { StreamError } from '../../errors.ts'
import type { TopicDescription, TopicPartition, TopicSpec } from '../../runtime/broker.ts'
import type { ByteChange, ByteStore } from '../../state/store.ts'
import {
  cleaningKey,
  decodeCleaning,
  decodeOffset,
  decodeTopic,
  encodeTopic,
  nextOffsetKey,
  type Topic,
  topicKey,
  topicRange,
} from './layout.ts'
import { Partition } from './partition.ts'

/** Topics that were added but are not in the store yet. */
export interface Creation {
  readonly changes: readonly ByteChange[]
  /** The changes could not be written: the topics do not exist. */
  undo(): void
}

/** The topics of a log and the counters of their partitions, all in memory. */
export class Catalog {
  readonly #topics = new Map<string, readonly Partition[]>()
  #lastId = 0

  static async load(store: ByteStore): Promise<Catalog> {
    const catalog = new Catalog()
    for await (const [, bytes] of store.range(topicRange)) {
      const topic = decodeTopic(bytes)
      catalog.#lastId = Math.max(catalog.#lastId, topic.id)
      catalog.#topics.set(topic.name, loadPartitions(topic, store))
    }
    return catalog
  }

  /** All partitions of all topics. */
  get partitions(): readonly Partition[] {
    return [...this.#topics.values()].flat()
  }

  find(topic: string): Topic | undefined {
    return this.#topics.get(topic)?.[0]?.topic
  }

  namesOf(ids: ReadonlySet<number>): string[] {
    return [...this.#topics].flatMap(([name, [first]]) => (first && ids.has(first.topic.id) ? [name] : []))
  }

  describe(names: readonly string[]): Map<string, TopicDescription> {
    const found = new Map<string, TopicDescription>()
    for (const topic of names) {
      const partitions = this.#topics.get(topic)
      const cleanup = partitions?.[0]?.topic.cleanup
      if (partitions && cleanup) found.set(topic, { topic, partitions: partitions.length, cleanup })
    }
    return found
  }

  /** Throws TOPIC_MISSING. */
  partitionsOf(topic: string): readonly Partition[] {
    const partitions = this.#topics.get(topic)
    if (partitions) return partitions
    throw new StreamError('TOPIC_MISSING', `topic "${topic}" does not exist`, { details: { topic } })
  }

  /** Throws TOPIC_MISSING. */
  partition({ topic, partition }: TopicPartition): Partition {
    const found = this.partitionsOf(topic)[partition]
    if (found) return found
    throw new StreamError('TOPIC_MISSING', `topic "${topic}" has no partition ${partition}`, {
      fix: 'Create the topic with more partitions.',
      details: { topic, partition },
    })
  }

  /** Adds the topics that do not exist; when one does not fit, none. Throws TOPIC_MISMATCH, CONFIG_INVALID. */
  add(specs: readonly TopicSpec[]): Creation {
    for (const spec of specs) this.#check(spec)
    const added = specs.filter(({ topic }) => !this.#topics.has(topic)).map((spec) => this.#newTopic(spec))
    for (const topic of added) this.#topics.set(topic.name, newPartitions(topic))
    return {
      changes: added.map((topic) => ({ key: topicKey(topic.name), value: encodeTopic(topic) })),
      undo: () => {
        for (const topic of added) this.#topics.delete(topic.name)
      },
    }
  }

  /** Forgets a topic; gives what has to be written for that. */
  remove(name: string): ByteChange[] {
    const partitions = this.#topics.get(name) ?? []
    this.#topics.delete(name)
    const keys = partitions.flatMap(({ topic: { id }, index }) => [nextOffsetKey(id, index), cleaningKey(id, index)])
    return [topicKey(name), ...keys].map((key) => ({ key, value: null }))
  }

  #newTopic({ topic, partitions, cleanup = 'delete', settings = {} }: TopicSpec): Topic {
    this.#lastId++
    return { id: this.#lastId, name: topic, partitions, cleanup, settings }
  }

  #check({ topic, partitions }: TopicSpec): void {
    if (topic === '' || !Number.isInteger(partitions) || partitions < 1) {
      throw new StreamError('CONFIG_INVALID', `topic "${topic}" cannot have ${partitions} partitions`, {
        fix: 'Give the topic a name and at least one partition.',
      })
    }
    const existing = this.#topics.get(topic)?.length ?? partitions
    if (existing === partitions) return
    throw new StreamError('TOPIC_MISMATCH', `topic "${topic}" has ${existing} partitions, not ${partitions}`, {
      details: { topic, partitions: existing },
    })
  }
}

function newPartitions(topic: Topic): Partition[] {
  return Array.from({ length: topic.partitions }, (_, index) => new Partition(topic, index))
}

function loadPartitions(topic: Topic, store: ByteStore): Partition[] {
  return newPartitions(topic).map(({ index }) => {
    const next = store.get(nextOffsetKey(topic.id, index))
    const cleaning = store.get(cleaningKey(topic.id, index))
    return new Partition(topic, index, {
      ...(next && { end: decodeOffset(next) }),
      ...(cleaning && { cleaning: decodeCleaning(cleaning) }),
    })
  })
}
