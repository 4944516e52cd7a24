import { parentPort } from 'node:worker_threads'
import { startQdrantDouble } from '../test/support/qdrant-double.ts'

/** A thread of its own for the server, so that it does not compete with what is measured. */
const { url } = await startQdrantDouble()
parentPort?.postMessage(url)
