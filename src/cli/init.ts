import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { StreamError, toStreamError } from '../errors.ts'
import { isPipelineFile } from './load-program.ts'
import { ownName } from './own-name.ts'
import { starterPipeline } from './starter-pipeline.ts'

export function initCommand(): Command {
  return new Command('init')
    .description('Write a pipeline file to start from; an existing file is left alone.')
    .argument('[file]', 'where to', 'millrace.yaml')
    .action(init)
}

async function init(file: string): Promise<void> {
  if (!isPipelineFile(file))
    throw new StreamError('USAGE', `"${file}" is no name of a pipeline file`, { fix: 'Let it end with .yaml.' })
  try {
    await writeFile(file, starterPipeline, { flag: 'wx' })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new StreamError('USAGE', `${file} is there already`, { fix: 'Name another file, or move that one away.' })
    throw toStreamError(error, 'STATE_IO', `${file} cannot be written`)
  }
  const lines = [
    `wrote ${file}; edit it, then`,
    `  ${ownName()} validate ${file}`,
    `  ${ownName()} produce ./docs --topic documents --partitions 6   # documents to try it with`,
    `  ${ownName()} run ${file}`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}
