import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { qdrant } from '../../../src/connectors/qdrant/sink.ts'
import type { IndexOp } from '../../../src/model.ts'
import type { SinkWriter, VectorIndex } from '../../../src/topology/processor.ts'
import { change, payload, point, remove, setPayload, upsert } from '../../support/points.ts'
import { type QdrantDouble, startQdrantDouble } from '../../support/qdrant-double.ts'
import { openBench, pipeline, send } from './harness.ts'

type Writer = SinkWriter<string, readonly IndexOp[]>

const never = new AbortController().signal
const write = (writer: Writer, ...operations: readonly IndexOp[]) => writer.write(change('a', ...operations), never)

/** A collection, and owners of the same task one after the other. */
async function fenced({ version = '1.19.0' } = {}) {
  const double = await startQdrantDouble({ version })
  const index = qdrant({ collection: 'c', url: double.url, fence: true })
  await index.open(pipeline)
  const owner = (epoch: number) => index.writer('0_0', { held: true, epoch })
  const close = async () => {
    await index.close()
    await double.close()
  }
  return { double, index, owner, [Symbol.asyncDispose]: close }
}

/** Everything that the collection holds, epochs included. */
async function dump(double: QdrantDouble): Promise<unknown> {
  const body = { limit: 1_000, with_payload: true, with_vector: true }
  const { result } = (await send(double, 'POST', '/collections/c/points/scroll', body)) as { result: object }
  return result
}

async function contents(index: VectorIndex): Promise<string[]> {
  const found: string[] = []
  for await (const stored of index.scan()) found.push(stored.payload.content)
  return found.sort()
}

describe('with a fence', () => {
  const texts = ['one', 'two', 'three', 'four']
  const text = fc.constantFrom(...texts)
  const some = fc.uniqueArray(text, { minLength: 1 })
  const late = fc.array(fc.record({ kind: fc.constantFrom('upsert', 'set-payload', 'delete'), text }), { minLength: 1 })

  test('what an earlier owner sends late changes nothing that a later one has written', async () => {
    await using given = await fenced()
    let epoch = 1

    await fc.assert(
      fc.asyncProperty(some, late, async (written, requests) => {
        const [earlier, later] = [given.owner(epoch), given.owner(epoch + 1)]
        epoch += 2
        await write(earlier, upsert(...texts.map((each) => point('a', each))))
        await write(later, remove(...texts.map((each) => point('a', each))))
        await write(later, upsert(...written.map((each) => point('a', each, { metadata: { by: 'later' } }))))
        const before = await dump(given.double)

        for (const { kind, text: each } of requests.filter((request) => written.includes(request.text))) {
          const stale = point('a', each, { metadata: { by: 'earlier' } })
          const operations = {
            upsert: upsert(stale),
            'set-payload': setPayload(stale, payload('a', each, { at: 2_000 })),
            delete: remove(stale),
          }
          await write(earlier, operations[kind])
        }

        expect(await dump(given.double)).toEqual(before)
      }),
      { numRuns: 15 },
    )
  })

  test('a later owner changes what an earlier one has written, and what was written without a fence', async () => {
    await using given = await fenced()
    const [one, two, three] = [point('a', 'one'), point('a', 'two'), point('a', 'three')]
    const plain = qdrant({ collection: 'c', url: given.double.url })
    await plain.open(pipeline)
    await write(plain.writer('0_0'), upsert(one, two, three))
    await write(given.owner(5), upsert(one))

    const later = given.owner(6)
    await write(later, upsert({ ...one, payload: payload('a', 'one', { metadata: { by: 'later' } }) }))
    await write(later, setPayload(two, payload('a', 'two', { metadata: { by: 'later' } })), remove(three))
    await write(given.owner(5), remove(one, two))

    const payloads = []
    for await (const stored of given.index.scan()) payloads.push(stored.payload.metadata)
    expect(payloads).toEqual([expect.objectContaining({ by: 'later' }), expect.objectContaining({ by: 'later' })])
    await plain.close()
  })

  test('a late request is still applied to points that the later owner has left alone, or has deleted', async () => {
    await using given = await fenced()
    const [kept, gone] = [point('a', 'kept'), point('a', 'gone')]
    await write(given.owner(1), upsert(kept, gone))
    await write(given.owner(2), remove(gone))

    await write(given.owner(1), upsert(gone), remove(kept))

    expect(await contents(given.index)).toEqual(['gone'])
  })

  it('looks up the points of payload updates before it changes one, and tells of those that are lost', async () => {
    await using given = await fenced()
    const [there, lost] = [point('a', 'there'), point('a', 'lost')]
    const owner = given.owner(1)
    await write(owner, upsert(there))
    const changed = payload('a', 'there', { metadata: { changed: true } })
    const before = await dump(given.double)

    const alone = write(owner, setPayload(lost, lost.payload))
    await expect(alone).rejects.toMatchObject({ code: 'INDEX_DRIFTED' })
    expect(await dump(given.double)).toEqual(before)

    await write(owner, setPayload(there, changed))
    for await (const stored of given.index.scan()) expect(stored.payload).toEqual(changed)
  })

  it('tells an owner for good that the points of its documents are of a later epoch: it would be refused without a word', async () => {
    await using given = await fenced()
    await write(given.owner(7), upsert(point('a', 'text')))
    await given.index.close()

    await given.index.open(pipeline)
    const withoutWriter = await given.index.observe(['a'])
    const ended = given.index.writer('0_0', { held: false, epoch: 6 })
    const withoutLease = await given.index.observe(['a'])
    await ended.close()
    given.owner(6)
    const behind = given.index.observe(['a'])
    const fact = expect.stringContaining('epoch 7, which is after ours, 6')
    await expect(behind).rejects.toMatchObject({ code: 'INDEX_MISMATCH', reaction: 'fatal', fact })
    given.owner(7)
    const upToDate = await given.index.observe(['a'])

    expect([withoutWriter, withoutLease, upToDate].map((seen) => seen.get('a')?.length)).toEqual([1, 1, 1])
  })

  it('keeps the epoch of a point to itself', async () => {
    await using given = await fenced()
    const own = point('a', 'own')
    await write(given.owner(1_763_000_000_000), upsert(own))

    const stored = []
    for await (const each of given.index.scan()) stored.push(each.payload)

    expect(stored).toEqual([own.payload])
    expect(JSON.stringify(await dump(given.double))).toContain('"epoch":1763000000000')
  })

  it('indexes the epochs', async () => {
    await using given = await fenced()

    expect([...given.double.database.require('c').indexes.keys()]).toContain('_millrace.epoch')
  })

  it('names no more points in a filter than a strict collection allows', async () => {
    await using bench = await openBench({
      double: { version: '1.19.0' },
      index: { fence: true },
      prepare: (double) =>
        send(double, 'PUT', '/collections/c', {
          vectors: { size: 8, distance: 'Cosine' },
          strict_mode_config: { enabled: true, condition_max_size: 10 },
        }),
    })
    const points = Array.from({ length: 35 }, (_, i) => point('a', `part ${i}`))

    await bench.write('a', upsert(...points))
    await bench.write('a', remove(...points))

    expect(bench.size()).toBe(0)
    expect(bench.batches().length).toBe(8)
  })

  test.each(['1.18.3', '1.10.0'])('a server of version %s is refused, and nothing is created', async (version) => {
    await using double = await startQdrantDouble({ version })

    const opened = qdrant({ collection: 'c', url: double.url, fence: true }).open(pipeline)

    const fact = expect.stringContaining('needs Qdrant 1.19')
    await expect(opened).rejects.toMatchObject({ code: 'CONFIG_INVALID', fact })
    expect(double.count(/^PUT /)).toBe(0)
  })

  test('an older server may be looked at', async () => {
    await using bench = await openBench()
    await bench.write('a', upsert(point('a', 'text')))

    const reader = qdrant({ collection: 'c', url: bench.double.url, fence: true, readOnly: true })
    await reader.open({ ...pipeline, dimensions: undefined })

    expect(await contents(reader)).toEqual(['text'])
    await reader.close()
  })
})

it('without a fence an earlier owner that sends late is believed', async () => {
  await using bench = await openBench()
  const [earlier, later] = [1, 2].map((epoch) => bench.index.writer('0_0', { held: true, epoch }))
  if (!earlier || !later) throw new Error('two owners')
  await write(later, upsert(point('a', 'text')))

  await write(earlier, remove(point('a', 'text')))

  expect(bench.size()).toBe(0)
})
