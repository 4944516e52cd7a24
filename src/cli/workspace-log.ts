import { type ErrorCode, isStreamError, StreamError } from '../errors.ts'
import type { Broker } from '../runtime/broker.ts'
import type { VectorIndex } from '../topology/processor.ts'
import { names } from './documents.ts'
import { hasPoints } from './lost-index.ts'
import { openLog, type Workspace } from './workspace.ts'

const again = '`millrace index <source> --reindex`, which makes log, state and index anew'

/** What else is done about these speaks to those who run a pipeline of their own. */
const fixes: ReadonlyMap<ErrorCode, string> = new Map([
  ['STATE_CORRUPT', `Run ${again}.`],
  ['STATE_FORMAT', `Run the version that wrote it, or ${again}.`],
  ['CHANGELOG_CORRUPT', `Run ${again}.`],
  ['OFFSET_OUT_OF_RANGE', `Run ${again}.`],
])

/** What went wrong with the log or the state of a workspace, with the way out that a workspace has: its source is still there. */
export function workspaceError(error: unknown): unknown {
  const fix = isStreamError(error) && fixes.get(error.code)
  return fix ? new StreamError(error.code, error.fact, { fix, cause: error, details: error.details }) : error
}

/** The log of a workspace that was filled. Throws STATE_CORRUPT when it is damaged or gone, STATE_FORMAT, STATE_IO. */
export async function openFilledLog(workspace: Workspace): Promise<Broker> {
  const log = openLog(workspace)
  try {
    await log.open()
    // A run makes the topic before it does anything else.
    if ((await log.topics([names.topic])).size === 0)
      throw emptyLog(workspace, 'was never filled, or has lost what the index was made from')
    return log
  } catch (error) {
    await log.close()
    throw workspaceError(error)
  }
}

/**
 * Throws STATE_CORRUPT when no document was ever in the log and the index has points all the same: documents that are gone from the source
 * would stay in it. The log must be open, the index must not.
 */
export async function refuseLostLog(workspace: Workspace, log: Broker, index: VectorIndex): Promise<void> {
  if (!(await hadDocuments(log)) && (await hasPoints(index)))
    throw emptyLog(workspace, 'has lost what the index was made from')
}

async function hadDocuments(log: Broker): Promise<boolean> {
  if ((await log.topics([names.topic])).size === 0) return false
  const [range] = await log.offsets([{ topic: names.topic, partition: 0 }])
  return range !== undefined && range.latest > 0
}

function emptyLog({ logDirectory }: Workspace, why: string): StreamError {
  return new StreamError('STATE_CORRUPT', `the log in ${logDirectory} ${why}`)
}
