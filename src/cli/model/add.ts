import { statSync } from 'node:fs'
import { Command } from 'commander'
import { systemClock } from '../../clock.ts'
import { addFolder } from '../../embed/models/add-folder.ts'
import { recordGolden } from '../../embed/models/golden.ts'
import { type AddFromHubOptions, addFromHub } from '../../embed/models/hub.ts'
import type { ModelCard } from '../../embed/models/model-card.ts'
import { StreamError } from '../../errors.ts'
import { ownName, shellWord } from '../own-name.ts'
import { ProgressDisplay } from '../progress.ts'
import { StopSignals } from '../stop-signals.ts'
import { modelsFolder, type WeightsOptions, withWeightsOptions } from './options.ts'

interface AddOptions extends WeightsOptions {
  readonly revision?: string
  readonly json?: true
}

export function modelAddCommand(): Command {
  const command = new Command('add')
    .description('Make a model known: pin a folder to its files, or download one from the hub and pin it.')
    .argument('<model>', 'a folder in the layout of Hugging Face, or <owner>/<name> on the hub')
    .option(
      '--revision <revision>',
      'commit, branch or tag on the hub (default: the one that was downloaded before, else main)',
    )
  return withWeightsOptions(command).option('--json', 'print the card of the model as JSON').action(add)
}

async function add(model: string, { revision, json, ...weights }: AddOptions): Promise<void> {
  const found = statSync(model, { throwIfNoEntry: false })
  const isFolder = found?.isDirectory() === true
  if (!isFolder && isPath(model))
    throw new StreamError('MODEL_MISSING', found ? `${model} is no folder` : `there is no folder ${model}`, {
      fix: 'Name the folder of a model, or <owner>/<name> on the hub.',
    })
  using stop = new StopSignals(() => process.stderr.write('stopping; run again to go on\n'))
  const { signal } = stop
  const adding: Adding = {
    ...weights,
    modelsFolder: modelsFolder(),
    tryOut: (folder, choice) => recordGolden(folder, { ...choice, signal }),
  }
  const card = isFolder ? await addFolder(model, adding) : await downloadModel(model, { ...adding, revision, signal })
  process.stdout.write(json ? `${JSON.stringify(card)}\n` : asText(card))
}

/** What is the same for a folder and a download. */
type Adding = WeightsOptions & Pick<AddFromHubOptions, 'modelsFolder' | 'tryOut'>

/** What cannot be meant as a name on the hub. */
function isPath(model: string): boolean {
  return /^[./~]|\\|\/.*\/|\/$/.test(model)
}

async function downloadModel(
  id: string,
  adding: Adding & Pick<AddFromHubOptions, 'revision' | 'signal'>,
): Promise<ModelCard> {
  let state = { file: id, bytes: 0, total: undefined as number | undefined }
  const progress = new ProgressDisplay(systemClock, () => ({
    label: state.file,
    done: state.bytes,
    ...(state.total !== undefined && { total: state.total }),
    note: 'bytes',
  }))
  try {
    return await addFromHub(id, {
      ...adding,
      endpoint: process.env.HF_ENDPOINT || 'https://huggingface.co',
      token: process.env.HF_TOKEN || undefined,
      clock: systemClock,
      onProgress: (file, bytes, total) => {
        state = { file, bytes, total }
      },
    })
  } finally {
    progress.stop()
  }
}

function asText({ id, folder, licence, revision, file, pins }: ModelCard): string {
  const lines = [
    `added:    ${id}${revision === undefined ? '' : ` at ${revision}`}`,
    `folder:   ${folder}`,
    `weights:  ${file}`,
    `licence:  ${licence ?? 'unknown: look at the page of the model'}`,
    `pinned:   ${Object.keys(pins).length} files by SHA-256`,
    `next:     ${ownName()} model verify ${shellWord(id)}`,
  ]
  return `${lines.join('\n')}\n`
}
