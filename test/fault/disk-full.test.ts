import { execFileSync } from 'node:child_process'
import { afterEach, expect, test } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { noHeaders } from '../../src/record.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { topologyTo } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const records = 20_000
const topic = 'in'

/** A file system of one mebibyte, where this process may mount one. */
const mounted: TemporaryDirectory[] = []
async function smallDisk(): Promise<string | undefined> {
  const folder = await temporaryDirectory()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', folder.path], { stdio: 'ignore' })
  } catch {
    await folder[Symbol.asyncDispose]()
    return undefined
  }
  mounted.push(folder)
  return folder.path
}

afterEach(async () => {
  for (const folder of mounted.splice(0)) {
    execFileSync('umount', ['--lazy', folder.path])
    await folder[Symbol.asyncDispose]()
  }
})

test('a state folder whose disk is full ends the instance; with space again it goes on, and nothing is lost', async (context) => {
  const disk = await smallDisk()
  if (!disk) {
    console.warn('this process may not mount a small disk: the test of a full one is skipped')
    context.skip()
    return
  }
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
  execFileSync('mount', ['-o', 'remount,size=64m', disk])
  const second = await start()
  await second.drain()
  await second.close()

  const written = new Set(sink.written.map((line) => line.slice('0_0 '.length)))
  expect(keys.filter((key) => !written.has(key))).toEqual([])
})
