import { parentPort, workerData } from 'node:worker_threads'
import { isStreamError, reasonOf, StreamError } from '../errors.ts'
import type { FromWorker, Outgoing, ToWorker } from './worker-protocol.ts'

/** The inside of a worker, once it is open. */
export interface WorkerService<Ready, Request, Reply> {
  readonly ready: Ready
  handle(request: Request): Promise<Outgoing<Reply>>
  close(): Promise<void>
}

/**
 * The life of a worker thread: opens the service with the setup that the thread was started with, answers its requests one after
 * the other, and ends when it is told to.
 */
export async function serveRequests<Setup, Ready, Request, Reply>(
  open: (setup: Setup) => Promise<WorkerService<Ready, Request, Reply>>,
): Promise<void> {
  const port = parentPort
  if (!port) throw new StreamError('ILLEGAL_STATE', 'this file is the entry of a worker thread')
  const send = (message: FromWorker<Ready, Reply>, transfer: Outgoing<Reply>['transfer'] = []) =>
    port.postMessage(message, [...transfer])
  const service = await open(workerData as Setup).catch((error: unknown) => {
    send({ kind: 'unusable', reason: factOf(error) })
    return undefined
  })
  if (!service) return
  let last: Promise<void> = Promise.resolve()
  const answer = async (message: ToWorker<Request>) => {
    if (message.kind === 'close') {
      await service.close()
      port.close()
      return
    }
    const { id } = message
    await service.handle(message.request).then(
      (reply) => send({ kind: 'reply', id, reply: reply.message }, reply.transfer),
      (error: unknown) => send({ kind: 'failed', id, reason: factOf(error) }),
    )
  }
  port.on('message', (message: ToWorker<Request>) => {
    last = last.then(() => answer(message))
  })
  send({ kind: 'ready', ready: service.ready })
}

function factOf(error: unknown): string {
  return isStreamError(error) ? error.fact : reasonOf(error)
}
