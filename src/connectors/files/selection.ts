import { matchesGlob } from 'node:path'

export interface SelectionOptions {
  /** Files to read, as globs over their path in the folder. Default: Markdown, plain text and their relatives. */
  readonly globs?: readonly string[]
  /** Files and folders to leave out; a folder that matches is not entered. Default: `node_modules` and hidden names. */
  readonly ignore?: readonly string[]
}

const defaultGlobs = ['**/*.{md,markdown,mdx,txt,text,rst,adoc,asciidoc,org}']
const defaultIgnore = ['**/node_modules', '**/.*']

/** Which paths of a folder count. Upper and lower case make no difference: `README.MD` is Markdown. */
export interface Selection {
  readonly globs: readonly string[]
  selects(key: string): boolean
  ignores(key: string): boolean
}

/** `leftOut`: keys to ignore besides, as they are and not as globs. */
export function selection(options: SelectionOptions, leftOut: readonly string[] = []): Selection {
  const { globs = defaultGlobs, ignore = defaultIgnore } = options
  const ignores = anyMatch(ignore)
  return { globs, selects: anyMatch(globs), ignores: (key) => leftOut.includes(key) || ignores(key) }
}

function anyMatch(globs: readonly string[]): (key: string) => boolean {
  const patterns = globs.map((glob) => glob.toLowerCase())
  return (key) => {
    const path = key.toLowerCase()
    return patterns.some((pattern) => matchesGlob(path, pattern))
  }
}
