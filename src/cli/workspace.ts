import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { embeddedBroker } from '../connectors/embedded/broker.ts'
import { sqliteIndex } from '../connectors/embedded/sqlite-index.ts'
import { type Embedder, hash, onnx } from '../embed/index.ts'
import { StreamError, toStreamError } from '../errors.ts'
import type { Broker } from '../runtime/broker.ts'
import type { VectorIndex } from '../topology/processor.ts'

/**
 * The folder behind `index`, `search`, `export` and `audit`:
 *
 *     <data>/workspace.json   which model and pipeline made the index
 *     <data>/log              the documents and the changelogs (embedded broker)
 *     <data>/state            the stores of the pipeline
 *     <data>/index.db         the points
 */
export interface Workspace {
  readonly logDirectory: string
  readonly stateDirectory: string
  readonly indexFile: string
}

export const defaultDataDirectory = '.millrace'
export const defaultModel = 'all-MiniLM-L6-v2'

interface Card {
  readonly format: 1
  readonly model: string
  readonly pipeline: string
}

export function workspaceAt(data: string): Workspace {
  return { logDirectory: join(data, 'log'), stateDirectory: join(data, 'state'), indexFile: join(data, 'index.db') }
}

/** `hash`, a bundled model or a folder in the Hugging Face layout. */
export function embedderFor(model: string, options: { readonly workers?: number } = {}): Embedder {
  return model === 'hash' ? hash() : onnx({ model, ...options })
}

/** What was indexed there; undefined when nothing was. Throws STATE_FORMAT for the folder of a newer version. */
export async function readCard(data: string): Promise<Card | undefined> {
  const file = join(data, 'workspace.json')
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch {
    return undefined
  }
  const card = parsed(text)
  if (card?.format === 1 && typeof card.model === 'string' && typeof card.pipeline === 'string') return card as Card
  throw new StreamError('STATE_FORMAT', `${file} was not written by this version of Millrace`)
}

function parsed(text: string): Partial<Card> | undefined {
  try {
    return JSON.parse(text) as Partial<Card>
  } catch {
    return undefined
  }
}

/** The card of a folder that must hold an index. */
export async function requireCard(data: string): Promise<Card> {
  const card = await readCard(data)
  if (card) return card
  throw new StreamError('INDEX_MISSING', `there is no index in ${data}`, {
    fix: 'Run `millrace index <folder>` first, or name its folder with --data.',
  })
}

/**
 * Notes which pipeline fills the index, before the first document does. Vectors of two pipelines never meet in one index: another one
 * needs `reindex`, which empties the workspace.
 */
export async function claimWorkspace(data: string, card: Omit<Card, 'format'>, reindex: boolean): Promise<void> {
  if (reindex) await rm(data, { recursive: true, force: true })
  const known = await readCard(data)
  if (known && known.pipeline !== card.pipeline) {
    const made = known.model === card.model ? 'another version of chunker or model' : `model "${known.model}"`
    throw new StreamError(
      'INDEX_MISMATCH',
      `the index in ${data} was made with ${made}, not with model "${card.model}"`,
      {
        fix: `Use --model ${known.model}, another --data folder, or --reindex to embed everything again.`,
      },
    )
  }
  if (!known) await writeCard(data, { format: 1, ...card })
}

async function writeCard(data: string, card: Card): Promise<void> {
  try {
    await mkdir(data, { recursive: true })
    await writeFile(join(data, 'workspace.json'), `${JSON.stringify(card)}\n`)
  } catch (error) {
    throw toStreamError(error, 'STATE_IO', `the folder ${data} cannot be written`)
  }
}

export function openLog(workspace: Workspace): Broker {
  return embeddedBroker({ directory: workspace.logDirectory })
}

/** The index for reading; another process may be filling it. */
export function indexForReading(workspace: Workspace): VectorIndex {
  return sqliteIndex({ path: workspace.indexFile, readOnly: true })
}
