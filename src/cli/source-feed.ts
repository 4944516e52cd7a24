import { stat } from 'node:fs/promises'
import { changeStream } from '../connectors/files/change-stream.ts'
import { folder } from '../connectors/files/folder.ts'
import { StreamError } from '../errors.ts'
import type { Feed } from '../topology/feed.ts'

/** A folder, or a change stream (.jsonl, .jsonl.gz, .jsonl.br), as a feed. Throws SOURCE_MISSING. */
export async function feedOf(path: string, options: { readonly watch: boolean }): Promise<Feed<unknown>> {
  const found = await stat(path).catch(() => undefined)
  if (!found) throw new StreamError('SOURCE_MISSING', `there is nothing at ${path}`)
  if (found.isDirectory()) return folder({ path, watch: options.watch }) as Feed<unknown>
  if (/\.jsonl(\.gz|\.br)?$/.test(path)) return changeStream({ path }) as Feed<unknown>
  throw new StreamError('SOURCE_MISSING', `${path} is neither a folder nor a change stream`)
}
