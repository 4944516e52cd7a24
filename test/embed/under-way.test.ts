import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TextsUnderWay } from '../../src/embed/under-way.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Enters shares and settles them, and notes who is inside. */
class Scene {
  readonly inside: string[] = []
  readonly #underWay: TextsUnderWay
  readonly #settle = new Map<string, () => void>()

  constructor(limit: number) {
    this.#underWay = new TextsUnderWay(limit)
  }

  async enter(name: string, texts: number, signal = new AbortController().signal): Promise<void> {
    const { promise: settled, resolve } = Promise.withResolvers<void>()
    this.#settle.set(name, resolve)
    const entering = this.#underWay.enter({ texts, settled }, signal)
    entering.then(
      () => this.inside.push(name),
      () => undefined,
    )
    await turn()
  }

  async settle(name: string): Promise<void> {
    this.#settle.get(name)?.()
    await turn()
  }
}

describe('texts under way', () => {
  test('enter up to the bound, and the others in the order in which they came', async () => {
    const scene = new Scene(10)

    await scene.enter('a', 5)
    await scene.enter('b', 5)
    await scene.enter('c', 4)
    await scene.enter('d', 1)
    expect(scene.inside).toEqual(['a', 'b'])

    await scene.settle('a')
    expect(scene.inside).toEqual(['a', 'b', 'c', 'd'])
  })

  test('of large documents are those of two at a time, and the others do not wait for them', async () => {
    const scene = new Scene(10)

    await scene.enter('large', 500)
    await scene.enter('also large', 6)
    await scene.enter('third', 6)
    await scene.enter('a', 5)
    expect(scene.inside).toEqual(['large', 'also large', 'a'])

    await scene.settle('large')
    expect(scene.inside).toEqual(['large', 'also large', 'a', 'third'])
  })

  test('hold nobody up once a later one was settled before them', async () => {
    const scene = new Scene(10)
    await scene.enter('poison', 5)
    await scene.enter('a', 5)
    await scene.enter('b', 5)

    await scene.settle('a')

    expect(scene.inside).toEqual(['poison', 'a', 'b'])
    await scene.enter('c', 5)
    await scene.settle('poison')
    await scene.enter('d', 1)
    expect(scene.inside).toEqual(['poison', 'a', 'b', 'c'])
  })

  test('leave the line when their task closes', async () => {
    const scene = new Scene(10)
    const closing = new AbortController()
    for (const name of ['a', 'b']) await scene.enter(name, 5)
    await scene.enter('closed', 5, closing.signal)
    await scene.enter('c', 1)

    closing.abort(new Error('closed'))
    await scene.settle('a')

    expect(scene.inside).toEqual(['a', 'b', 'c'])
  })

  test('all enter in the end, and before one is settled no more than the bound', async () => {
    const shares = fc.array(fc.integer({ min: 1, max: 15 }), { minLength: 1, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(shares, fc.infiniteStream(fc.nat()), async (texts, choices) => {
        const scene = new Scene(10)
        for (const [at, count] of texts.entries()) await scene.enter(`${at}`, count)
        const inside = scene.inside.map((name) => texts[Number(name)] ?? 0)
        const usual = inside.filter((count) => count <= 5)
        expect(usual.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(10)
        expect(inside.length - usual.length).toBeLessThanOrEqual(2)

        const settled = new Set<string>()
        while (settled.size < texts.length) {
          const open = scene.inside.filter((name) => !settled.has(name))
          const name = open[(choices.next().value ?? 0) % open.length] ?? ''
          settled.add(name)
          await scene.settle(name)
        }
        expect(scene.inside.toSorted()).toEqual(texts.map((_, at) => `${at}`).toSorted())
      }),
      { numRuns: 50 },
    )
  })
})
