/** Plays recorded cases against the double, each against a fresh one. */
import { Agent, type IncomingMessage, request as startRequest } from 'node:http'
import { gunzipSync, gzipSync } from 'node:zlib'
import { serverRoot } from '../qdrant/database.ts'
import { type QdrantDouble, type QdrantDoubleOptions, startQdrantDouble } from '../qdrant-double.ts'
import { difference, type Received } from './compare.ts'
import type { RecordedCase, Step } from './recording.ts'

const serverModes: Record<RecordedCase['server'], QdrantDoubleOptions> = {
  main: {},
  auth: { apiKey: 'rw-key', readOnlyKey: 'ro-key' },
  small: { maxRequestBytes: 1024 * 1024 },
}

export interface CaseResult {
  readonly name: string
  /** The first difference; undefined when the case passed. */
  readonly difference: string | undefined
}

export async function playCase(recorded: RecordedCase): Promise<CaseResult> {
  await using double = await startQdrantDouble(serverModes[recorded.server])
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const saved = new Map<string, string>()
  try {
    for (const [index, step] of recorded.steps.entries()) {
      const found = await playStep({ double, agent, saved }, step)
      if (found !== undefined) {
        return {
          name: recorded.name,
          difference: `step ${index + 1}, ${step.method} ${step.path.slice(0, 100)}: ${found}`,
        }
      }
    }
    return { name: recorded.name, difference: undefined }
  } finally {
    agent.destroy()
  }
}

interface Stage {
  readonly double: QdrantDouble
  readonly agent: Agent
  readonly saved: Map<string, string>
}

async function playStep(stage: Stage, step: Step): Promise<string | undefined> {
  const path = step.path.replace(/\{(\w+)\}/g, (whole, name) => stage.saved.get(name) ?? whole)
  const received = await send(stage, { ...step, path })
  if (typeof received === 'string') return step.error === undefined ? `connection broke: ${received}` : undefined
  if (step.save !== undefined) stage.saved.set(step.save, savedName(received.text))
  // A broken connection was recorded: an answer is right when another run had it.
  if (step.error !== undefined && !step.other) return `answer ${received.status} instead of a broken connection`
  const expected: Step = JSON.parse(JSON.stringify(step).replaceAll('{root}', serverRoot))
  const { error: _error, status = expected.other?.status, ...rest } = expected
  return difference({ ...rest, ...(status === undefined ? {} : { status }) }, received)
}

function savedName(text: string): string {
  const { result }: { result?: { name?: string } } = JSON.parse(text)
  return result?.name ?? ''
}

/** The answer, or the code of a socket error. */
function send({ double, agent }: Stage, step: Step): Promise<Received | string> {
  const body = bodyOf(step)
  return new Promise((resolve) => {
    const request = startRequest({
      host: '127.0.0.1',
      port: double.port,
      agent,
      method: step.method,
      path: step.path,
      headers: headersOf(step, body),
    })
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    request.on('response', (response) => {
      receive(response).then(resolve, (error: unknown) => resolve(String(error)))
    })
    request.end(body)
  })
}

function headersOf({ headers = {}, bodyGen }: Step, body: Buffer | undefined): Record<string, string> {
  const all: Record<string, string | null> = { ...(body ? { 'content-type': 'application/json' } : {}), ...headers }
  const framing = bodyGen?.chunked
    ? { 'transfer-encoding': 'chunked' }
    : body && { 'content-length': String(body.length) }
  const given = Object.entries(all).flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, value]],
  )
  return { ...Object.fromEntries(given), ...framing }
}

function bodyOf({ body, rawBody, rawHex, bodyGen, headers }: Step): Buffer | undefined {
  if (bodyGen) return generatedBody(bodyGen)
  if (rawHex !== undefined) return Buffer.from(rawHex, 'hex')
  const text = rawBody ?? (body === undefined ? undefined : JSON.stringify(body))
  if (text === undefined) return undefined
  return headers?.['x-gzip-body'] ? gzipSync(text) : Buffer.from(text)
}

/** One point whose payload fills the body up to the wanted size. */
function generatedBody({ bytes, batch = false }: NonNullable<Step['bodyGen']>): Buffer {
  const make = (filling: string) => {
    const points = { points: [{ id: 1, vector: [1, 0, 0, 0], payload: { filling } }] }
    return JSON.stringify(batch ? { operations: [{ upsert: points }] } : points)
  }
  return Buffer.from(make('x'.repeat(bytes - make('').length)))
}

async function receive(response: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  const isPacked = response.headers['content-encoding'] === 'gzip'
  const text = (isPacked ? gunzipSync(bytes) : bytes).toString('utf8')
  return { status: response.statusCode ?? 0, headers: response.headers, text }
}
