/**
 * What the runtime does when an error reaches it. Named by reaction, as Kafka Streams names its exceptions.
 *
 * - `retry`: the cause passes (network, overload); try again within the deadline, then treat as `fatal` or pause.
 * - `skip`: this one record is poison; the error handler decides between fail, skip and dead letter.
 * - `restore`: local state cannot be trusted; wipe the store and replay its changelog.
 * - `migrate`: another instance owns this task now; drop it without writing, then rejoin.
 * - `fatal`: nothing here can help; stop and say what to change.
 */
export type Reaction = 'retry' | 'skip' | 'restore' | 'migrate' | 'fatal'

/** Process exit codes of the command line: 1 runtime, 2 wrong usage, 78 wrong configuration (EX_CONFIG of sysexits.h). */
export type ExitCode = 1 | 2 | 78

interface ErrorDefinition {
  readonly reaction: Reaction
  readonly exit: ExitCode
  /** The usual next step; a throw may name a better one. */
  readonly fix: string
}

const runtime = (reaction: Reaction, fix: string): ErrorDefinition => ({ reaction, exit: 1, fix })
const configuration = (fix: string): ErrorDefinition => ({ reaction: 'fatal', exit: 78, fix })
const usage = (fix: string): ErrorDefinition => ({ reaction: 'fatal', exit: 2, fix })

/** Every error that Millrace raises. docs/reference.md lists the same rows; a test holds the two equal. */
export const errorTable = {
  // command line and configuration
  USAGE: usage('See `millrace <command> --help`.'),
  CONFIG_INVALID: configuration('Correct the named settings.'),
  TOPOLOGY_FILE: configuration('Make the file compile and export a Topology as its default export.'),
  TOPOLOGY_INVALID: configuration('Correct each of the listed problems.'),
  CHECK_TIMEOUT: runtime('fatal', 'Find out what does not answer, or give it more time with `--timeout`.'),
  SOURCE_MISSING: usage('Name a folder, or a .jsonl, .jsonl.gz or .jsonl.br change stream.'),
  SOURCE_UNREADABLE: runtime('fatal', 'Check the file and the rights on it.'),
  SOURCE_EMPTY: runtime(
    'fatal',
    'Look whether the disk is mounted; give --allow-empty (`allowEmpty`) if the documents are to be deleted.',
  ),

  // records and documents
  RECORD_UNDECODABLE: runtime('skip', 'Correct the producer; the record is in the dead-letter topic if there is one.'),
  RECORD_UNENCODABLE: runtime('skip', 'Make the value fit the serde of the topic or store.'),
  SERDE_MISMATCH: runtime('fatal', 'Correct the serde, or its schema, so that it gives back what it is given.'),
  RECORD_FAILED: runtime('skip', 'Correct the named processor or the record.'),
  RECORD_TIMEOUT: runtime('skip', 'Find out why embedding or the index takes so long, or raise `recordDeadlineMs`.'),
  DOCUMENT_TOO_LARGE: runtime('skip', 'Split the document, or raise `maxDocumentBytes`.'),
  TIMESTAMP_INVALID: runtime('fatal', 'Choose a timestamp extractor that skips or replaces negative timestamps.'),

  // state
  STATE_LOCKED: runtime('fatal', 'Stop the other process, or choose another directory.'),
  STATE_FORMAT: runtime(
    'fatal',
    'Run the version that wrote it, or choose an empty directory: the changelog restores it.',
  ),
  STATE_CORRUPT: runtime('restore', 'Nothing to do: the store is wiped and restored from its changelog.'),
  STATE_IO: runtime('fatal', 'Check space, rights and health of the disk.'),
  STORE_UNKNOWN: configuration('Name a store that the node is connected to.'),
  STORE_UNAVAILABLE: runtime('retry', 'Ask again in a moment.'),
  QUERY_INVALID: usage('Correct the query.'),
  QUERY_DENIED: configuration('Send the token of the application as `Authorization: Bearer <token>`.'),
  BUFFER_FULL: runtime('fatal', 'Raise `maxRecords` or `maxBytes` of the step, or let it emit early.'),
  CHANGELOG_CORRUPT: runtime('fatal', 'Repair or delete the named record of the changelog topic.'),

  // brokers
  BROKER_UNREACHABLE: runtime('retry', 'Check the address, the network and the credentials.'),
  BROKER_DENIED: configuration('Give the user of the application the right that the broker misses.'),
  BROKER_CLOSED: runtime('fatal', 'Open the broker before use.'),
  TOPIC_MISSING: configuration('Create the topic.'),
  TOPIC_MISMATCH: configuration('Give the topics of one sub-topology the same number of partitions.'),
  OFFSET_OUT_OF_RANGE: runtime('fatal', 'Choose `earliest` or `latest` for `offsetReset`, then run `audit`.'),
  MEMBER_FENCED: runtime('migrate', 'Nothing to do: the partition is owned by another instance.'),
  COMMIT_FAILED: runtime('retry', 'Check the group coordinator.'),
  COMMIT_UNKNOWN: runtime('migrate', 'Nothing to do: the task starts again from what is committed.'),
  PRODUCE_FAILED: runtime('retry', 'Check the partition leaders and the topic configuration.'),
  RECORD_REJECTED: runtime('skip', 'Make the record fit the limits of the topic.'),
  GROUP_ACTIVE: runtime(
    'fatal',
    'Stop all instances of the application; one that was killed leaves when its session has timed out.',
  ),
  CONSUMER_DEAD: runtime('fatal', 'Restart the instance; the cause is named.'),
  PROCESSING_STALLED: runtime('fatal', 'Restart the instance: what is not committed is read again.'),
  CLIENT_VERSION: runtime('fatal', 'Install the exact version of kafkajs that package.json names.'),

  // schema registry
  REGISTRY_UNREACHABLE: runtime('retry', 'Check the URL and the network; the topic waits until the registry answers.'),
  REGISTRY_DENIED: configuration('Give credentials that may read the schemas, and register them if the serde does.'),
  SCHEMA_REFUSED: configuration(
    'Register the schema under the subject, or make it compatible with the version before.',
  ),

  // embedding
  MODEL_MISSING: configuration(
    'Name a model of `millrace model list`, or a folder with model.onnx, tokenizer.json and config.json.',
  ),
  MODEL_INVALID: configuration('Restore the files of the model.'),
  MODEL_DENIED: configuration(
    'Accept the terms of the model on its page of the hub, and set HF_TOKEN to a token of yours.',
  ),
  MODEL_UNREACHABLE: runtime(
    'retry',
    'Check the network and HF_ENDPOINT, then run the command again: it goes on where it was.',
  ),
  MODEL_INEXACT: runtime('fatal', 'Use more exact weights, or lower the bound if such vectors are good enough.'),
  DEVICE_UNUSABLE: configuration('Install what the device needs, or choose the device cpu or auto.'),
  EMBED_FAILED: runtime('retry', 'See the cause; a topology tries the texts again.'),
  EMBED_DENIED: configuration('Give an API key that the embedding server accepts.'),
  EMBED_TEXT: runtime('skip', 'Look at the named text, or the text of the named document.'),
  CACHE_FILE: runtime('fatal', 'Export the cache again.'),
  VECTOR_INVALID: runtime('skip', 'Compare vectors of one model only, and none that is zero or not finite.'),

  // index
  INDEX_UNREACHABLE: runtime('retry', 'Check the URL, the network and the credentials of the index.'),
  INDEX_DENIED: configuration('Give an API key with write access.'),
  INDEX_MISSING: configuration('Run `millrace index` first, or name the index that it wrote.'),
  INDEX_MISMATCH: configuration('Use another collection, or delete this one and index again.'),
  INDEX_REJECTED: runtime('skip', 'Look at the named document.'),
  INDEX_DRIFTED: runtime(
    'retry',
    'Nothing to do: what the index holds of the document is looked at, and written anew.',
  ),
  INDEX_FULL: runtime('retry', 'Free or add disk on the index server.'),
  INDEX_CLOSED: runtime('fatal', 'Open the index before use.'),
  INDEX_CORRUPT: runtime(
    'fatal',
    'Run `millrace index <source> --reindex`; for an index of `millrace run`, delete the file and `millrace reset` the application.',
  ),

  // inside
  ILLEGAL_STATE: runtime('fatal', 'This is a defect of Millrace: please report it.'),
} satisfies Record<string, ErrorDefinition>

export type ErrorCode = keyof typeof errorTable

export interface StreamErrorOptions {
  /** The next step, when a better one is known than the table's. */
  readonly fix?: string
  readonly cause?: unknown
  /** Facts for machines: topic, partition, offset, status ... Never secrets, never document text. */
  readonly details?: Readonly<Record<string, unknown>>
}

const brand = Symbol.for('millrace.StreamError')

/**
 * The one error class. `message` is a sentence with the code, the fact and the fix:
 * `TOPIC_MISSING: topic "documents" does not exist. Create the topic.`
 *
 * @example
 * throw new StreamError('TOPIC_MISSING', 'topic "documents" does not exist', { details: { topic: 'documents' } })
 */
export class StreamError extends Error {
  readonly code: ErrorCode
  readonly reaction: Reaction
  readonly exitCode: ExitCode
  /** The fact alone, without code and fix. */
  readonly fact: string
  readonly fix: string
  readonly details: Readonly<Record<string, unknown>>
  readonly [brand] = true

  constructor(code: ErrorCode, fact: string, options: StreamErrorOptions = {}) {
    const definition: ErrorDefinition = errorTable[code]
    const fix = options.fix ?? definition.fix
    super(`${code}: ${ended(fact)}${fix}`, { cause: options.cause })
    this.name = 'StreamError'
    this.code = code
    this.reaction = definition.reaction
    this.exitCode = definition.exit
    this.fact = fact
    this.fix = fix
    this.details = options.details ?? {}
  }
}

/** A fact that ends with a list has its fix on a line of its own. */
function ended(fact: string): string {
  if (fact.endsWith('\n')) return fact
  return /[.!?]$/.test(fact) ? `${fact} ` : `${fact}. `
}

/**
 * What is wrong with something, a line each: a fact for a StreamError.
 *
 * @example
 * factOfAll('the topology', ['node "a" has no name']) // the topology has 1 problem:\n  - node "a" has no name\n
 */
export function factOfAll(owner: string, problems: readonly string[]): string {
  const lines = problems.map((problem) => `  - ${problem}\n`).join('')
  return `${owner} ${problems.length === 1 ? 'has 1 problem' : `has ${problems.length} problems`}:\n${lines}`
}

/** True for a StreamError of any copy of this package in the process. */
export function isStreamError(error: unknown): error is StreamError {
  return typeof error === 'object' && error !== null && brand in error
}

/** `error` itself when it is ours, else a StreamError of the given code around it. */
export function toStreamError(error: unknown, code: ErrorCode, fact: string): StreamError {
  return isStreamError(error) ? error : new StreamError(code, `${fact}: ${reasonOf(error)}`, { cause: error })
}

/** The fact of one of our errors, else the first line of what went wrong: for the sentence of another error. */
export function factOf(error: unknown): string {
  return isStreamError(error) ? error.fact : reasonOf(error)
}

/** The first line of what went wrong, for a sentence. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error)
  return text.split('\n', 1)[0] ?? text
}
