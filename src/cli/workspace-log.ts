import { type ErrorCode, isStreamError, StreamError } from '../errors.ts'
import type { Broker } from '../runtime/broker.ts'
import { names } from './documents.ts'
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
    if ((await log.topics([names.topic])).size === 0) throw lostLog(workspace)
    return log
  } catch (error) {
    await log.close()
    throw workspaceError(error)
  }
}

function lostLog({ logDirectory }: Workspace): StreamError {
  return new StreamError('STATE_CORRUPT', `the log in ${logDirectory} has lost what the index was made from`)
}
