import type { RuntimeSettings } from '../../config.ts'
import { reasonOf } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { Topology } from '../../topology/topology.ts'
import type { Broker } from '../broker.ts'
import { topicsBySubtopology } from '../group/assignor.ts'

export interface AbandonedTopicsOptions {
  readonly topology: Topology
  readonly settings: RuntimeSettings
  readonly broker: Broker
}

/** The topics that the application has committed offsets of, and that this topology does not read; sorted. */
export async function abandonedTopics({ topology, settings, broker }: AbandonedTopicsOptions): Promise<string[]> {
  const { application } = settings
  const read = new Set([...topicsBySubtopology(topology, application).values()].flat())
  return (await broker.committedTopics(application)).filter((topic) => !read.has(topic)).sort()
}

/**
 * Says which topics the application has read and this topology does not: a new version of it has lost a source, or its name belongs to
 * another topology. A look that fails keeps nobody from starting.
 */
export async function warnOfAbandonedTopics({
  logger,
  ...options
}: AbandonedTopicsOptions & { readonly logger: Logger }): Promise<void> {
  try {
    const topics = await abandonedTopics(options)
    if (topics.length > 0) logger.warn({ group: options.settings.application, topics }, abandoned)
  } catch (error) {
    logger.warn({ error: reasonOf(error) }, 'it is not known whether the application has read other topics before')
  }
}

const abandoned =
  'the application has committed offsets of topics that its topology does not read: new records there are not processed, and what it made ' +
  'of earlier ones stays. Give another topology an application of its own; where a source was taken out for good, delete the offsets of its ' +
  'topics in this group, which ends this warning'
