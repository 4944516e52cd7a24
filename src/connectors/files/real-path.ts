import { realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'

/** The one absolute path of a file or folder, however it is spelled and whatever links lead to it. What does not exist yet has one too. */
export function realPath(path: string): string {
  const absolute = resolve(path)
  try {
    return realpathSync.native(absolute)
  } catch {
    const parent = dirname(absolute)
    return parent === absolute ? absolute : join(realPath(parent), basename(absolute))
  }
}

/** The path of `inner` in the folder `outer`, empty for the folder itself; undefined when it is not inside. Both are real paths. */
export function pathInside(outer: string, inner: string): string | undefined {
  const path = relative(outer, inner)
  return path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path) ? undefined : path
}
