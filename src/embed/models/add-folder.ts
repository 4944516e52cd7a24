import { join, relative, resolve, sep } from 'node:path'
import { StreamError } from '../../errors.ts'
import { lockModel } from './add-lock.ts'
import { isFile } from './json-file.ts'
import { readModel } from './model.ts'
import { isModelId, type ModelCard, type TryOut, writeModelCard } from './model-card.ts'
import { describingFiles, hashFile, weightsFiles } from './model-files.ts'
import { bundledIds } from './registry.ts'
import type { WeightsChoice } from './weights.ts'

/**
 * Pins a folder of a model to the files that it has now, and makes it known under its own name. The folder stays where it is, and nothing
 * is written into it.
 *
 * Rejects with MODEL_MISSING or MODEL_INVALID for a folder that Millrace cannot run, with USAGE when its name cannot be one of a model, with
 * STATE_LOCKED while somebody else adds a model of that name.
 */
export async function addFolder(
  path: string,
  options: WeightsChoice & { readonly modelsFolder: string; readonly tryOut?: TryOut },
): Promise<ModelCard> {
  const folder = resolve(path)
  const model = await readModel(folder, options)
  if (!isModelId(model.name) || bundledIds.includes(model.name))
    throw new StreamError('USAGE', `"${model.name}" cannot be the name of an added model`, {
      fix: 'Give the folder another name: letters, digits, dash, dot and underscore, and none that is bundled.',
    })
  await using _lock = await lockModel(options.modelsFolder, model.name)
  const others = describingFiles.map((file) => join(folder, file)).filter(isFile)
  const pins: Record<string, string> = {}
  for (const file of [...others, ...weightsFiles(model)]) pins[inFolder(folder, file)] = await hashFile(file)
  const file = inFolder(folder, model.weights)
  const golden = await options.tryOut?.(folder, { precision: options.precision, file })
  const known = { id: model.name, folder, licence: undefined, file, pins }
  const card: ModelCard = { ...known, ...(golden && { golden: { ...golden } }) }
  await writeModelCard(options.modelsFolder, card)
  return card
}

function inFolder(folder: string, file: string): string {
  return relative(folder, file).split(sep).join('/')
}
