import { parentPort } from 'node:worker_threads'
import { factOf, isStreamError, StreamError } from '../errors.ts'
import type { FromWorker, Outgoing, ToWorker } from './worker-protocol.ts'

/** The inside of a worker, once it is open. */
export interface WorkerService<Ready, Request, Reply> {
  readonly ready: Ready
  handle(request: Request): Promise<Outgoing<Reply>>
  close(): Promise<void>
}

/**
 * The life of a worker thread: opens the service with the setup that comes first, answers its requests one after the other, and ends when
 * it is told to, or when the service cannot be opened.
 */
export function serveRequests<Setup, Ready, Request, Reply>(
  open: (setup: Setup) => Promise<WorkerService<Ready, Request, Reply>>,
): void {
  const port = parentPort
  if (!port) throw new StreamError('ILLEGAL_STATE', 'this file is the entry of a worker thread')
  const send = (message: FromWorker<Ready, Reply>, transfer: Outgoing<Reply>['transfer'] = []) =>
    port.postMessage(message, [...transfer])
  let service: WorkerService<Ready, Request, Reply> | undefined
  const start = async (setup: Setup) => {
    try {
      service = await open(setup)
      send({ kind: 'ready', ready: service.ready })
    } catch (error) {
      send({ kind: 'unusable', code: isStreamError(error) ? error.code : 'MODEL_INVALID', reason: factOf(error) })
      port.close()
    }
  }
  const answer = async (id: number, request: Request) => {
    try {
      const reply = await service?.handle(request)
      if (reply) send({ kind: 'reply', id, reply: reply.message }, reply.transfer)
    } catch (error) {
      send({ kind: 'failed', id, reason: factOf(error) })
    }
  }
  const stop = async () => {
    await service?.close()
    port.close()
  }
  let last: Promise<void> = Promise.resolve()
  port.on('message', (message: ToWorker<Setup, Request>) => {
    last = last.then(() => {
      if (message.kind === 'open') return start(message.setup)
      return message.kind === 'close' ? stop() : answer(message.id, message.request)
    })
  })
}
