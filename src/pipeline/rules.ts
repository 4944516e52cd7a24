import { schemaRegistry } from '../connectors/index.ts'
import { isStreamError } from '../errors.ts'
import { chunk } from '../operators/index.ts'
import { type CompileContext, embedderOf, indexOf, isRegistered } from './compile.ts'
import type { Path } from './problem.ts'
import type { PipelineDescription } from './schema/pipeline.ts'
import { keyField } from './schema/source.ts'

/** The sections of a description that are valid by themselves. */
export type ValidSections = Partial<PipelineDescription>

export interface BrokenRule {
  readonly path: Path
  readonly message: string
}

/**
 * What is wrong between sections, and what the parts themselves refuse. Sections that are missing are left alone; `isGiven` tells those
 * that are there and not valid.
 */
export function brokenRules(
  sections: ValidSections,
  isGiven: (section: string) => boolean,
  context: CompileContext,
): readonly BrokenRule[] {
  return [
    ...fieldRules(sections),
    ...registryRules(sections, isGiven),
    ...requestRules(sections),
    ...partRules(sections, context),
  ]
}

function fieldRules({ source, document, filter }: ValidSections): readonly BrokenRule[] {
  if (!source) return []
  const hasFields = source.format !== 'text' && source.format !== 'file'
  const missing =
    document && hasFields && document.text === undefined
      ? [
          {
            path: ['document', 'text'],
            message: `is missing; with the format ${source.format} it names the field that holds the text`,
          },
        ]
      : []
  const known = source.format === 'text' ? [] : ['path', 'text']
  const used = [...documentFields(document), ...filterFields(filter)]
  if (hasFields) return missing
  const rule = source.format === 'text' ? 'a text has no fields' : 'a file has the fields path and text'
  return used
    .filter(({ field }) => field !== keyField && !known.includes(field))
    .map(({ path }) => ({ path, message: `${rule}; this one is never there` }))
}

function registryRules({ source }: ValidSections, isGiven: (section: string) => boolean): readonly BrokenRule[] {
  if (!source || isGiven('schemaRegistry') || !isRegistered(source.format)) return []
  const message = `is missing; with the format ${source.format} it says where the schemas lie`
  return [{ path: ['schemaRegistry'], message }]
}

function documentFields(
  document: ValidSections['document'] = {},
): readonly { readonly field: string; readonly path: Path }[] {
  const { text, title, metadata = {} } = document
  return [
    ...(text === undefined ? [] : [{ field: text, path: ['document', 'text'] }]),
    ...(title === undefined ? [] : [{ field: title, path: ['document', 'title'] }]),
    ...Object.entries(metadata).map(([name, field]) => ({ field, path: ['document', 'metadata', name] })),
  ]
}

function filterFields(
  filter: ValidSections['filter'] = [],
): readonly { readonly field: string; readonly path: Path }[] {
  return filter.flatMap((entry, at) =>
    'any' in entry
      ? entry.any.map(({ field }, inner) => ({ field, path: ['filter', at, 'any', inner, 'field'] }))
      : [{ field: entry.field, path: ['filter', at, 'field'] }],
  )
}

/** An owner stops writing one request timeout before its session can end: the runtime refuses longer ones. */
function requestRules({ index, runtime }: ValidSections): readonly BrokenRule[] {
  const requestTimeoutMs = index?.qdrant?.requestTimeoutMs
  if (requestTimeoutMs === undefined || !runtime) return []
  const longest = Math.min(runtime.sessionTimeoutMs, runtime.rebalanceTimeoutMs) / 2
  if (requestTimeoutMs <= longest) return []
  const message = `must be at most half of runtime.sessionTimeoutMs and runtime.rebalanceTimeoutMs: ${longest}`
  return [{ path: ['index', 'qdrant', 'requestTimeoutMs'], message }]
}

function partRules(
  { schemaRegistry: registry, chunker, model, index }: ValidSections,
  context: CompileContext,
): readonly BrokenRule[] {
  return [
    ...(registry ? refusals(['schemaRegistry'], () => schemaRegistry(registry)) : []),
    ...(chunker ? refusals(['chunker'], () => chunk('chunks', { ...chunker, text: String })) : []),
    ...(model ? refusals(['model', namedIn(model)], () => embedderOf(model, context)) : []),
    ...(index ? refusals(['index', namedIn(index)], () => indexOf(index, context)) : []),
  ]
}

function namedIn(section: object): string {
  return Object.keys(section).find((name) => name !== 'cache') ?? ''
}

function refusals(path: Path, build: () => unknown): readonly BrokenRule[] {
  try {
    build()
    return []
  } catch (error) {
    if (!isStreamError(error)) throw error
    return [{ path, message: `${error.fact}. ${error.fix}`.replace(/\.$/, '') }]
  }
}
