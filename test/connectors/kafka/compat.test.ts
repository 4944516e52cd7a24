import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { loadKafkaJs } from '../../../src/connectors/kafka/compat.ts'

const run = promisify(execFile)
const compat = new URL('../../../src/connectors/kafka/compat.ts', import.meta.url).href
const require = createRequire(import.meta.url)

/** Runs a program in a fresh process, where nothing of KafkaJS is loaded yet; gives what it prints. */
async function inFreshProcess(program: string): Promise<string> {
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: new URL('.', import.meta.url),
  })
  return stdout.trim()
}

describe('the corrections of KafkaJS', () => {
  test('are made once, however often it is loaded', () => {
    const first = loadKafkaJs()
    const { prototype } = require('kafkajs/src/consumer/consumerGroup.js')
    const { joinAndSync } = prototype

    const second = loadKafkaJs()

    expect(second).toBe(first)
    expect(prototype.joinAndSync).toBe(joinAndSync)
  })

  test('refuse a KafkaJS that is loaded already, because it keeps copies of what they replace', async () => {
    const program = `
      import { createRequire } from 'node:module'
      createRequire(import.meta.url)('kafkajs')
      const { loadKafkaJs } = await import('${compat}')
      try { loadKafkaJs() } catch (error) { console.log(error.message) }
    `

    const message = await inFreshProcess(program)

    expect(message).toBe(
      'CLIENT_VERSION: kafkajs was loaded before Millrace could correct it. Import Millrace before kafkajs.',
    )
  })

  test.each([
    ['another version', `manifest.version = '2.2.5'`, 'kafkajs is 2.2.5, and Millrace needs 2.2.4'],
    [
      'a changed member',
      `queue.prototype.scheduleCheckPendingRequests = () => undefined`,
      'scheduleCheckPendingRequests of kafkajs 2.2.4 is not the published one',
    ],
  ])('refuse %s', async (_name, change, fact) => {
    const program = `
      import { createRequire } from 'node:module'
      const require = createRequire(import.meta.url)
      const manifest = require('kafkajs/package.json')
      const queue = require('kafkajs/src/network/requestQueue/index.js')
      ${change}
      const { loadKafkaJs } = await import('${compat}')
      try { loadKafkaJs() } catch (error) { console.log(error.code, error.fact) }
    `

    const printed = await inFreshProcess(program)

    expect(printed).toBe(`CLIENT_VERSION ${fact}`)
  })

  test('group the messages of a batch by partition, each in its order', () => {
    loadKafkaJs()
    const group = require('kafkajs/src/producer/groupMessagesPerPartition.js')
    const messages = [1, 0, 1, 2, 0].map((partition, number) => ({ partition, value: `${number}` }))
    const partitioner = ({ message }: { message: { partition: number } }) => message.partition
    const partitionMetadata = [{}, {}, {}]

    const groups = group({ topic: 'words', partitionMetadata, messages, partitioner })

    const [a, b, c, d, e] = messages
    expect(groups).toEqual({ 0: [b, e], 1: [a, c], 2: [d] })
    expect(group({ topic: 'words', partitionMetadata: [], messages, partitioner })).toEqual({})
  })

  test.each([
    ['while no request waits', [], false],
    ['while one waits', ['request'], true],
  ])('set the timer of a connection only as needed: %s', (_name, pending, isSet) => {
    loadKafkaJs()
    const RequestQueue = require('kafkajs/src/network/requestQueue/index.js')
    const logger = { debug: () => undefined }
    const queue = new RequestQueue({
      logger,
      clientId: 'test',
      broker: 'kafka',
      requestTimeout: 1,
      maxInFlightRequests: 1,
    })
    queue.pending = pending

    queue.scheduleCheckPendingRequests()

    expect(queue.throttleCheckTimeoutId !== null).toBe(isSet)
    queue.destroy()
  })

  test('leave consumers without a gate as they are', async () => {
    const { prototype } = require('kafkajs/src/consumer/consumerGroup.js')
    const group = {
      assigners: [{ name: 'round-robin' }],
      preferredReadReplicasPerTopicPartition: {},
      logger: { error: () => undefined },
      offsetManager: { setDefaultOffset: async () => 'reset' },
    }

    const recovered = prototype.recoverFromOffsetOutOfRange.call(group, { topic: 'documents', partition: 0 })

    await expect(recovered).resolves.toBeUndefined()
  })
})
