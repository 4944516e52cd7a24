import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { StreamError } from '../../errors.ts'
import { lockModel } from './add-lock.ts'
import { download } from './download.ts'
import { HubClient, type HubOptions } from './hub-client.ts'
import { isObject } from './json-file.ts'
import { readModel } from './model.ts'
import { folderOfId, isModelId, type ModelCard, readModelCard, type TryOut, writeModelCard } from './model-card.ts'
import { describingFiles, hashFile, weightsFiles } from './model-files.ts'
import { knownModel } from './registry.ts'
import { candidatesOf, leaves, type WeightsChoice } from './weights.ts'

export interface AddFromHubOptions extends WeightsChoice, HubOptions {
  readonly modelsFolder: string
  /** Branch, tag or commit. Default: the commit that was downloaded before, else `main`. */
  readonly revision?: string | undefined
  readonly tryOut?: TryOut
  readonly onProgress?: (file: string, bytes: number, total: number | undefined) => void
}

/**
 * Downloads a model from the hub, or what is missing of it, and pins its files: to the hashes that the registry or an earlier download
 * names, else to those of this download. A model that Millrace cannot run is refused and gets no card.
 *
 * Rejects with MODEL_MISSING, MODEL_DENIED, MODEL_UNREACHABLE, MODEL_INVALID, STATE_LOCKED while somebody else adds it, or the signal's
 * reason.
 */
export async function addFromHub(id: string, options: AddFromHubOptions): Promise<ModelCard> {
  if (!isModelId(id) || !id.includes('/'))
    throw new StreamError('USAGE', `"${id}" is not the name of a model on the hub`, { fix: 'Write <owner>/<name>.' })
  const { modelsFolder } = options
  await using _lock = await lockModel(modelsFolder, id)
  const before = await readModelCard(modelsFolder, id)
  const hub = new HubClient(options)
  const listing = await listFiles(hub, id, options.revision ?? before?.revision ?? 'main')
  const weights = weightsIn(listing, options)
  const folder = folderOfId(modelsFolder, id)
  const known = { ...(before?.revision === listing.revision && before.pins), ...knownModel(id)?.pins }
  const pins: Record<string, string> = {}
  const fetched = async (file: string) => {
    pins[file] = await fetchFile({ hub, id, file, folder, revision: listing.revision, pin: known[file] }, options)
  }
  for (const file of describingFiles)
    if (listing.files.includes(file)) await fetched(file)
    // One of an earlier commit would describe this one too.
    else await rm(join(folder, file), { force: true })
  await fetched(weights)
  const beside = weightsFiles({ name: id, weights: join(folder, weights) }).slice(1)
  for (const path of beside) await fetched(path.slice(folder.length + 1).replaceAll('\\', '/'))
  await readModel(folder, { file: weights })
  const golden = await options.tryOut?.(folder, { precision: options.precision, file: weights })
  const licence = knownModel(id)?.licence ?? listing.licence
  const card: ModelCard = {
    id,
    folder,
    licence,
    revision: listing.revision,
    file: weights,
    pins,
    ...(golden && { golden: { ...golden } }),
  }
  await writeModelCard(modelsFolder, card)
  return card
}

interface Listing {
  readonly id: string
  /** The commit that a branch stands for now. */
  readonly revision: string
  readonly licence: string | undefined
  readonly files: readonly string[]
}

async function listFiles(hub: HubClient, id: string, revision: string): Promise<Listing> {
  const answer = await hub.json(['api', 'models', ...id.split('/'), 'revision', revision])
  const { sha, siblings, cardData } = isObject(answer) ? answer : {}
  if (typeof sha !== 'string' || !/^[0-9a-f]{7,64}$/.test(sha) || !Array.isArray(siblings))
    throw new StreamError('MODEL_UNREACHABLE', `the hub does not list the files of ${id}`)
  const files = siblings.flatMap((sibling: unknown) => {
    const name = isObject(sibling) ? sibling.rfilename : undefined
    return typeof name === 'string' && !leaves(name) ? [name] : []
  })
  const licence = isObject(cardData) && typeof cardData.license === 'string' ? cardData.license : undefined
  return { id, revision: sha, licence, files }
}

function weightsIn({ id, files }: Listing, choice: WeightsChoice): string {
  const candidates = candidatesOf(choice)
  const found = candidates.find((name) => files.includes(name))
  if (found !== undefined) return found
  const others = files.filter((name) => name.endsWith('.onnx'))
  const there = others.length > 0 ? `it has ${others.join(', ')}` : 'it has no ONNX weights'
  throw new StreamError('MODEL_MISSING', `${id} has none of ${candidates.join(', ')} on the hub; ${there}`, {
    fix: 'Choose other weights with --precision or --file, or another model.',
  })
}

interface Wanted {
  readonly hub: HubClient
  readonly id: string
  readonly file: string
  readonly folder: string
  readonly revision: string
  readonly pin: string | undefined
}

/** The hash of the file, which is downloaded unless it is there. */
async function fetchFile(wanted: Wanted, { clock, signal, onProgress }: AddFromHubOptions): Promise<string> {
  const { hub, id, file, folder, revision, pin } = wanted
  const target = join(folder, file)
  const there = await hashFile(target).catch(() => undefined)
  if (pin !== undefined && there === pin) return pin
  await download({
    name: `${file} of ${id}`,
    target,
    sha256: pin,
    get: (from) => hub.file([...id.split('/'), 'resolve', revision, ...file.split('/')], from),
    clock,
    signal,
    ...(onProgress && { onProgress: (bytes: number, total: number | undefined) => onProgress(file, bytes, total) }),
  })
  return hashFile(target)
}
