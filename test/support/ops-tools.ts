import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Programs of operators that tests run where they are there. `npm run ops-tools` fetches them. */
export type OpsTool = 'helm' | 'promtool' | 'prometheus'

const fetched = fileURLToPath(new URL('../../.cache/ops-tools/bin', import.meta.url))

/** Where programs are looked for: in the folder MILLRACE_OPS_TOOLS, among the fetched ones, on the PATH. */
function usualFolders(): string[] {
  const { MILLRACE_OPS_TOOLS, PATH = '' } = process.env
  return [MILLRACE_OPS_TOOLS, fetched, ...PATH.split(delimiter)].filter((folder) => folder !== undefined)
}

/** Where the program is; undefined where it is nowhere. */
export function findTool(tool: OpsTool, folders: readonly string[] = usualFolders()): string | undefined {
  return folders.map((folder) => join(folder, tool)).find(isProgram)
}

/**
 * The program, or undefined with a warning: the tests that need it are to be skipped. Throws with MILLRACE_REQUIRE_OPS=1.
 *
 * @example
 * const helm = toolOrSkip('helm')
 * test.skipIf(!helm)('the chart lints', ...)
 */
export function toolOrSkip(tool: OpsTool, folders?: readonly string[]): string | undefined {
  const found = findTool(tool, folders)
  if (found) return found
  const fact = `${tool} is not in MILLRACE_OPS_TOOLS, not on the PATH, and was not fetched by \`npm run ops-tools\``
  if (process.env.MILLRACE_REQUIRE_OPS === '1') throw new Error(fact)
  console.warn(`\n!!! ${fact}: THE TESTS THAT NEED IT ARE SKIPPED.\n`)
  return undefined
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
