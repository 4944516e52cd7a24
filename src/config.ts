import { z } from 'zod'
import { factOfAll, StreamError } from './errors.ts'

const kib = 1024
const mib = 1024 * kib

const errorReaction = z.enum(['fail', 'skip', 'dead-letter'])

/** What to do with a record that cannot be processed. */
export type ErrorReaction = z.infer<typeof errorReaction>

/**
 * Settings of a running topology. The schema is the single source: defaults, checks and docs/reference.md come from it. Sizes are in
 * bytes, times in milliseconds.
 */
export const runtimeSettings = z.strictObject({
  application: z
    .string()
    .regex(/^[a-zA-Z0-9._-]{1,100}$/, 'may hold only letters, digits, ".", "_" and "-"')
    .describe('Names the consumer group, the internal topics and the state folder.'),
  stateDirectory: z
    .string()
    .min(1)
    .default('.millrace/state')
    .describe('Folder for the LevelDB stores; one process at a time.'),
  commitIntervalMs: z.int().min(1).default(1_000).describe('How often a generation is cut and committed.'),
  processingGuarantee: z
    .enum(['at_least_once', 'exactly_once'])
    .default('at_least_once')
    .describe(
      'What state and outputs to topics get. `exactly_once` makes a transaction of each generation: outputs appear when it commits.',
    ),
  maxOpenGenerations: z
    .int()
    .min(2)
    .max(64)
    .default(4)
    .describe('Generations of a task that may wait for their index writes; at the bound intake pauses.'),
  maxGenerationBytes: z
    .int()
    .min(kib)
    .default(8 * mib)
    .describe('State changes that a generation may hold in memory; at the bound it is cut early.'),
  cacheMaxBytes: z
    .int()
    .min(0)
    .default(10 * mib)
    .describe(
      'Updates that steps with `caching` may hold back, over all tasks of the instance; at the bound they go out before their commit. 0: after every record.',
    ),
  maxInFlightRecords: z
    .int()
    .min(1)
    .default(1_000)
    .describe('Records of a task that were taken from the log and are not done yet; at the bound intake pauses.'),
  maxInFlightBytes: z
    .int()
    .min(1)
    .default(16 * mib)
    .describe('Size of those records as they came from the log.'),
  maxQueuedBytes: z
    .int()
    .min(1)
    .default(4 * mib)
    .describe('Records fetched and not yet taken, per partition; at the bound the partition is paused.'),
  maxTaskIdleMs: z
    .int()
    .min(-1)
    .default(0)
    .describe(
      'How long a task that reads several topics waits for one that is at its end, so that records are taken in the order of their times. 0 waits only while its log is known to have more, -1 for nothing.',
    ),
  recordDeadlineMs: z
    .int()
    .min(1)
    .default(300_000)
    .describe(
      'How long one call of an asynchronous processor may take; then its record is given up (RECORD_TIMEOUT). Embedding and the index watch over their own waits.',
    ),
  processingDeadlineMs: z
    .int()
    .min(1_000)
    .default(300_000)
    .describe(
      'How long an instance that has records, and a broker that answers, may get nowhere; then it fails (PROCESSING_STALLED). Waiting for embedding or the index does not count.',
    ),
  closeDeadlineMs: z
    .int()
    .min(1)
    .default(30_000)
    .describe('How long a close, or the loss of a partition, may wait for records in flight.'),
  sessionTimeoutMs: z
    .int()
    .min(1_000)
    .default(45_000)
    .describe('An instance that is silent for so long loses its partitions.'),
  rebalanceTimeoutMs: z
    .int()
    .min(1_000)
    .default(60_000)
    .describe('How long a rebalance waits for an instance to commit and hand over.'),
  numStandbyReplicas: z
    .int()
    .min(0)
    .default(0)
    .describe(
      'Copies of the stores of each task that other instances keep up to date, to take over without a long restore. The leader of the group decides: give all instances the same.',
    ),
  offsetReset: z
    .enum(['fail', 'earliest', 'latest'])
    .default('fail')
    .describe(
      'What to do when the committed offset is no longer in the log. Without a commit reading starts at the beginning.',
    ),
  onUndecodable: errorReaction.default('dead-letter').describe('What happens to a record that its serde cannot read.'),
  onFailedRecord: errorReaction
    .default('dead-letter')
    .describe('What happens to a record that a processor or the index rejects.'),
  deadLetterTopic: z
    .string()
    .optional()
    .describe('Where given-up records go with their error; default `<application>-dead-letter`.'),
})

export type RuntimeSettings = z.infer<typeof runtimeSettings>
export type RuntimeSettingsInput = z.input<typeof runtimeSettings>

/** Fills in defaults. Throws CONFIG_INVALID with every problem, a line each. */
export function parseSettings(input: RuntimeSettingsInput): RuntimeSettings {
  const result = runtimeSettings.safeParse(input)
  if (result.success) return result.data
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'settings'}: ${issue.message}`)
  throw new StreamError('CONFIG_INVALID', factOfAll('the configuration', problems), { details: { problems } })
}

/** The dead-letter topic of an application. */
export function deadLetterTopicOf(settings: RuntimeSettings): string {
  return settings.deadLetterTopic ?? `${settings.application}-dead-letter`
}
