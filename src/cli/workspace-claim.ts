import { readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { isGone } from '../connectors/files/file-errors.ts'
import { isStreamError, StreamError, toStreamError } from '../errors.ts'
import { openExpendableStore } from '../state/level-store.ts'
import { type Card, lostCard, readCard, workspaceAt, writeCard } from './workspace.ts'

/** What is about to fill a workspace. */
export type Claim = Required<Pick<Card, 'model' | 'pipeline' | 'embedder'>> & Pick<Card, 'folder'>

/** The right of one process to write a workspace. It goes with the process, however that ends. */
export interface WorkspaceLock extends AsyncDisposable {
  close(): Promise<void>
}

const stopOrChoose = 'Stop the other process, or choose another folder with --data.'

/** Throws STATE_LOCKED with this `fix` while another process has it, STATE_IO. */
export async function lockWorkspace(data: string, fix = stopOrChoose): Promise<WorkspaceLock> {
  const { lockDirectory } = workspaceAt(data)
  try {
    return await openExpendableStore(lockDirectory, { cacheBytes: 64 * 1024, writeBufferBytes: 64 * 1024 })
  } catch (error) {
    if (isStreamError(error) && error.code === 'STATE_LOCKED') {
      throw new StreamError('STATE_LOCKED', `another process works in ${data}`, { fix, cause: error })
    }
    throw toStreamError(error, 'STATE_IO', `the folder ${data} cannot be written`)
  }
}

/**
 * Takes a workspace, and notes which pipeline fills it, before the first document does. Vectors of two pipelines never meet in one index,
 * nor documents of two folders, because the same path may name one in each: another one needs `reindex`, which empties the workspace.
 *
 * Throws INDEX_MISMATCH, INDEX_CORRUPT for an index that has lost its card, STATE_LOCKED, STATE_FORMAT, and USAGE for a folder with something
 * in it that is not ours: no card is written and nothing is deleted then.
 */
export async function claimWorkspace(data: string, claim: Claim, reindex: boolean): Promise<WorkspaceLock> {
  const readKnown = async () => {
    const found = await readCard(data)
    if (found !== 'lost') return found
    if (!reindex) throw lostCard(data)
    return { format: 1, ...claim } as const
  }
  if (!(await readKnown())) await refuseForeign(data, reindex)
  const lock = await lockWorkspace(data)
  try {
    const known: Card | undefined = await readKnown()
    const kept = known && !known.emptying && !reindex ? known : undefined
    if (kept) refuseOther(data, kept, claim)
    if (known && !kept) await emptyWorkspace(data, known)
    const card: Card = { format: 1, ...kept, ...claim }
    if (JSON.stringify(card) !== JSON.stringify(kept)) await writeCard(data, card)
    return lock
  } catch (error) {
    await lock.close()
    throw error
  }
}

function refuseOther(data: string, known: Card, claim: Claim): void {
  if (known.pipeline !== claim.pipeline) {
    const made = known.model === claim.model ? 'another version of chunker or model' : `model "${known.model}"`
    const fix = `Use --model ${known.model}, another --data folder, or --reindex to embed everything again.`
    throw new StreamError(
      'INDEX_MISMATCH',
      `the index in ${data} was made with ${made}, not with model "${claim.model}"`,
      {
        fix,
      },
    )
  }
  if (known.folder === undefined || claim.folder === undefined || known.folder === claim.folder) return
  const fix =
    'Use another --data folder, index a folder that holds both, or give --reindex to start over with this one.'
  throw new StreamError('INDEX_MISMATCH', `the index in ${data} is that of ${known.folder}, not of ${claim.folder}`, {
    fix,
  })
}

/** A folder without a card is nobody's workspace: it is filled only where nothing of it is in the way, and never emptied. */
async function refuseForeign(data: string, reindex: boolean): Promise<void> {
  const { cardFile, lockDirectory } = workspaceAt(data)
  // A claim that was cut off leaves these, the card empty.
  const begun = [basename(lockDirectory), basename(cardFile), `${basename(cardFile)}.new`]
  const found = (await namesIn(data)).filter((name) => !begun.includes(name))
  const inTheWay = reindex ? found : found.filter((name) => contents(data).includes(name))
  const [first] = inTheWay
  if (first === undefined) return
  throw new StreamError('USAGE', `the folder ${data} holds "${first}" and is no index of Millrace`, {
    fix: 'Name a folder of its own with --data.',
  })
}

async function namesIn(data: string): Promise<readonly string[]> {
  try {
    return await readdir(data)
  } catch (error) {
    if (isGone(error)) return []
    throw toStreamError(error, 'STATE_IO', `the folder ${data} cannot be read`)
  }
}

/** Names of everything in a workspace but its card and its lock. */
function contents(data: string): readonly string[] {
  const { logDirectory, stateDirectory, indexFile } = workspaceAt(data)
  const database = basename(indexFile)
  return [basename(logDirectory), basename(stateDirectory), database, `${database}-wal`, `${database}-shm`]
}

/** Deletes what is ours and nothing else. A crash in between leaves a card that says so. */
async function emptyWorkspace(data: string, card: Card): Promise<void> {
  await writeCard(data, { ...card, emptying: true })
  try {
    for (const name of contents(data)) await rm(join(data, name), { recursive: true, force: true })
  } catch (error) {
    throw toStreamError(error, 'STATE_IO', `the index in ${data} cannot be deleted`)
  }
}
