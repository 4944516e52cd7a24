import { relative, sep } from 'node:path'

/** How this process was started, so that a hint names a command that exists there: a clone has none that is called `millrace`. */
export interface Start {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The script, as Node names it. */
  readonly script: string
  readonly directory: string
}

/**
 * What stands before the name of a command: `npm run -s millrace --` in a clone, `npx millrace` or `millrace` where the package is
 * installed.
 */
export function ownName(start: Start = ofThisProcess()): string {
  const { env, script, directory } = start
  // npm names the script that it runs; other scripts may start us too, and say so with their own name.
  if (env.npm_lifecycle_event === 'millrace') return 'npm run -s millrace --'
  if (/\.[cm]?[jt]s$/.test(script)) return `node ${shellWord(relative(directory, script))}`
  return env.npm_command || script.split(sep).includes('node_modules') ? 'npx millrace' : 'millrace'
}

/** A sentence of the library, with the commands that it names as they are called here. */
export function asStarted(sentence: string, name = ownName()): string {
  return sentence.replaceAll('`millrace ', () => `\`${name} `)
}

function ofThisProcess(): Start {
  return { env: process.env, script: process.argv[1] ?? '', directory: process.cwd() }
}

/** A text as a shell takes it for one word. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
