import { isStreamError } from '../../src/errors.ts'
import { type Pipeline, type ReadPipelineOptions, readPipeline } from '../../src/pipeline/index.ts'
import type { Problem } from '../../src/pipeline/problem.ts'

export interface PipelineSurroundings {
  readonly environment?: Readonly<Record<string, string>>
  /** Files by path. */
  readonly files?: Readonly<Record<string, string>>
}

/** The smallest pipeline that is valid. */
export const smallPipeline = `application: documents
source: { topic: documents, format: file }
model: { hash: { dimensions: 32 } }
index: { sqlite: { path: ':memory:' } }
`

export function pipelineOptions({ environment = {}, files = {} }: PipelineSurroundings = {}): ReadPipelineOptions {
  return {
    name: 'millrace.yaml',
    environment,
    readFile: (path) => {
      const text = files[path]
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
      return text
    },
  }
}

/** A pipeline file in surroundings that are known. */
export function pipelineOf(text: string, surroundings?: PipelineSurroundings): Pipeline {
  return readPipeline(text, pipelineOptions(surroundings))
}

/** What is wrong with it, and nothing when it is valid. Throws what is no StreamError. */
export function problemsOf(text: string, surroundings?: PipelineSurroundings): readonly Problem[] {
  try {
    pipelineOf(text, surroundings)
    return []
  } catch (error) {
    if (!isStreamError(error) || error.code !== 'CONFIG_INVALID') throw error
    return error.details.problems as readonly Problem[]
  }
}

/** `3:5 source.topik: there is no such key (topic)` */
export function linesOf(problems: readonly Problem[]): readonly string[] {
  return problems.map(({ line, column, path, message, nearest }) =>
    [`${line}:${column}`, path && `${path}:`, message, nearest && `(${nearest})`].filter(Boolean).join(' '),
  )
}
