import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, type TestContext, test } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { noHeaders } from '../../src/record.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { openLevelStore } from '../../src/state/level-store.ts'
import { millrace } from '../support/command-line.ts'
import { topologyTo } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const records = 20_000
const topic = 'in'

/** A file system of that size, where this process may mount one. */
const mounted: TemporaryDirectory[] = []
async function smallDisk(size = '1m'): Promise<string | undefined> {
  const folder = await temporaryDirectory()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', folder.path], { stdio: 'ignore' })
  } catch {
    await folder[Symbol.asyncDispose]()
    return undefined
  }
  mounted.push(folder)
  return folder.path
}

function skipped(context: TestContext): never {
  console.warn('this process may not mount a small disk: the test of a full one is skipped')
  return context.skip()
}

function grow(disk: string): void {
  execFileSync('mount', ['-o', 'remount,size=64m', disk])
}

afterEach(async () => {
  for (const folder of mounted.splice(0)) {
    execFileSync('umount', ['--lazy', folder.path])
    await folder[Symbol.asyncDispose]()
  }
})

test('a state folder whose disk is full ends the instance; with space again it goes on, and nothing is lost', async (context) => {
  const disk = await smallDisk()
  if (!disk) return skipped(context)
  await using broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([{ topic, partitions: 1 }])
  const keys = Array.from({ length: records }, (_, index) => `a key of some length, number ${index}`)
  const producer = await broker.producer()
  await producer.send(
    keys.map((key) => {
      const bytes = Buffer.from(key)
      return { topic, partition: 0, key: bytes, value: bytes, timestamp: 1, headers: noHeaders }
    }),
  )
  const sink = new RecordingSink()
  const topology = topologyTo(sink, (stream) => stream.process(dedupe('seen')), topic)
  const start = async () => {
    const runtime = new StreamRuntime({
      topology,
      broker,
      application: 'full',
      stateDirectory: disk,
      commitIntervalMs: 20,
    })
    await runtime.start()
    return runtime
  }

  const first = await start()
  await expect(first.finished).rejects.toMatchObject({ code: 'STATE_IO', exitCode: 1 })
  grow(disk)
  const second = await start()
  await second.drain()
  await second.close()

  const written = new Set(sink.written.map((line) => line.slice('0_0 '.length)))
  expect(keys.filter((key) => !written.has(key))).toEqual([])
})

test('a store that a full disk has refused a write takes none until it is opened again: what it acknowledged stays', async (context) => {
  const disk = await smallDisk('3m')
  if (!disk) return skipped(context)
  const ballast = join(disk, 'ballast')
  await writeFile(ballast, randomBytes(1_000_000))
  const key = (number: number) => Buffer.from(String(number).padStart(3, '0'))
  const path = join(disk, 'store')
  const first = await openLevelStore(path)
  const put = (number: number) => first.write([{ key: key(number), value: randomBytes(30_000) }], { sync: true })
  let stored = 0
  const filled = (async () => {
    for (;;) {
      await put(stored)
      stored++
    }
  })()
  await expect(filled).rejects.toMatchObject({ code: 'STATE_IO', exitCode: 1 })

  await rm(ballast)
  await expect(put(stored)).rejects.toMatchObject({ code: 'STATE_IO' })
  await first.close()
  grow(disk)
  await using second = await openLevelStore(path)
  await second.write([{ key: key(stored), value: randomBytes(30_000) }])

  const found = (await Array.fromAsync(second.range())).map(([each]) => Buffer.from(each))
  expect(found).toEqual(Array.from({ length: stored + 1 }, (_, number) => key(number)))
})

test.for([
  ['the log takes the documents', '600k'],
  ['the index takes their points', '3m'],
])(
  '`index` on a disk that is full when %s says so and ends; with space again it goes on',
  async ([_, size = ''], context) => {
    const disk = await smallDisk(size)
    if (!disk) return skipped(context)
    await using folder = await temporaryDirectory()
    const documents = join(folder.path, 'documents')
    await mkdir(documents)
    const paragraph = (number: number) => `Paragraph ${number} of a text. ${randomBytes(150).toString('hex')}`
    const text = Array.from({ length: 60 }, (_, number) => paragraph(number)).join('\n\n')
    for (let number = 0; number < 40; number++)
      await writeFile(join(documents, `${number}.md`), `# ${number}\n\n${text}`)
    const data = join(disk, 'data')
    const index = () => millrace(['index', documents, '--data', data, '--model', 'hash', '--json'])

    const full = await index()
    grow(disk)
    const roomy = await index()
    const audit = await millrace(['audit', '--data', data, '--json'])

    expect(full.stderr.trim().split('\n').at(-1)).toMatch(/^STATE_IO: .*(No space left on device|disk is full)/)
    expect(full.stderr).not.toContain('tried again')
    expect([full.code, full.stdout, roomy.code, audit.code]).toEqual([1, '', 0, 0])
    expect(JSON.parse(audit.stdout)).toMatchObject({ documents: 40, missing: 0, orphan: 0, stale: 0, behind: 0 })
  },
)
