import { existsSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isStreamError, StreamError } from '../errors.ts'
import { ownModule } from '../package-folder.ts'
import type { Topology } from '../topology/topology.ts'
import { topologyFileError } from './topology-file-error.ts'

/**
 * Imports a topology file, TypeScript or JavaScript, and returns its default export. Throws TOPOLOGY_FILE when it does not exist, does
 * not compile, throws or exports something else, and TOPOLOGY_INVALID when its builder finds problems.
 *
 * The file may import `millrace` wherever it lies: it gets this very copy, so that it works before anything is installed beside it.
 */
export async function loadTopology(file: string): Promise<Topology> {
  const path = resolve(file)
  if (!existsSync(path))
    throw new StreamError('TOPOLOGY_FILE', `there is no file ${path}`, { fix: 'Name an existing topology file.' })
  provideOwnPackage()
  const module = await importing(path)
  const topology = module.default
  if (!isTopology(topology)) {
    throw new StreamError('TOPOLOGY_FILE', `${path} does not export a topology as its default`, {
      fix: 'End the file with `export default builder.build()`.',
    })
  }
  return topology
}

async function importing(path: string): Promise<{ default?: unknown }> {
  try {
    return await import(pathToFileURL(path).href)
  } catch (cause) {
    // What the file's own builder has to say is said whole: it may be a list of problems.
    if (isStreamError(cause)) throw cause
    throw topologyFileError(path, cause)
  }
}

function isTopology(value: unknown): value is Topology {
  return typeof value === 'object' && value !== null && 'nodes' in value && 'subtopologies' in value
}

/** By what they are imported as. */
const entries: Readonly<Record<string, URL>> = {
  millrace: ownModule('index'),
  'millrace/operators': ownModule('operators/index'),
  'millrace/embed': ownModule('embed/index'),
  'millrace/connectors': ownModule('connectors/index'),
  'millrace/testing': ownModule('testing'),
}

let provided = false

/** `millrace` always means this copy; `zod` means ours where the file's own folder has none. */
function provideOwnPackage(): void {
  if (provided) return
  provided = true
  registerHooks({
    resolve(specifier, context, next) {
      const entry = entries[specifier]
      if (entry) return next(entry.href, context)
      if (specifier !== 'zod') return next(specifier, context)
      try {
        return next(specifier, context)
      } catch {
        return next(specifier, { ...context, parentURL: import.meta.url })
      }
    },
  })
}
