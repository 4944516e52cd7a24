/**
 * A stand-in for Qdrant 1.18.3: its REST interface in memory, held equal to recorded answers of a real server, with faults to order.
 *
 * @example
 * await using qdrant = await startQdrantDouble()
 * qdrant.faults.add({ kind: 'status', status: 503 }, { times: 2 })
 */
import type { Database } from './qdrant/database.ts'
import type { Faults } from './qdrant/faults.ts'
import { type QdrantDoubleOptions, QdrantServer, type RequestEntry } from './qdrant/server.ts'

export type { Fault, FaultOptions } from './qdrant/faults.ts'
export type { HandledRequest, QdrantDoubleOptions, RequestEntry } from './qdrant/server.ts'

export interface QdrantDouble extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Every request so far, oldest first. */
  readonly requests: readonly RequestEntry[]
  readonly faults: Faults
  /** What the server holds, to look at and to prepare. */
  readonly database: Database
  /** How many requests a method and path had, such as `POST /collections/c/points/batch`. */
  count(methodAndPath: RegExp): number
  close(): Promise<void>
}

export async function startQdrantDouble(options: QdrantDoubleOptions = {}): Promise<QdrantDouble> {
  const server = new QdrantServer(options)
  const port = await server.listen()
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests: server.requests,
    faults: server.faults,
    database: server.database,
    count: (methodAndPath) =>
      server.requests.filter(({ method, path }) => methodAndPath.test(`${method} ${path}`)).length,
    close: () => server.close(),
    [Symbol.asyncDispose]: () => server.close(),
  }
}
