import { createServer } from 'node:http'
import { expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { type QdrantOptions, qdrant } from '../../../src/connectors/qdrant/sink.ts'
import { point, upsert } from '../../support/points.ts'
import { type QdrantDouble, startQdrantDouble } from '../../support/qdrant-double.ts'
import { openBench, pipeline, send } from './harness.ts'

/** Waits are over at once. */
const hasty = { ...systemClock, after: (_delayMs: number, action: () => void) => systemClock.after(0, action) }
const patient = { ...systemClock, after: () => () => undefined }

const open = async (double: QdrantDouble, options: Partial<QdrantOptions> = {}, dimensions: number | undefined = 8) => {
  const index = qdrant({ collection: 'c', url: double.url, ...options })
  await index.open({ ...pipeline, dimensions })
  return index
}

const changes = (double: QdrantDouble) => double.count(/^(PUT|POST|PATCH|DELETE) /)

it('creates the collection with a default vector, the slot for words, and payload indexes before any point', async () => {
  await using double = await startQdrantDouble()

  await open(double)

  const { result } = (await send(double, 'GET', '/collections/c')) as { result: Record<string, unknown> }
  expect(result).toMatchObject({
    config: { params: { vectors: { size: 8, distance: 'Cosine' }, sparse_vectors: { bm25: { modifier: 'idf' } } } },
    payload_schema: { '_millrace.doc': { data_type: 'keyword' }, '_millrace.partition': { data_type: 'integer' } },
  })
})

it('changes nothing about a collection that has everything', async () => {
  await using double = await startQdrantDouble()
  await open(double)
  const before = changes(double)

  await open(double)

  expect(changes(double)).toBe(before)
})

it('adds the payload indexes that a collection lacks', async () => {
  await using double = await startQdrantDouble()
  await send(double, 'PUT', '/collections/c', { vectors: { size: 8, distance: 'Cosine' } })
  await send(double, 'PUT', '/collections/c/index', { field_name: '_millrace.doc', field_schema: 'keyword' })
  const before = changes(double)

  await open(double)

  expect(changes(double)).toBe(before + 1)
  expect([...double.database.require('c').indexes.keys()]).toEqual(['_millrace.doc', '_millrace.partition'])
})

it('several instances may open a new collection at the same time', async () => {
  await using double = await startQdrantDouble()

  await Promise.all(Array.from({ length: 5 }, () => open(double)))

  expect(double.database.collections.size).toBe(1)
})

it.each([
  [{ vectors: { size: 4, distance: 'Cosine' } }, '4 dimensions, the model makes 8'],
  [{ vectors: { size: 8, distance: 'Dot' } }, 'distance is Dot'],
  [{ vectors: { text: { size: 8, distance: 'Cosine' } } }, 'named vectors (text)'],
  [{ vectors: {} }, 'named vectors (none but sparse ones)'],
  [
    { vectors: { size: 8, distance: 'Cosine', multivector_config: { comparator: 'max_sim' } } },
    'it holds multi-vectors',
  ],
])('refuses a collection of %j and changes nothing', async (config, problem) => {
  await using double = await startQdrantDouble()
  await send(double, 'PUT', '/collections/c', config)
  const before = changes(double)

  const opened = open(double)

  await expect(opened).rejects.toMatchObject({ code: 'INDEX_MISMATCH', fact: expect.stringContaining(problem) })
  expect(changes(double)).toBe(before)
})

it('says everything that is wrong at once', async () => {
  await using double = await startQdrantDouble()
  await send(double, 'PUT', '/collections/c', { vectors: { size: 4, distance: 'Dot' } })
  await send(double, 'PUT', '/collections/c/index', { field_name: '_millrace.doc', field_schema: 'text' })

  const opened = open(double)

  const fact = /4 dimensions.*distance is Dot.*_millrace\.doc is text instead of keyword/
  await expect(opened).rejects.toMatchObject({ code: 'INDEX_MISMATCH', fact: expect.stringMatching(fact) })
})

it('a reader without dimensions takes what there is, and creates nothing', async () => {
  await using bench = await openBench()
  await bench.write('a', upsert(point('a', 'text')))
  const before = changes(bench.double)

  const reader = await open(bench.double, { readOnly: true }, undefined)
  const seen = await reader.observe(['a'])

  expect(seen.get('a')?.length).toBe(1)
  expect(bench.double.count(/^PUT /)).toBe(3)
  expect(changes(bench.double)).toBe(before + 1)
  expect(() => reader.writer('0_0')).toThrow('ILLEGAL_STATE')
})

it('a reader leaves a collection without payload indexes as it is', async () => {
  await using double = await startQdrantDouble()
  await send(double, 'PUT', '/collections/c', { vectors: { size: 8, distance: 'Cosine' } })
  const before = changes(double)

  await open(double, { readOnly: true })

  expect(changes(double)).toBe(before)
})

it('a reader does not create a missing collection', async () => {
  await using double = await startQdrantDouble()

  const opened = open(double, { readOnly: true })

  await expect(opened).rejects.toMatchObject({ code: 'INDEX_MISSING' })
  expect(changes(double)).toBe(0)
})

it('writes to the collection behind an alias, wherever the alias goes later', async () => {
  await using double = await startQdrantDouble()
  await (await open(double, { collection: 'c-1' })).close()
  await (await open(double, { collection: 'c-2' })).close()
  const alias = (collection_name: string) =>
    send(double, 'POST', '/collections/aliases', {
      actions: [{ create_alias: { alias_name: 'c', collection_name } }],
    })
  await alias('c-1')

  const index = await open(double)
  await alias('c-2')
  const { timestamp, headers } = { timestamp: 0, headers: [] }
  await index
    .writer('0_0')
    .write({ key: 'a', value: [upsert(point('a', 'text'))], timestamp, headers }, new AbortController().signal)

  expect(double.database.require('c-1').size).toBe(1)
  expect(double.database.require('c-2').size).toBe(0)
})

it('a server that is not there is an error after a few attempts', async () => {
  const double = await startQdrantDouble()
  await double.close()

  const opened = open(double, { clock: hasty, requestTimeoutMs: 60_000 })

  await expect(opened).rejects.toMatchObject({ code: 'INDEX_UNREACHABLE' })
})

it('repeats what a broken connection cut short, without a pause', async () => {
  await using double = await startQdrantDouble()
  double.faults.add({ kind: 'reset', when: 'before' }, { at: /^GET \/aliases/ })
  double.faults.add({ kind: 'reset', when: 'after' }, { at: /^PUT \/collections\/c$/ })

  await open(double, { clock: patient })

  expect(double.faults.left).toBe(0)
  expect(double.database.require('c').indexes.size).toBe(2)
})

it.each([undefined, 'another-key'])('with the key %j a server with keys is an error of ours', async (apiKey) => {
  await using double = await startQdrantDouble({ apiKey: 'right-key' })

  const opened = open(double, apiKey === undefined ? {} : { apiKey })

  await expect(opened).rejects.toMatchObject({ code: 'INDEX_DENIED', reaction: 'fatal' })
  await expect(opened).rejects.not.toMatchObject({ message: expect.stringContaining('another-key') })
})

it.each([
  [200, '<html>Welcome</html>', 'CONFIG_INVALID'],
  [301, '', 'CONFIG_INVALID'],
  [200, '{"title":"qdrant - vector search engine","version":"1.7.4"}', 'INDEX_MISMATCH'],
])('a server that answers %i and %j is refused', async (status, text, code) => {
  const server = createServer((_request, response) => response.writeHead(status, { location: '/' }).end(text))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`

  const opened = qdrant({ collection: 'c', url }).open(pipeline)

  await expect(opened).rejects.toMatchObject({ code })
  server.close()
})

it.each([
  [{ url: 'qdrant:6333' }, 'not an http'],
  [{ url: 'ftp://localhost' }, 'not an http'],
  [{ url: '' }, 'not an http'],
  [{ url: 'http://user:hunter2@localhost:6333' }, 'more than an address'],
  [{ url: 'http://localhost:6333/?key=hunter2' }, 'more than an address'],
  [{ url: 'http://qdrant.example.com', apiKey: 'hunter2' }, 'unencrypted'],
  [{ url: 'http://localhost.example.com', apiKey: 'hunter2' }, 'unencrypted'],
  [{ url: 'http://192.168.1.4:6333', apiKey: 'hunter2' }, 'unencrypted'],
  [{ apiKey: '' }, 'API key'],
  [{ apiKey: 'hunter2\n' }, 'API key'],
  [{ collection: '' }, 'name of a collection'],
  [{ collection: '..' }, 'name of a collection'],
  [{ collection: 'a/b' }, 'name of a collection'],
  [{ collection: 'x'.repeat(256) }, 'name of a collection'],
  [{ collection: undefined as never }, 'name of a collection'],
  [{ urll: 'http://hunter2@localhost:6333' } as object, 'has no option "urll"'],
])('refuses the options %j without telling secrets', (options, problem) => {
  const create = () => qdrant({ collection: 'c', ...options })

  expect(create).toThrow('CONFIG_INVALID')
  expect(create).toThrow(problem)
  expect(create).not.toThrow('hunter2')
})

it.each([
  { url: 'https://qdrant.example.com', apiKey: 'key' },
  { url: 'http://localhost:6333', apiKey: 'key' },
  { url: 'http://127.1.2.3:6333', apiKey: 'key' },
  { url: 'http://[::1]:6333', apiKey: 'key' },
  { url: 'http://qdrant.example.com' },
  { url: 'http://qdrant.example.com/behind/a/proxy/' },
])('accepts the options %j', (options) => {
  expect(qdrant({ collection: 'documents', ...options }).name).toBe('qdrant:documents')
})
