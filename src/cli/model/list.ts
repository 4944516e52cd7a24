import { Command } from 'commander'
import { addedModels, readModelCard } from '../../embed/models/model-card.ts'
import { knownModels } from '../../embed/models/registry.ts'
import { tableOf } from '../table.ts'
import { modelsFolder } from './options.ts'

interface ListedModel {
  readonly id: string
  readonly state: 'bundled' | 'added' | 'known'
  readonly licence: string | null
  readonly dimensions: number | null
  readonly maxTokens: number | null
  readonly folder: string | null
}

export function modelListCommand(): Command {
  return new Command('list')
    .description('Models that are bundled, were added, or are known to work and can be added.')
    .option('--json', 'one line per model')
    .action(async ({ json }: { json?: true }) => {
      const models = await listModels()
      if (json) process.stdout.write(models.map((model) => `${JSON.stringify(model)}\n`).join(''))
      else process.stdout.write(asText(models))
    })
}

async function listModels(): Promise<readonly ListedModel[]> {
  const folder = modelsFolder()
  const added = new Map(
    await Promise.all((await addedModels(folder)).map(async (id) => [id, await readModelCard(folder, id)] as const)),
  )
  const known = knownModels.map(({ id, licence, dimensions, maxTokens, bundled }): ListedModel => {
    const card = added.get(id)
    const state = bundled ? 'bundled' : card ? 'added' : 'known'
    return { id, state, licence, dimensions, maxTokens, folder: card?.folder ?? null }
  })
  const others = [...added].flatMap(([id, card]): ListedModel[] =>
    card && !known.some((model) => model.id === id)
      ? [{ id, state: 'added', licence: card.licence ?? null, dimensions: null, maxTokens: null, folder: card.folder }]
      : [],
  )
  const order = ['bundled', 'added', 'known']
  return [...known, ...others].toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
}

function asText(models: readonly ListedModel[]): string {
  const rows = models.map(({ id, state, licence, dimensions, maxTokens, folder }) =>
    [id, state, licence ?? '-', dimensions ?? '-', maxTokens ?? '-', folder ?? ''].map(String),
  )
  return tableOf([['model', 'state', 'licence', 'dimensions', 'tokens', 'folder'], ...rows])
}
