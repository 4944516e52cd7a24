import { describe, expect, test } from 'vitest'
import { StreamError } from '../../src/errors.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { mapValues } from '../../src/operators/map-values.ts'
import { drive, input, outputs } from '../support/drive.ts'
import { FakeContext, recordOf } from '../support/fake-context.ts'

describe('dedupe', () => {
  test('drops what equals the last value of its key, whatever the order of its properties', async () => {
    await using driver = await drive((stream) => stream.process(dedupe('unchanged')))

    await driver.pipe(input, { key: 'a', value: { x: 1, y: [{ p: 1, q: 2 }] } })
    await driver.pipe(input, { key: 'a', value: { y: [{ q: 2, p: 1 }], x: 1 } })
    await driver.pipe(input, { key: 'b', value: { x: 1, y: [{ p: 1, q: 2 }] } })

    expect((await outputs(driver)).map((line) => line[0])).toEqual(['a', 'b'])
  })

  test.each<[string, unknown, unknown]>([
    ['Map', new Map([['a', 1]]), new Map([['a', 2]])],
    ['Set', new Set(['a']), new Set(['b'])],
    ['ArrayBuffer', new Uint8Array([1]).buffer, new Uint8Array([2]).buffer],
    ['Date', new Date(1), new Date(2)],
    ['bytes', new Uint8Array([1]), new Uint8Array([2])],
    ['Map against object', new Map([['a', 1]]), { a: 1 }],
    ['Set against array', new Set([1]), [1]],
    ['nested Map', { tags: [new Map([['a', new Set([1])]])] }, { tags: [new Map([['a', new Set([2])]])] }],
  ])('tells one %s from another', async (_kind, first, second) => {
    await using driver = await drive((stream) =>
      stream.process(dedupe('unchanged', { content: (value) => (value === 1 ? first : second) })),
    )

    await driver.pipe(input, { key: 'k', value: 1 }, { key: 'k', value: 1 }, { key: 'k', value: 2 })

    expect(await outputs(driver)).toEqual(['k=1', 'k=2'])
  })

  test('takes Maps and Sets for equal whatever their order', async () => {
    const contents = [
      {
        map: new Map<string, unknown>([
          ['a', { x: 1, y: 2 }],
          ['b', 2],
        ]),
        set: new Set([{ p: 1, q: 2 }, 'z']),
      },
      {
        set: new Set(['z', { q: 2, p: 1 }]),
        map: new Map<string, unknown>([
          ['b', 2],
          ['a', { y: 2, x: 1 }],
        ]),
      },
    ]
    await using driver = await drive<number>((stream) =>
      stream.process(dedupe('unchanged', { content: (value) => contents[value] })),
    )

    await driver.pipe(input, { key: 'k', value: 0 }, { key: 'k', value: 1 })

    expect(await outputs(driver)).toEqual(['k=0'])
  })

  test('refuses what it cannot look into', () => {
    class Money {
      readonly #amount = 5
      get amount() {
        return this.#amount
      }
    }
    const { stores = [], create } = dedupe<string, unknown>('unchanged')
    const context = new FakeContext<string, unknown>(stores)

    const process = () => create().process(recordOf<string, unknown>('k', { price: new Money() }), context)

    expect(process).toThrow('RECORD_UNENCODABLE: the content has an object of Money, which cannot be compared.')
  })

  test('lets A, B, A through: only the last value counts', async () => {
    await using driver = await drive((stream) => stream.process(dedupe('unchanged')))

    await driver.pipe(input, { key: 'k', value: 'A' }, { key: 'k', value: 'B' }, { key: 'k', value: 'A' })

    expect(await outputs(driver)).toEqual(['k="A"', 'k="B"', 'k="A"'])
  })

  test('a deleted key starts anew, and an unknown tombstone is dropped', async () => {
    await using driver = await drive((stream) => stream.process(dedupe('unchanged')))

    await driver.pipe(input, { key: 'k', value: 'A' }, { key: 'k', value: null }, { key: 'k', value: 'A' })
    await driver.pipe(input, { key: 'never seen', value: null })

    expect(await outputs(driver)).toEqual(['k="A"', 'k=-', 'k="A"'])
  })

  test('looks only at the content that it is told to look at', async () => {
    await using driver = await drive<{ text: string; readAt: number }>((stream) =>
      stream.process(dedupe('unchanged', { content: (value) => value.text })),
    )

    await driver.pipe(
      input,
      { key: 'k', value: { text: 'A', readAt: 1 } },
      { key: 'k', value: { text: 'A', readAt: 2 } },
    )

    expect(await outputs(driver)).toHaveLength(1)
  })

  test('a value that ended as a dead letter may come again, and its key can still be deleted', async () => {
    let broken = true
    await using driver = await drive<string>((stream) =>
      stream.process(dedupe('unchanged')).process(
        mapValues('parse', (value) => {
          if (broken) throw new StreamError('RECORD_FAILED', 'not now')
          return value
        }),
      ),
    )
    await driver.pipe(input, { key: 'k', value: 'A' })
    broken = false

    await driver.pipe(input, { key: 'k', value: 'A' })
    await driver.pipe(input, { key: 'k', value: null })

    expect(await outputs(driver)).toEqual(['k="A"', 'k=-'])
  })

  test('lets everything pass while it recovers', async () => {
    await using driver = await drive((stream) => stream.process(dedupe('unchanged')))
    await driver.pipe(input, { key: 'k', value: 'A' })

    await driver.crash()
    await driver.pipe(input, { key: 'k', value: 'A' })
    await driver.restart()

    expect(await outputs(driver)).toEqual(['k="A"', 'k="A"'])
  })
})
