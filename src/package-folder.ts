import { existsSync } from 'node:fs'
import { dirname, extname, join, relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Where the package lies. A build joins modules to larger files, in folders of its own: none knows its depth. */
export const packageFolder = folderWith('package.json', import.meta.dirname)

/** What is below it is ours: `src` of the repository, `dist` of the package. */
export const codeFolder = join(packageFolder, relative(packageFolder, import.meta.dirname).split(sep)[0] ?? '')

/** A module by its path in the code, without its extension: `embed/worker`. For what is loaded by its name, as threads are. */
export function ownModule(path: string): URL {
  return pathToFileURL(join(codeFolder, path + extname(import.meta.filename)))
}

function folderWith(name: string, folder: string): string {
  return existsSync(join(folder, name)) ? folder : folderWith(name, dirname(folder))
}
