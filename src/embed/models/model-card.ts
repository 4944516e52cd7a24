import { readdir, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { StreamError, toStreamError } from '../../errors.ts'
import { makeFolder } from '../../state/make-folder.ts'
import { isObject, type JsonObject, readJson } from './json-file.ts'
import type { WeightsChoice } from './weights.ts'

/** What was written down when a model was added. */
export interface ModelCard {
  /** `<owner>/<name>` on the hub, or the name of a folder. */
  readonly id: string
  /** Where its files are. */
  readonly folder: string
  /** SPDX identifier, as far as the hub or the registry says. */
  readonly licence: string | undefined
  /** Commit of the hub that was downloaded. */
  readonly revision?: string | undefined
  /** ONNX file by its path in the folder; undefined: found by its name. */
  readonly file?: string | undefined
  /** SHA-256 by path in the folder. */
  readonly pins: Readonly<Record<string, string>>
  /** What the model gave for a text when it was added. */
  readonly golden?: JsonObject | undefined
}

/** Runs a model that is about to be added; what it gives goes into the card, and what it rejects with keeps it from getting one. */
export type TryOut = (folder: string, choice: WeightsChoice) => Promise<object | undefined>

/** Where `millrace model add` keeps models. */
export const defaultModelsFolder = join(homedir(), '.cache', 'millrace', 'models')

/** A name, or an owner and a name, that may become a path: letters, digits, dash, dot, underscore; no dot in front. */
const idPattern = /^[A-Za-z0-9_][\w.-]*(\/[A-Za-z0-9_][\w.-]*)?$/

export function isModelId(id: string): boolean {
  return idPattern.test(id) && !id.endsWith('.json')
}

/** Where the files of a model from the hub go. */
export function folderOfId(modelsFolder: string, id: string): string {
  return join(modelsFolder, id)
}

/** The card of an added model; undefined when it was not added. */
export async function readModelCard(modelsFolder: string, id: string): Promise<ModelCard | undefined> {
  if (!isModelId(id)) return undefined
  const file = cardFile(modelsFolder, id)
  const card = await readJson(file)
  if (!card) return undefined
  const { folder, licence, revision, pins, golden, file: weights, format } = card
  if (format !== 1 || typeof folder !== 'string' || !isObject(pins) || !Object.values(pins).every(isText))
    throw new StreamError('MODEL_INVALID', `${file} was not written by this version of Millrace`, {
      fix: 'Run `millrace model add` again.',
    })
  return {
    id,
    folder,
    licence: isText(licence) ? licence : undefined,
    revision: isText(revision) ? revision : undefined,
    file: isText(weights) ? weights : undefined,
    pins: pins as Readonly<Record<string, string>>,
    ...(isObject(golden) && { golden }),
  }
}

/** Whole or not at all: a card that is there vouches for the files of its model. Throws STATE_IO. */
export async function writeModelCard(modelsFolder: string, card: ModelCard): Promise<void> {
  const file = cardFile(modelsFolder, card.id)
  const { id: _, ...content } = card
  try {
    await makeFolder(dirname(file))
    await writeFile(`${file}.new`, `${JSON.stringify({ format: 1, ...content }, null, 2)}\n`)
    await rename(`${file}.new`, file)
  } catch (error) {
    await rm(`${file}.new`, { force: true })
    throw toStreamError(error, 'STATE_IO', `${file} cannot be written`)
  }
}

/** Ids of the models that were added, sorted. */
export async function addedModels(modelsFolder: string): Promise<readonly string[]> {
  const ids: string[] = []
  for (const entry of await entriesOf(modelsFolder)) {
    if (entry.endsWith('.json')) ids.push(entry.slice(0, -'.json'.length))
    else
      for (const inner of await entriesOf(join(modelsFolder, entry)))
        if (inner.endsWith('.json')) ids.push(`${entry}/${inner.slice(0, -'.json'.length)}`)
  }
  return ids.filter(isModelId).sort()
}

function cardFile(modelsFolder: string, id: string): string {
  return join(modelsFolder, `${id}.json`)
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => [])
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
