import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { reasonOf, StreamError } from '../errors.ts'
import { isOwnFile } from '../package-folder.ts'

/** What Node throws that cannot load a file. */
interface LoadFailure {
  readonly code: string
  readonly stack: string
}

const fixes: Readonly<Record<string, string>> = {
  ERR_INVALID_TYPESCRIPT_SYNTAX: 'Correct the syntax there.',
  ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX:
    'Node runs TypeScript by leaving out its types: write it without enums, namespaces and parameter properties.',
  ERR_UNKNOWN_FILE_EXTENSION: 'Name a topology (.ts, .js, .mjs) or a pipeline (.yaml).',
  ERR_UNSUPPORTED_DIR_IMPORT: 'Name the file itself, not its folder.',
}

/** TOPOLOGY_FILE for a file that cannot be imported: with the place, where there is one, and the fix of its cause. */
export function topologyFileError(path: string, cause: unknown): StreamError {
  const failure: LoadFailure = {
    code: cause instanceof Error && 'code' in cause ? String(cause.code) : '',
    stack: cause instanceof Error ? (cause.stack ?? '') : '',
  }
  const missing = failure.code === 'ERR_MODULE_NOT_FOUND' ? missingModule(reasonOf(cause)) : undefined
  const place = missing ? placeOfImport(missing) : placeIn(failure.stack)
  const isInside = place !== undefined && place.file !== path
  const where = place && !isInside ? `${path}:${place.line}` : path
  const reason = isInside ? `${place.file}:${place.line}: ${reasonOf(cause)}` : reasonOf(cause)
  const fix = missing?.fix ?? fixOf(failure, cause)
  return new StreamError('TOPOLOGY_FILE', `${where} cannot be loaded: ${reason}`, { fix, cause })
}

function fixOf({ code }: LoadFailure, cause: unknown): string {
  const known = fixes[code]
  if (known !== undefined) return known
  if (!(cause instanceof SyntaxError)) return 'The file is run to get its topology: correct what it throws there.'
  if (cause.message.includes('does not provide an export')) return 'Import a name that the module exports.'
  return 'Correct the syntax of the file.'
}

interface MissingModule {
  readonly importer: string
  /** How the import ends. */
  readonly name: string
  readonly fix: string
}

/** Node says it in its message alone. */
function missingModule(message: string): MissingModule | undefined {
  const [, kind, target = '', importer = ''] =
    /^Cannot find (package|module) '(.+)' imported from (.+)$/.exec(message) ?? []
  if (kind === undefined) return undefined
  if (kind === 'package') return { importer, name: target, fix: `Install it beside the file: npm install ${target}.` }
  const fix = 'Correct the path of the import; it has to end as the file does, in `.ts` for one.'
  return { importer, name: basename(target), fix }
}

interface Place {
  readonly file: string
  readonly line: number
}

function placeOfImport({ importer, name }: MissingModule): Place | undefined {
  const lines = readFileSync(importer, 'utf8').split('\n')
  const at = lines.findIndex((line) => line.includes(`${name}'`) || line.includes(`${name}"`))
  return at === -1 ? undefined : { file: importer, line: at + 1 }
}

/** The first place of a stack that is in a file of the user: before the error for what does not compile, in a frame for what was thrown. */
function placeIn(stack: string): Place | undefined {
  for (const [, url = '', line] of stack.matchAll(/(?:^|[( ])((?:file:\/\/)?\/[^\n()]*?):(\d+)(?=[:)\n]|$)/gm)) {
    const file = url.startsWith('file:') ? fileURLToPath(url) : url
    if (!isOwnFile(file) && !file.includes('node_modules')) return { file, line: Number(line) }
  }
  return undefined
}
