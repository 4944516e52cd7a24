import { expect, test, vi } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { qdrant } from '../../src/connectors/qdrant/sink.ts'
import { dump, produceEvents, startPipeline } from '../support/document-pipeline.ts'
import { batchRoute } from '../support/qdrant/faults.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const target = { topic: 'documents', partitions: 1 }

test.each([
  { fence: true, processingGuarantee: 'at_least_once', text: 'Mills **grind** grain.' },
  { fence: true, processingGuarantee: 'exactly_once', text: 'Mills **grind** grain.' },
  // That is what the fence is for.
  { fence: false, processingGuarantee: 'at_least_once', text: 'Mills *grind* grain.' },
] as const)(
  'a request that is applied after the lease of its sender has ended leaves "$text" (fence: $fence, $processingGuarantee)',
  async ({ fence, processingGuarantee, text }) => {
    await using folder = await temporaryDirectory()
    await using double = await startQdrantDouble({ version: '1.19.0' })
    await using broker = embeddedBroker()
    await broker.open()
    await broker.createTopics([target])
    const index = () => qdrant({ collection: 'c', url: double.url, fence, requestTimeoutMs: 100 })
    const options = { broker, processingGuarantee, stateDirectory: folder.path, commitIntervalMs: 20 }
    const put = (version: string) => produceEvents(broker, [{ key: 'a.md', op: 'upsert', text: version }], target)

    // given: the server has queued a request of the owner, and takes no other until that is gone
    const owner = await startPipeline(index(), options)
    await put('Wind drives them.')
    await owner.runtime.drain()
    double.faults.add({ kind: 'wait-timeout' })
    double.faults.add({ kind: 'status', status: 503 }, { times: Number.POSITIVE_INFINITY })
    const before = double.count(batchRoute)
    await put('Mills *grind* grain.')
    await vi.waitFor(() => expect(double.count(batchRoute)).toBeGreaterThan(before), { timeout: 10_000, interval: 10 })
    await owner.runtime.kill()
    double.faults.clear()

    // when: the next owner has written the newest version, the old request is applied
    await put('Mills **grind** grain.')
    const next = index()
    const successor = await startPipeline(next, options)
    await successor.runtime.drain()
    const written = (await dump(next)).map((point) => point.text)
    double.faults.release()

    expect(written).toEqual(['Mills **grind** grain.'])
    expect((await dump(next)).map((point) => point.text)).toEqual([text])
    await successor.runtime.close()
  },
)
