import { existsSync } from 'node:fs'
import { dirname, extname, join, relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { StreamError } from './errors.ts'

/** Where the package lies. A build joins modules to larger files, in folders of its own: none knows its depth. */
export const packageFolder = folderWith('package.json', import.meta.dirname)

/** `src` of the repository, `dist` of the package. */
const codeFolder = join(packageFolder, relative(packageFolder, import.meta.dirname).split(sep)[0] ?? '')

const extension = extname(import.meta.filename)

/** A module by its path in the code, without its extension: `embed/index`. For what is loaded by its name. */
export function ownModule(path: string): URL {
  return pathToFileURL(join(codeFolder, path + extension))
}

/**
 * The same for a module that a thread starts with: the package has those as CommonJS, which starts sooner. Throws CONFIG_INVALID where it is
 * missing, as in a program that was bundled.
 */
export function ownThread(path: string): URL {
  const file = join(codeFolder, path + (extension === '.ts' ? extension : '.cjs'))
  if (existsSync(file)) return pathToFileURL(file)
  throw new StreamError('CONFIG_INVALID', `${file} is missing: the package starts threads from files of its own`, {
    fix: 'Leave the package out of the bundle: `millrace` is external to the bundler, and installed where the program runs.',
  })
}

/** Whether a file that a stack names is ours. With `--enable-source-maps` it names those of `src`, which the package does not have. */
export function isOwnFile(file: string): boolean {
  return [codeFolder, join(packageFolder, 'src')].some((folder) => file.startsWith(folder + sep))
}

/** The nearest of a folder and those around it that has the file; the folder itself when none has, as in a program that was bundled. */
function folderWith(name: string, start: string): string {
  for (let folder = start, above = dirname(start); folder !== above; folder = above, above = dirname(above))
    if (existsSync(join(folder, name))) return folder
  return start
}
