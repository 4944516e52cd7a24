import { describe, expect, test } from 'vitest'
import { embed } from '../../src/embed/embed.ts'
import type { Embedder } from '../../src/embed/embedder.ts'
import { hash } from '../../src/embed/hash.ts'
import type { DocumentChange, DocumentKey, IndexOp, PendingPoint } from '../../src/model.ts'
import { FakeContext, recordOf } from '../support/fake-context.ts'
import { payload, point } from '../support/points.ts'

function pendingPoint(text: string): PendingPoint {
  const { id, meaning, payload } = point('guide', text)
  return { id, meaning, payload }
}

const nothing: DocumentChange = { kind: 'changed', upserts: [], payloads: [], deletes: [], reused: 0 }

/** What comes out for one change, and what `process` returned. */
async function outcomeOf(change: DocumentChange | null, embedder: Embedder = hash({ dimensions: 8 })) {
  const context = new FakeContext<DocumentKey, readonly IndexOp[]>()
  const result = embed('vectors', embedder)
    .create()
    .process(recordOf('guide', change, 42), context)
  const forwardedAtOnce = context.forwarded.length
  await result
  return { result, forwardedAtOnce, forwarded: context.forwarded }
}

describe('the embed operator', () => {
  test('gives new chunks their vectors and keeps the order upsert, set-payload, delete', async () => {
    const upserts = [pendingPoint('a mill'), pendingPoint('a race')]
    const payloads = [{ id: point('guide', 'b').id, payload: payload('guide', 'b') }]
    const change: DocumentChange = { ...nothing, upserts, payloads, deletes: ['old'] }
    const [mill] = await hash({ dimensions: 8 }).embed(['a mill'], new AbortController().signal)

    const { forwarded } = await outcomeOf(change)

    const [upsert, ...others] = forwarded[0]?.value ?? []
    expect(forwarded).toHaveLength(1)
    expect(forwarded[0]).toMatchObject({ key: 'guide', timestamp: 42 })
    expect(upsert).toMatchObject({ kind: 'upsert', points: upserts })
    expect(upsert?.kind === 'upsert' && upsert.points[0]?.vector).toEqual(mill)
    expect(others).toEqual([
      { kind: 'set-payload', updates: payloads },
      { kind: 'delete', ids: ['old'] },
    ])
  })

  test('lets a change without new chunks pass at once, without the embedder', async () => {
    const embedder = { ...hash(), embed: () => Promise.reject(new RangeError('must not be asked')) }

    const { result, forwardedAtOnce, forwarded } = await outcomeOf({ ...nothing, deletes: ['old'] }, embedder)

    expect(result).toBeUndefined()
    expect(forwardedAtOnce).toBe(1)
    expect(forwarded[0]?.value).toEqual([{ kind: 'delete', ids: ['old'] }])
  })

  test('forwards nothing when the embedder fails', async () => {
    const embedder = { ...hash(), embed: () => Promise.reject(new RangeError('broken')) }
    const context = new FakeContext<DocumentKey, readonly IndexOp[]>()
    const change = { ...nothing, upserts: [pendingPoint('a mill')] }

    const result = embed('vectors', embedder).create().process(recordOf('guide', change), context)

    await expect(result).rejects.toThrow('broken')
    expect(context.forwarded).toEqual([])
  })

  test('refuses an answer with too few vectors', async () => {
    const embedder = { ...hash(), embed: async () => [] }

    await expect(outcomeOf({ ...nothing, upserts: [pendingPoint('a mill')] }, embedder)).rejects.toMatchObject({
      code: 'EMBED_FAILED',
      fact: 'asked for 1 vectors and got 0',
    })
  })

  test('hands its signal to the embedder', async () => {
    const signals: AbortSignal[] = []
    const original = hash()
    const embedder: Embedder = {
      ...original,
      embed(texts, signal) {
        signals.push(signal)
        return original.embed(texts, signal)
      },
    }
    const context = new FakeContext<DocumentKey, readonly IndexOp[]>()

    await embed('vectors', embedder)
      .create()
      .process(recordOf('guide', { ...nothing, upserts: [pendingPoint('a')] }), context)

    expect(signals).toEqual([context.signal])
  })

  test('marks the points whose text the model could not read to its end', async () => {
    const original = hash({ dimensions: 8 })
    const embedder: Embedder = {
      ...original,
      embed(texts, signal, options) {
        options?.onTruncated?.(1)
        return original.embed(texts, signal)
      },
    }

    const { forwarded } = await outcomeOf({ ...nothing, upserts: [pendingPoint('a'), pendingPoint('b')] }, embedder)

    const [upsert] = forwarded[0]?.value ?? []
    expect(upsert?.kind === 'upsert' && upsert.points.map((point) => point.truncated)).toEqual([undefined, true])
  })

  test('stands at the gate, owns its embedder and says what decides its vectors', () => {
    const embedder = hash({ dimensions: 8 })

    const supplier = embed('vectors', embedder)

    expect(supplier).toMatchObject({ name: 'vectors', operator: 'embed', order: 'key' })
    expect(supplier.resources).toEqual([embedder])
    expect(supplier.facts?.()).toEqual({ fingerprint: embedder.id, dimensions: 8 })
  })

  test('asks for no more texts than its bound while the index does not answer', async () => {
    const asked: string[] = []
    const embedder: Embedder = {
      ...hash(),
      embed: async (texts) => {
        asked.push(...texts)
        return texts.map(() => new Float32Array(8))
      },
    }
    const node = embed('vectors', embedder, { maxTextsUnderWay: 4 })
    const answered = Promise.withResolvers<void>()
    const start = (text: string) => {
      const context = new FakeContext<DocumentKey, readonly IndexOp[]>()
      context.settled = answered.promise
      const change = { ...nothing, upserts: [pendingPoint(text), pendingPoint(`${text} again`)] }
      return node.create().process(recordOf(text, change), context)
    }

    await Promise.all([start('a mill'), start('a race')])
    const waiting = start('a wheel')
    expect(asked).toEqual(['a mill', 'a mill again', 'a race', 'a race again'])

    answered.resolve()
    await waiting
    expect(asked).toHaveLength(6)
  })

  test('refuses a bound that is no whole number from 1', () => {
    for (const maxTextsUnderWay of [0, 1.5, Number.NaN])
      expect(() => embed('vectors', hash(), { maxTextsUnderWay })).toThrow('maxTextsUnderWay')
  })
})
