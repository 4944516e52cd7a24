import { open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type EmbeddedBroker, embeddedBroker } from '../connectors/embedded/broker.ts'
import { sqliteIndex } from '../connectors/embedded/sqlite-index.ts'
import { isGone } from '../connectors/files/file-errors.ts'
import { type Embedder, hash, onnx } from '../embed/index.ts'
import { StreamError, toStreamError } from '../errors.ts'
import { makeFolder } from '../state/make-folder.ts'
import type { VectorIndex } from '../topology/processor.ts'
import { names } from './documents.ts'
import { modelsFolder } from './model/options.ts'

/**
 * The folder behind `index`, `search`, `export` and `audit`:
 *
 *     <data>/workspace.json   the card: which model, pipeline and folder made the index
 *     <data>/lock             held by the one process that writes
 *     <data>/log              the documents and the changelogs (embedded broker)
 *     <data>/state            the stores of the pipeline
 *     <data>/index.db         the points
 */
export interface Workspace {
  readonly cardFile: string
  readonly lockDirectory: string
  readonly logDirectory: string
  readonly stateDirectory: string
  readonly indexFile: string
}

export const defaultDataDirectory = '.millrace'
export const defaultModel = 'all-MiniLM-L6-v2'

/** What a workspace was made with. */
export interface Card {
  readonly format: 1
  readonly model: string
  readonly pipeline: string
  /** Id of the embedder; cards of the first version have none. */
  readonly embedder?: string
  /** Real path of the folder whose documents are indexed; undefined when only change streams were. */
  readonly folder?: string
  /** Its contents are being deleted: whatever is left of them is worth nothing. */
  readonly emptying?: true
}

export function workspaceAt(data: string): Workspace {
  return {
    cardFile: join(data, 'workspace.json'),
    lockDirectory: join(data, 'lock'),
    logDirectory: join(data, 'log'),
    stateDirectory: join(data, 'state'),
    indexFile: join(data, 'index.db'),
  }
}

/** `hash`, a bundled or added model, or a folder in the Hugging Face layout. */
export function embedderFor(model: string, options: { readonly workers?: number } = {}): Embedder {
  return model === 'hash' ? hash() : onnx({ model, modelsFolder: modelsFolder(), ...options })
}

/**
 * What was indexed there; undefined when nothing was, `lost` when the card of an index is gone, empty or garbled. Throws STATE_FORMAT for
 * the folder of a newer version and for a file that is no card, STATE_IO.
 */
export async function readCard(data: string): Promise<Card | 'lost' | undefined> {
  const { cardFile } = workspaceAt(data)
  const text = await textOf(cardFile)
  const card = parsed(text)
  if (card?.format === 1 && typeof card.model === 'string' && typeof card.pipeline === 'string') return card as Card
  const isNewer = Number(card?.format) > 1
  if (!isNewer && (await holdsIndex(data))) return 'lost'
  // What a full disk or a power cut left of a card that was never written.
  if (text === '') return undefined
  throw new StreamError('STATE_FORMAT', `${cardFile} was not written by this version of Millrace`, {
    fix: 'Run the version that wrote it, or name another folder with --data.',
  })
}

/** Empty for a file that is not there. */
async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isGone(error)) return ''
    throw toStreamError(error, 'STATE_IO', `${file} cannot be read`)
  }
}

/** Whether something other than the card says so. Only `index` makes a lock, before all else; a program of one's own has log and state too. */
async function holdsIndex(data: string): Promise<boolean> {
  const { lockDirectory, logDirectory, stateDirectory } = workspaceAt(data)
  const stores = [lockDirectory, logDirectory, join(stateDirectory, names.application, 'meta')]
  const [lock, ...others] = await Promise.all(stores.map(isStore))
  return lock === true && others.includes(true)
}

/** LevelDB makes this file first and never deletes it. */
async function isStore(directory: string): Promise<boolean> {
  const file = join(directory, 'LOCK')
  try {
    return (await stat(file)).isFile()
  } catch (error) {
    if (isGone(error)) return false
    throw toStreamError(error, 'STATE_IO', `${file} cannot be read`)
  }
}

/** Nobody knows with which model, and of which folder, the index was made. */
export function lostCard(data: string): StreamError {
  return new StreamError('INDEX_CORRUPT', `the index in ${data} has no workspace.json that can be read`, {
    fix: 'Run `millrace index <source> --reindex`, which makes it anew.',
  })
}

function parsed(text: string): Partial<Card> | null | undefined {
  try {
    return JSON.parse(text) as Partial<Card> | null
  } catch {
    return undefined
  }
}

const indexOrName = 'Run `millrace index <folder>` first, or name its folder with --data.'

/** The card of a folder that must hold an index. Throws INDEX_MISSING with this `fix`, INDEX_CORRUPT when the card is lost. */
export async function requireCard(data: string, fix = indexOrName): Promise<Card> {
  const card = await readCard(data)
  if (card === 'lost') throw lostCard(data)
  if (card && !card.emptying) return card
  throw new StreamError('INDEX_MISSING', `there is no index in ${data}`, { fix })
}

/** Whole or not at all, also in a crash, a power cut or on a full disk. */
export async function writeCard(data: string, card: Card): Promise<void> {
  const { cardFile } = workspaceAt(data)
  try {
    await makeFolder(data)
    await writeSynced(`${cardFile}.new`, `${JSON.stringify(card)}\n`)
    await rename(`${cardFile}.new`, cardFile)
  } catch (error) {
    throw toStreamError(error, 'STATE_IO', `the folder ${data} cannot be written`)
  }
}

async function writeSynced(file: string, text: string): Promise<void> {
  await using handle = await open(file, 'w')
  await handle.writeFile(text)
  // A new name may reach the disk before the bytes behind it.
  await handle.sync()
}

export function openLog(workspace: Workspace): EmbeddedBroker {
  return embeddedBroker({ directory: workspace.logDirectory })
}

/** The index for reading; another process may be filling it. */
export function indexForReading(workspace: Workspace): VectorIndex {
  return sqliteIndex({ path: workspace.indexFile, readOnly: true })
}
