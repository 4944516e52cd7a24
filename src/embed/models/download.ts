import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../../clock.ts'
import { isStreamError, StreamError, toStreamError } from '../../errors.ts'
import { makeFolder } from '../../state/make-folder.ts'
import { attempts } from './attempts.ts'
import type { FileAnswer, FileFacts } from './hub-client.ts'

export interface Download {
  /** Names the file in errors. */
  readonly name: string
  /** Where it goes. What has come so far lies beside it in `<target>.part`. */
  readonly target: string
  /** SHA-256 that it must have, when it is known before. */
  readonly sha256?: string | undefined
  /** Asks for the file from a byte on. */
  readonly get: (from: number) => Promise<FileAnswer>
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Told how many bytes are there, and how many there will be. */
  readonly onProgress?: (bytes: number, total: number | undefined) => void
}

/**
 * Downloads a file: goes on where an earlier attempt was broken off, compares what came with its hash (or, where there is none, its size),
 * and gives it its name at the end, so that a file under its name is whole.
 *
 * Rejects with MODEL_INVALID when what came is not what was promised, with MODEL_UNREACHABLE when nothing comes any more.
 */
export async function download(options: Download): Promise<void> {
  const { target } = options
  const part = `${target}.part`
  await makeFolder(dirname(target))
  // What lies there already may be of another file: that is forgiven once.
  const isContinued = sizeOf(part) > 0
  try {
    await downloadPart(part, options)
  } catch (error) {
    if (!isContinued || !isStreamError(error) || error.code !== 'MODEL_INVALID') throw error
    await downloadPart(part, options)
  }
  await rename(part, target)
}

async function downloadPart(part: string, options: Download): Promise<void> {
  let before = 0
  const action = async () => {
    before = sizeOf(part)
    try {
      await verify(part, await proceed(part, options), options)
    } catch (error) {
      throw toStreamError(error, 'STATE_IO', `${part} cannot be written`)
    }
  }
  await attempts(action, { ...options, hasProgressed: () => sizeOf(part) > before })
}

/** Brings the rest of the file. */
async function proceed(part: string, { get, name, onProgress }: Download): Promise<FileFacts> {
  const { facts, from, body } = await get(sizeOf(part))
  if (body) {
    // Piece by piece: what a stream still holds when the connection breaks would be lost.
    await using file = await open(part, from > 0 ? 'a' : 'w')
    let bytes = from
    for await (const piece of body) {
      await file.writeFile(piece)
      bytes += piece.length
      onProgress?.(bytes, facts.bytes)
    }
    await file.sync()
  }
  if (facts.bytes !== undefined && sizeOf(part) < facts.bytes)
    throw new StreamError('MODEL_UNREACHABLE', `${name} ended after ${sizeOf(part)} of ${facts.bytes} bytes`)
  return facts
}

/** Throws MODEL_INVALID, and forgets what came, when it is not what was promised. */
async function verify(part: string, facts: FileFacts, { name, sha256 = facts.sha256 }: Download): Promise<void> {
  const bytes = sizeOf(part)
  const problem =
    facts.bytes !== undefined && bytes !== facts.bytes
      ? `has ${bytes} bytes and not ${facts.bytes}`
      : ((await wrongHash(part, 'SHA-256', sha256)) ?? (await wrongHash(part, 'git SHA-1', facts.gitSha1)))
  if (problem === undefined) return
  await rm(part, { force: true })
  throw new StreamError('MODEL_INVALID', `what the hub gave for ${name} ${problem}`, {
    fix: 'Run the command again; if that does not help, the hub or a proxy on the way gives out another file.',
  })
}

async function wrongHash(
  file: string,
  kind: 'SHA-256' | 'git SHA-1',
  expected: string | undefined,
): Promise<string | undefined> {
  if (expected === undefined) return undefined
  const hash = createHash(kind === 'SHA-256' ? 'sha256' : 'sha1')
  if (kind === 'git SHA-1') hash.update(`blob ${sizeOf(file)}\0`)
  await pipeline(createReadStream(file), hash)
  const found = hash.digest('hex')
  return found === expected ? undefined : `has the ${kind} ${found} and not ${expected}`
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}
