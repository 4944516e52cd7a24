import { parentPort } from 'node:worker_threads'
import { StreamError } from '../../../errors.ts'
import { Database } from './database.ts'
import { fromSqlite } from './errors.ts'
import type { DatabaseCalls, DatabaseRequest, DatabaseResponse, OpenRequest } from './protocol.ts'

/** The database thread: takes one request after the other and answers each. */

let database: Database | undefined
let path = ''

function opened(): Database {
  if (!database) throw new StreamError('INDEX_CLOSED', `the index ${path} is not open`)
  return database
}

const calls: DatabaseCalls = {
  open(request: OpenRequest) {
    path = request.path
    database = new Database(request)
    return { dimensions: database.dimensions }
  },
  apply: (batch) => opened().apply(batch),
  observe: (keys) => opened().observe(keys),
  scan: (request) => opened().scan(request),
  search: (request) => opened().search(request),
  close() {
    database?.close()
    database = undefined
  },
}

function answer({ id, method, argument }: DatabaseRequest): DatabaseResponse {
  try {
    const call = calls[method] as (argument: unknown) => unknown
    return { id, value: call(argument) }
  } catch (error) {
    const { code, fact, fix } = fromSqlite(error, path)
    return { id, error: { code, fact, fix } }
  }
}

parentPort?.on('message', (request: DatabaseRequest) => parentPort?.postMessage(answer(request)))
