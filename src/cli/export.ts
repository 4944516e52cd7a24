import { once } from 'node:events'
import { Command } from 'commander'
import { defaultDataDirectory, indexForReading, requireCard, workspaceAt } from './workspace.ts'

export function exportCommand(): Command {
  return new Command('export')
    .description('Print every point of the index as a line of JSON: {"id","key","text","heading","metadata"}.')
    .option('--data <folder>', 'the folder that `index` filled', defaultDataDirectory)
    .action(async ({ data }: { data: string }) => {
      const { pipeline } = await requireCard(data)
      const index = indexForReading(workspaceAt(data))
      await index.open({ id: pipeline, dimensions: undefined })
      try {
        for await (const { id, doc, payload } of index.scan()) {
          const { source: _, heading, ...metadata } = payload.metadata
          const line = JSON.stringify({ id, key: doc, text: payload.content, heading, metadata })
          if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain')
        }
      } finally {
        await index.close()
      }
    })
}
