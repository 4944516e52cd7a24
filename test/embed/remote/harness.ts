import { expect, onTestFinished } from 'vitest'
import type { Embedder } from '../../../src/embed/embedder.ts'
import type { RemoteOptions } from '../../../src/embed/remote/options.ts'
import type { Logger } from '../../../src/logger.ts'
import type { FakeEmbeddingServer } from '../../support/embedding-servers/index.ts'
import { FastClock } from '../../support/fast-clock.ts'

export const never = new AbortController().signal

/** Pauses of a minute take half a second; answers have three seconds. */
export const quick = (): Pick<RemoteOptions, 'clock' | 'requestTimeoutMs'> => ({
  clock: new FastClock(100),
  requestTimeoutMs: 300_000,
})

/** Looks until it is as expected: machines may be slow. */
export const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 15_000, interval: 5 })

/** Stops the server after the test. */
export async function served(starting: Promise<FakeEmbeddingServer>): Promise<FakeEmbeddingServer> {
  const server = await starting
  onTestFinished(() => server.stop())
  return server
}

/** Opens the embedder, and closes it after the test. */
export async function opened(embedder: Embedder): Promise<Embedder> {
  onTestFinished(() => embedder.close())
  await embedder.open()
  return embedder
}

/** What the work fails with; `undefined` when it does not. */
export async function caught(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

interface Line {
  readonly facts: Readonly<Record<string, unknown>>
  readonly sentence: string
}

/** A logger that keeps what it was told, whatever the level. */
export function recordingLogger(): { readonly logger: Logger; readonly lines: readonly Line[] } {
  const lines: Line[] = []
  const note = (facts: object, sentence: string) => void lines.push({ facts: { ...facts }, sentence })
  const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger }
  return { logger, lines }
}
