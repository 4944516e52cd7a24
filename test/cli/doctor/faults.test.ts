import { chmod, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { thisMachine } from '../../../src/cli/doctor/machine.ts'
import { cached, hash, onnx } from '../../../src/embed/index.ts'
import { openStateDirectory } from '../../../src/state/state-directory.ts'
import { complaintsOf, DoctorBench } from '../../support/doctor-bench.ts'
import { logFaults } from './planted/log.ts'
import { machineFaults } from './planted/machine.ts'
import { targetFaults } from './planted/target.ts'

const vectors = { size: 8, distance: 'Cosine' }

test('where all is in order doctor says so, and leaves everything as it was', async () => {
  await using bench = await DoctorBench.open()

  const reports = await bench.diagnose()

  expect(complaintsOf(reports)).toEqual([])
  expect(reports.map(({ check }) => check)).toEqual([
    ...['node', 'state folder', 'disk', 'timeouts', 'kafka', 'topics', 'changelogs', 'memory', 'rights', 'group'],
    ...['history', 'offsets', 'dead letters', 'clock', 'records', 'model', 'index'],
  ])
  expect(bench.qdrant.count(/^(PUT|POST|PATCH|DELETE) /)).toBe(0)
  expect(await readdir(bench.folder.path)).toEqual([])
  expect((await bench.log.topics(['app-changes-changelog', 'app-dead-letter'])).size).toBe(0)
  expect(await bench.log.committedTopics('app')).toEqual([])
})

test.each([...machineFaults, ...logFaults, ...targetFaults])(
  'doctor finds $name, and names the fix',
  async ({ plant, topics, expected }) => {
    await using bench = await DoctorBench.open(topics)
    await plant(bench)

    const reports = await bench.diagnose()

    const told = complaintsOf(reports).filter(({ level }) => level !== 'skipped')
    const { level, check, fact, fix } = expected
    expect(told).toEqual([
      expect.objectContaining({ level, check, fact: expect.stringMatching(fact), fix: expect.stringMatching(fix) }),
    ])
  },
)

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
