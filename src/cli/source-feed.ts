import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { changeStream, isChangeStream } from '../connectors/files/change-stream.ts'
import { errorReason, isGone } from '../connectors/files/file-errors.ts'
import { folder } from '../connectors/files/folder.ts'
import { pathInside, realPath } from '../connectors/files/real-path.ts'
import { StreamError } from '../errors.ts'
import type { Feed } from '../topology/feed.ts'

export interface SourceOptions {
  /** Stay and follow the changes; only folders can be followed. Default false. */
  readonly watch?: boolean
  /** The folder of the index: it is not read, and a source may not lie in it. */
  readonly data?: string
  /** Delete all documents of a folder that has lost its files. Default false. */
  readonly allowEmpty?: boolean
  /** Larger files are refused by name. Bytes. */
  readonly maxFileBytes?: number
}

export interface Source {
  readonly feed: Feed<unknown>
  /** Real path of the folder; undefined for a change stream. */
  readonly folder: string | undefined
}

/**
 * A folder, or a change stream (.jsonl, .jsonl.gz, .jsonl.br), as a feed. Throws SOURCE_MISSING, SOURCE_UNREADABLE, and USAGE for options
 * that do not fit the source.
 */
export async function sourceAt(path: string, options: SourceOptions = {}): Promise<Source> {
  const { watch = false, data, allowEmpty = false, maxFileBytes } = options
  const found = await statOf(path)
  if (data !== undefined) refuseInside(data, path)
  if (found.isDirectory()) {
    const limits = maxFileBytes === undefined ? {} : { maxFileBytes }
    const feed = folder({ path, watch, allowEmpty, except: data === undefined ? [] : [data], ...limits })
    return { feed: feed as Feed<unknown>, folder: realPath(path) }
  }
  if (!isChangeStream(path)) {
    throw new StreamError('SOURCE_MISSING', `${path} is neither a folder nor a change stream`)
  }
  if (watch) {
    const fix = 'Leave --watch out, and run the command again when the file has grown: it goes on where it was.'
    throw new StreamError('USAGE', `--watch follows folders, and ${path} is a change stream`, { fix })
  }
  return { feed: changeStream({ path }) as Feed<unknown>, folder: undefined }
}

async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path)
  } catch (cause) {
    if (isGone(cause)) throw new StreamError('SOURCE_MISSING', `there is nothing at ${path}`, { cause })
    throw new StreamError('SOURCE_UNREADABLE', `${path} cannot be read: ${errorReason(cause)}`, { cause })
  }
}

/** What lies in the folder of the index may be overwritten, or deleted with it. */
function refuseInside(data: string, path: string): void {
  const inside = pathInside(realPath(data), realPath(path))
  if (inside === undefined) return
  const fact = inside === '' ? 'is the source itself' : `holds the source ${path}`
  throw new StreamError('USAGE', `the folder ${data} ${fact}`, { fix: 'Name another folder with --data.' })
}
