import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { embeddedBroker } from '../connectors/embedded/broker.ts'
import { sqliteIndex } from '../connectors/embedded/sqlite-index.ts'
import { isGone } from '../connectors/files/file-errors.ts'
import { type Embedder, hash, onnx } from '../embed/index.ts'
import { StreamError, toStreamError } from '../errors.ts'
import type { Broker } from '../runtime/broker.ts'
import { makeFolder } from '../state/make-folder.ts'
import type { VectorIndex } from '../topology/processor.ts'
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

/** What was indexed there; undefined when nothing was. Throws STATE_FORMAT for the folder of a newer version, STATE_IO. */
export async function readCard(data: string): Promise<Card | undefined> {
  const { cardFile } = workspaceAt(data)
  let text: string
  try {
    text = await readFile(cardFile, 'utf8')
  } catch (error) {
    if (isGone(error)) return undefined
    throw toStreamError(error, 'STATE_IO', `${cardFile} cannot be read`)
  }
  // What a full disk or a power cut left of a card that was never written.
  if (text === '') return undefined
  const card = parsed(text)
  if (card?.format === 1 && typeof card.model === 'string' && typeof card.pipeline === 'string') return card as Card
  throw new StreamError('STATE_FORMAT', `${cardFile} was not written by this version of Millrace`, {
    fix: 'Run the version that wrote it, or name another folder with --data.',
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

/** The card of a folder that must hold an index. Throws INDEX_MISSING with this `fix`. */
export async function requireCard(data: string, fix = indexOrName): Promise<Card> {
  const card = await readCard(data)
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

export function openLog(workspace: Workspace): Broker {
  return embeddedBroker({ directory: workspace.logDirectory })
}

/** The index for reading; another process may be filling it. */
export function indexForReading(workspace: Workspace): VectorIndex {
  return sqliteIndex({ path: workspace.indexFile, readOnly: true })
}
