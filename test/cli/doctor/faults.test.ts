import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { thisMachine } from '../../../src/cli/doctor/machine.ts'
import { systemClock } from '../../../src/clock.ts'
import { cached, hash, onnx, tei } from '../../../src/embed/index.ts'
import { writeModelCard } from '../../../src/embed/models/model-card.ts'
import { openStateDirectory } from '../../../src/state/state-directory.ts'
import { evenAssignor, TestMember } from '../../contracts/broker/member.ts'
import { complaintsOf, DoctorBench } from '../../support/doctor-bench.ts'
import { fakeModel, startTei } from '../../support/embedding-servers/index.ts'
import { startQdrantDouble } from '../../support/qdrant-double.ts'
import { writeTinyModel } from '../../support/tiny-model.ts'

const documents = { topic: 'documents', partitions: 4 }
const changelog = { topic: 'app-changes-changelog', partitions: 4, cleanup: 'compact' as const }
/** Waits, and the patience with a server, are over at once. */
const hasty = { ...systemClock, after: (_: number, action: () => void) => systemClock.after(0, action) }
const vectors = { size: 8, distance: 'Cosine' }

test('where all is in order doctor says so, and leaves everything as it was', async () => {
  await using bench = await DoctorBench.open()

  const reports = await bench.diagnose()

  expect(complaintsOf(reports)).toEqual([])
  expect(reports.map(({ check }) => check)).toEqual([
    ...['node', 'state folder', 'disk', 'timeouts', 'kafka', 'topics', 'changelogs', 'memory', 'rights', 'group'],
    ...['history', 'offsets', 'dead letters', 'clock', 'model', 'index'],
  ])
  expect(bench.qdrant.count(/^(PUT|POST|PATCH|DELETE) /)).toBe(0)
  expect(await readdir(bench.folder.path)).toEqual([])
  expect((await bench.log.topics(['app-changes-changelog', 'app-dead-letter'])).size).toBe(0)
  expect(await bench.log.committedTopics('app')).toEqual([])
})

interface Fault {
  readonly name: string
  /** Breaks what is in order. */
  readonly plant: (bench: DoctorBench) => unknown
  readonly topics?: Parameters<typeof DoctorBench.open>[0]
  readonly expected: { readonly level: string; readonly check: string; readonly fact: RegExp; readonly fix: RegExp }
}

const planted: readonly Fault[] = [
  {
    name: 'a Node that is too old',
    plant: (bench) => {
      bench.machine = { nodeVersion: '20.11.0' }
    },
    expected: { level: 'problem', check: 'node', fact: /Node 20\.11\.0/, fix: /Install a newer one/ },
  },
  {
    name: 'a container with less memory than tasks may hold',
    plant: (bench) => {
      bench.machine = { memoryBytes: 512 * 1024 * 1024 }
    },
    expected: {
      level: 'warning',
      check: 'memory',
      fact: /4 tasks may come to hold 608 MiB, and this process may use 512 MiB/,
      fix: /Raise the memory limit/,
    },
  },
  {
    name: 'a state folder that cannot be written',
    plant: async (bench) => {
      await writeFile(join(bench.folder.path, 'app'), 'a file stands in the way')
    },
    expected: { level: 'problem', check: 'state folder', fact: /cannot be written: ENOTDIR/, fix: /--state/ },
  },
  {
    name: 'a state folder of another version',
    plant: async (bench) => {
      await mkdir(join(bench.folder.path, 'app'))
      await writeFile(join(bench.folder.path, 'app', 'format'), '7\n')
    },
    expected: {
      level: 'problem',
      check: 'state folder',
      fact: /has format 7; this version reads format 1/,
      fix: /the changelog restores it/,
    },
  },
  {
    name: 'a state folder that another process works in',
    plant: (bench) => {
      bench.machine = { lockHolder: async (file) => (file.endsWith('/app/meta/LOCK') ? 4711 : undefined) }
    },
    expected: { level: 'warning', check: 'state folder', fact: /process 4711 works in/, fix: /a folder of its own/ },
  },
  {
    name: 'a disk that is full',
    plant: (bench) => {
      bench.machine = { freeBytes: async () => 100 * 1024 * 1024 }
    },
    expected: { level: 'problem', check: 'disk', fact: /100 MiB are left/, fix: /Free or add disk/ },
  },
  {
    name: 'a session that ends before a request to the index does',
    plant: (bench) => {
      bench.settings = { ...bench.settings, sessionTimeoutMs: 20_000 }
    },
    expected: {
      level: 'problem',
      check: 'timeouts',
      fact: /20000 ms, more than half of sessionTimeoutMs/,
      fix: /Lower `requestTimeoutMs` of the index, or raise `sessionTimeoutMs`/,
    },
  },
  {
    name: 'a topic that is missing',
    topics: [],
    plant: () => undefined,
    expected: { level: 'problem', check: 'topics', fact: /has no topic "documents"/, fix: /Create the topic/ },
  },
  {
    name: 'a changelog with another number of partitions',
    topics: [documents, { ...changelog, partitions: 2 }],
    plant: () => undefined,
    expected: {
      level: 'problem',
      check: 'changelogs',
      fact: /"app-changes-changelog" has 2 partitions, but there are 4 tasks/,
      fix: /another `application`/,
    },
  },
  {
    name: 'a changelog that is not compacted',
    topics: [documents, { ...changelog, cleanup: 'delete' }],
    plant: () => undefined,
    expected: {
      level: 'problem',
      check: 'changelogs',
      fact: /cleanup\.policy "delete"/,
      fix: /Set `cleanup\.policy=compact`/,
    },
  },
  {
    name: 'a group that other programs use',
    plant: async (bench) => {
      const assignor = evenAssignor('range')
      await TestMember.join(bench.log, { group: 'app', topics: ['documents'], assignor })
    },
    expected: {
      level: 'problem',
      check: 'group',
      fact: /group "app" uses assignor "range"/,
      fix: /Choose an `application` that no consumer has/,
    },
  },
  {
    name: 'two topologies that run under one application',
    topics: [documents, { topic: 'others', partitions: 1 }],
    plant: async (bench) => {
      const assignor = evenAssignor('millrace-sticky-1')
      await TestMember.join(bench.log, { group: 'app', topics: ['others'], assignor })
    },
    expected: {
      level: 'problem',
      check: 'group',
      fact: /1 of 1 members of group "app" read other topics/,
      fix: /an `application` of its own/,
    },
  },
  {
    name: 'an application that has read other topics before',
    topics: [documents, { topic: 'others', partitions: 1 }],
    plant: (bench) => bench.commit({ topic: 'others', partition: 0, offset: 0 }),
    expected: { level: 'warning', check: 'history', fact: /does not read: others/, fix: /delete its offsets/ },
  },
  {
    name: 'a committed offset that is not in the log',
    plant: (bench) => bench.commit({ topic: 'documents', partition: 2, offset: 9 }),
    expected: {
      level: 'problem',
      check: 'offsets',
      fact: /the committed offset 9 of documents-2 is not in the log, which has 0 to 0/,
      fix: /`earliest` or `latest` for `offsetReset`/,
    },
  },
  {
    name: 'dead letters that wait',
    topics: [documents, { topic: 'app-dead-letter', partitions: 1 }],
    plant: (bench) => bench.send('app-dead-letter', 0),
    expected: { level: 'warning', check: 'dead letters', fact: /holds dead letters, 1 at most/, fix: /dlq list/ },
  },
  {
    name: 'a clock that is ahead',
    plant: (bench) => bench.send('documents', Date.now() + 3_600_000),
    expected: {
      level: 'warning',
      check: 'clock',
      fact: /newest record of documents-0 is 3600 s in the future/,
      fix: /Set the clocks right/,
    },
  },
  {
    name: 'a Qdrant that cannot be reached',
    plant: async (bench) => {
      bench.index = { clock: hasty }
      await bench.qdrant.close()
    },
    expected: { level: 'problem', check: 'index', fact: /Qdrant at .* does not answer/, fix: /Check the URL/ },
  },
  {
    name: 'a Qdrant that is too old',
    plant: async (bench) => {
      await bench.qdrant.close()
      bench.qdrant = await startQdrantDouble({ version: '1.7.4' })
    },
    expected: { level: 'problem', check: 'index', fact: /has version 1\.7/, fix: /Upgrade it to 1\.10/ },
  },
  {
    name: 'a collection for vectors of another length',
    plant: (bench) => bench.ask('PUT', '/collections/docs', { vectors: { ...vectors, size: 16 } }),
    expected: {
      level: 'problem',
      check: 'index',
      fact: /its vectors have 16 dimensions, the model makes 8/,
      fix: /another collection/,
    },
  },
  {
    name: 'a collection that measures otherwise',
    plant: (bench) => bench.ask('PUT', '/collections/docs', { vectors: { ...vectors, distance: 'Euclid' } }),
    expected: {
      level: 'problem',
      check: 'index',
      fact: /its distance is Euclid instead of Cosine/,
      fix: /another coll/,
    },
  },
  {
    name: 'a collection without a payload index',
    plant: async (bench) => {
      await bench.ask('PUT', '/collections/docs', { vectors })
      await bench.ask('PUT', '/collections/docs/index', {
        field_name: '_millrace.partition',
        field_schema: 'integer',
      })
    },
    expected: {
      level: 'warning',
      check: 'index',
      fact: /has no payload index on _millrace\.doc/,
      fix: /`millrace run` makes it/,
    },
  },
  {
    name: 'a collection that another model has filled',
    plant: async (bench) => {
      await bench.ask('PUT', '/collections/docs', { vectors })
      const id = '00000000-0000-4000-8000-000000000001'
      const payload = { _millrace: { doc: 'a', hash: 'x', pipeline: 'an-older-one' } }
      await bench.ask('PUT', '/collections/docs/points', { points: [{ id, vector: Array(8).fill(0.1), payload }] })
      for (const [field_name, field_schema] of [
        ['_millrace.doc', 'keyword'],
        ['_millrace.partition', 'integer'],
      ])
        await bench.ask('PUT', '/collections/docs/index', { field_name, field_schema })
    },
    expected: {
      level: 'warning',
      check: 'index',
      fact: /has points of another pipeline \(an-older-one instead of/,
      fix: /Produce all documents again/,
    },
  },
  {
    name: 'a model that is not there',
    plant: (bench) => {
      bench.embedder = onnx({ model: join(bench.folder.path, 'nowhere') })
    },
    expected: { level: 'problem', check: 'model', fact: /nowhere/, fix: /Name a model of `millrace model list`/ },
  },
  {
    name: 'a model whose file is not the one that was pinned',
    plant: async (bench) => {
      const folder = join(bench.folder.path, 'tiny')
      await writeTinyModel(folder)
      const pins = { 'model.onnx': '0'.repeat(64) }
      await writeModelCard(bench.folder.path, { id: 'tiny', folder, licence: undefined, pins })
      bench.embedder = onnx({ model: 'tiny', modelsFolder: bench.folder.path, workers: 1 })
    },
    expected: { level: 'problem', check: 'model', fact: /model\.onnx/, fix: /Restore the files|model add/ },
  },
  {
    name: 'a dead embedding server',
    plant: async (bench) => {
      const server = await startTei()
      bench.embedder = tei({ urls: [server.url] })
      await server.stop()
    },
    expected: { level: 'problem', check: 'model', fact: /TEI at http\S+ does not answer/, fix: /./ },
  },
  {
    name: 'an embedding server with vectors of another length',
    plant: async (bench) => {
      const server = await startTei({ model: fakeModel({ dimensions: 12 }) })
      bench.later(() => server.stop())
      bench.embedder = tei({ urls: [server.url] })
      await bench.ask('PUT', '/collections/docs', { vectors })
    },
    expected: {
      level: 'problem',
      check: 'index',
      fact: /its vectors have 8 dimensions, the model makes 12/,
      fix: /another collection/,
    },
  },
]

test.each(planted)('doctor finds $name, and names the fix', async ({ plant, topics, expected }) => {
  await using bench = await DoctorBench.open(topics)
  await plant(bench)

  const reports = await bench.diagnose()

  const told = complaintsOf(reports).filter(({ level }) => level !== 'skipped')
  const { level, check, fact, fix } = expected
  expect(told).toEqual([
    expect.objectContaining({ level, check, fact: expect.stringMatching(fact), fix: expect.stringMatching(fix) }),
  ])
})

test('the lock of another owner is seen in what the system lists', async () => {
  await using bench = await DoctorBench.open()
  await using _ = await openStateDirectory(bench.folder.path, 'app')

  const holder = await thisMachine.lockHolder(join(bench.folder.path, 'app', 'meta', 'LOCK'))
  expect(holder).toBe(process.platform === 'linux' ? process.pid : undefined)
})

test('a folder without the rights is a problem for everybody but root', async () => {
  await using bench = await DoctorBench.open()
  await chmod(bench.folder.path, 0o500)

  const reports = await bench.diagnose()
  await chmod(bench.folder.path, 0o700)

  const state = reports.find(({ check }) => check === 'state folder')
  expect(state?.level).toBe(process.getuid?.() === 0 ? 'ok' : 'problem')
})

test('with a model that cannot be opened the index is looked at all the same', async () => {
  await using bench = await DoctorBench.open()
  await bench.ask('PUT', '/collections/docs', { vectors: { ...vectors, distance: 'Dot' } })
  bench.embedder = onnx({ model: join(bench.folder.path, 'nowhere') })

  const reports = await bench.diagnose()

  expect(complaintsOf(reports).map(({ check, level }) => [check, level])).toEqual([
    ['model', 'problem'],
    ['index', 'problem'],
  ])
})

test('a cache is not opened: the embedder behind it tells who it is', async () => {
  await using bench = await DoctorBench.open()
  const path = join(bench.folder.path, 'vectors')
  bench.embedder = cached(hash({ dimensions: 8 }), { path })

  const reports = await bench.diagnose()

  expect(complaintsOf(reports)).toEqual([])
  expect(await readdir(bench.folder.path)).toEqual([])
})
