import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { startProgram } from '../support/command-line.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const probes = resolve('deploy/helm/millrace/files/tests/probes.mjs')
const roundTrip = resolve('deploy/helm/millrace/files/tests/round-trip.mjs')
const addModel = resolve('deploy/helm/millrace/files/models/add-model.mjs')
const editDocuments = resolve('deploy/compose/demo/edit-documents.mjs')

async function serve(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await new Promise((listening) => server.once('listening', listening))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.dispose]: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** A `millrace` on the PATH that notes how it was called and what lay in the folder. */
function standIn(folder: TemporaryDirectory, status = 0) {
  const log = join(folder.path, 'calls.jsonl')
  const program = join(folder.path, 'millrace')
  const lines = [
    '#!/usr/bin/env node',
    "const { appendFileSync, readdirSync } = require('node:fs')",
    'const [command, source, ...flags] = process.argv.slice(2)',
    `appendFileSync(${JSON.stringify(log)}, JSON.stringify({ command, source, files: readdirSync(source), flags }) + '\\n')`,
    `process.exit(${status})`,
  ]
  writeFileSync(log, '')
  writeFileSync(program, lines.join('\n'))
  chmodSync(program, 0o755)
  const env = { PATH: `${folder.path}${delimiter}${process.env.PATH}`, TMPDIR: folder.path }
  const calls = (): Call[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  return { env, calls }
}

interface Call {
  readonly command: string
  readonly source: string
  readonly files: readonly string[]
  readonly flags: readonly string[]
}

test('helm test passes when the probes answer and the metrics are ours', async () => {
  const asked: string[] = []
  using instance = await serve((request, response) => {
    asked.push(request.url ?? '')
    response.end(request.url === '/metrics' ? '# HELP\nmillrace_build_info{version="1"} 1\n' : '')
  })

  const { code, stdout } = await startProgram(probes, [instance.url]).result

  expect(code).toBe(0)
  expect(stdout).toBe('ok   /startupz\nok   /livez\nok   /readyz\nok   /metrics\n')
  expect(asked).toEqual(['/startupz', '/livez', '/readyz', '/metrics'])
})

test('helm test says what came instead when its time is up', async () => {
  using instance = await serve((_, response) => response.writeHead(503).end('2 of 6 tasks are restoring'))

  const run = startProgram(probes, [instance.url], { env: { MILLRACE_TEST_SECONDS: '0' } })

  expect(await run.result).toMatchObject({ code: 1, stderr: 'FAIL /startupz: 503 2 of 6 tasks are restoring\n' })
})

test('a round trip writes a document, waits until Qdrant has it, deletes it, and waits until it is gone', async () => {
  await using folder = await temporaryDirectory()
  const { env, calls } = standIn(folder)
  writeFileSync(join(folder.path, 'key'), 'read-key\n')
  const asked: unknown[] = []
  using qdrant = await serve(async (request, response) => {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString())
    asked.push({ url: request.url, key: request.headers['api-key'], body })
    response.end(JSON.stringify({ result: { count: calls().at(-1)?.files.length } }))
  })

  const where = { ...env, QDRANT_URL: qdrant.url, QDRANT_API_KEY_FILE: join(folder.path, 'key') }
  const result = await startProgram(roundTrip, ['documents', 'my index'], { env: where }).result

  expect(result).toMatchObject({ code: 0, stdout: 'ok   the document is in the index\nok   the document is gone\n' })
  const flags = ['--topic', 'documents', '--cursor-topic', 'documents-helm-test-cursor']
  expect(calls()).toMatchObject([
    { command: 'produce', files: ['helm-test.md'], flags },
    { command: 'produce', files: [], flags: [...flags, '--allow-empty'] },
  ])
  const filter = { must: [{ key: '_millrace.doc', match: { value: 'helm-test.md' } }] }
  const question = { url: '/collections/my%20index/points/count', key: 'read-key', body: { filter, exact: true } }
  expect(asked).toEqual([question, question])
})

test('a round trip that finds no collection says so', async () => {
  await using folder = await temporaryDirectory()
  const { env } = standIn(folder)
  using qdrant = await serve((_, response) => response.writeHead(404).end('no such collection'))

  const where = { ...env, QDRANT_URL: qdrant.url, MILLRACE_TEST_SECONDS: '0' }
  const result = await startProgram(roundTrip, ['documents', 'index'], { env: where }).result

  expect(result).toMatchObject({
    code: 1,
    stderr: 'FAIL the document is in the index: no, Qdrant says 404 no such collection\n',
  })
})

test('a round trip whose topic takes nothing ends there', async () => {
  await using folder = await temporaryDirectory()
  const { env } = standIn(folder, 78)

  const result = await startProgram(roundTrip, ['documents', 'index'], {
    env: { ...env, QDRANT_URL: 'http://127.0.0.1:9' },
  }).result

  expect(result.code).toBe(1)
  expect(result.stderr).toContain('ended with 78')
})

test('the demo writes documents, then edits, deletes and brings back', async () => {
  await using folder = await temporaryDirectory()
  const { env, calls } = standIn(folder)

  const settings = { ...env, DEMO_EDITS: '20', DEMO_PAUSE_MS: '1' }
  const { code } = await startProgram(editDocuments, ['documents'], { env: settings }).result

  expect(code).toBe(0)
  const counts = calls().map(({ files }) => files.length)
  expect(counts[0]).toBe(9)
  expect(new Set(counts)).toEqual(new Set([9, 8]))
  expect(counts.at(11)).toBe(8)
})

test('a model that is there and whole is not asked for again', async () => {
  await using folder = await temporaryDirectory()
  mkdirSync(join(folder.path, 'verify'))
  const { env, calls } = standIn(folder)

  const result = await startProgram(addModel, ['owner/model', '--precision', 'fp32'], { cwd: folder.path, env }).result

  expect(result).toMatchObject({ code: 0, stdout: 'owner/model is there\n' })
  expect(calls()).toMatchObject([{ command: 'model', flags: ['owner/model', '--precision', 'fp32'] }])
})

test('a model that is missing is added, and the pod does not start without it', async () => {
  await using folder = await temporaryDirectory()
  for (const step of ['verify', 'add']) mkdirSync(join(folder.path, step))
  const { env, calls } = standIn(folder, 1)

  const { code } = await startProgram(addModel, ['owner/model'], { cwd: folder.path, env }).result

  expect(code).toBe(1)
  expect(calls().map(({ source }) => source)).toEqual(['verify', 'add'])
})
