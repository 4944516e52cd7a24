import { readFileSync, statSync } from 'node:fs'

/** What `${...}` in a pipeline file may refer to. */
export interface References {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The text of a file. Throws when there is none. */
  readonly readFile: (path: string) => string
}

export interface Interpolated {
  readonly text: string
  readonly problems: readonly string[]
  /** Where the parts came from that did not stand in the text; a file wins. */
  readonly origin: 'environment' | 'file' | undefined
}

const maxFileBytes = 1024 * 1024

/**
 * Replaces `${VAR}`, `${VAR:-default}` and `${file:/path}` in a text; `$${` stands for `${` itself. As in a shell the default also
 * stands for a variable that is empty. A file loses the line break at its end, which editors add to secrets.
 *
 * @example
 * interpolate('https://${HOST:-localhost}:6333', { environment: {}, readFile }).text // https://localhost:6333
 */
export function interpolate(text: string, references: References): Interpolated {
  const problems: string[] = []
  const origins = new Set<'environment' | 'file'>()
  const result = text.replace(/\$\$\{|\$\{([^}]*)(\}?)/g, (whole, inner: string | undefined, end: string) => {
    if (inner === undefined) return '${'
    const found = end === '' ? failure(`a "\${" has no "}"`) : resolve(inner, references)
    if ('problem' in found) problems.push(found.problem)
    else origins.add(found.origin)
    return 'problem' in found ? whole : found.text
  })
  const origin = origins.has('file') ? 'file' : origins.values().next().value
  return { text: problems.length === 0 ? result : '', problems, origin }
}

/** Reads a secret. Throws for what is no regular file or has more than 1 MiB. */
export function readSecretFile(path: string): string {
  const stats = statSync(path)
  if (!stats.isFile()) throw new Error('it is no file')
  if (stats.size > maxFileBytes) throw new Error('it has more than 1 MiB')
  return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
}

type Resolved = { readonly text: string; readonly origin: 'environment' | 'file' } | { readonly problem: string }

const failure = (problem: string): Resolved => ({ problem })

function resolve(inner: string, { environment, readFile }: References): Resolved {
  // `${file:-x}` is a variable with a default.
  if (/^file:(?!-)/.test(inner)) return contentOf(inner.slice('file:'.length), readFile)
  const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/.exec(inner)
  if (!match)
    return failure(
      `"\${...}" must be \${VAR}, \${VAR:-default} or \${file:/path}; write "$\${" for the characters themselves`,
    )
  const [, name = '', standard] = match
  if (standard?.includes('${')) return failure('a default cannot hold another "${"')
  const value = Object.hasOwn(environment, name) ? environment[name] : undefined
  if (standard !== undefined) return { text: value || standard, origin: 'environment' }
  if (value === undefined) return failure(`the environment variable ${name} is not set`)
  return { text: value, origin: 'environment' }
}

function contentOf(path: string, readFile: References['readFile']): Resolved {
  if (path === '') return failure(`\${file:} names no file`)
  try {
    return { text: readFile(path).replace(/\r?\n$/, ''), origin: 'file' }
  } catch (error) {
    return failure(`the file ${path} cannot be read (${reasonFor(error)})`)
  }
}

/** The code of the system, ENOENT: a message could quote what was read. */
function reasonFor(error: unknown): string {
  if (!(error instanceof Error)) return 'it is no text'
  const code = 'code' in error ? String(error.code) : ''
  if (code === '') return error.message.startsWith('it ') ? error.message : 'it is no text'
  return code.startsWith('ERR_ENCODING') ? 'it is no text' : code
}
