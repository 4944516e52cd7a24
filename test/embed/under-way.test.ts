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

    await scene.enter('a', 6)
    await scene.enter('b', 6)
    await scene.enter('c', 1)
    expect(scene.inside).toEqual(['a'])

    await scene.settle('a')
    expect(scene.inside).toEqual(['a', 'b', 'c'])
  })

  test('more than the bound enter when nothing else is under way', async () => {
    const scene = new Scene(10)
    await scene.enter('a', 1)
    await scene.enter('large', 500)
    await scene.enter('b', 1)
    expect(scene.inside).toEqual(['a'])

    await scene.settle('a')
    expect(scene.inside).toEqual(['a', 'large'])

    await scene.settle('large')
    expect(scene.inside).toEqual(['a', 'large', 'b'])
  })

  test('hold nobody up once a later one was settled before them', async () => {
    const scene = new Scene(10)
    await scene.enter('poison', 6)
    await scene.enter('a', 4)
    await scene.enter('b', 10)

    await scene.settle('a')

    expect(scene.inside).toEqual(['poison', 'a', 'b'])
    await scene.settle('poison')
    await scene.enter('c', 1)
    expect(scene.inside).toEqual(['poison', 'a', 'b'])
  })

  test('leave the line when their task closes', async () => {
    const scene = new Scene(10)
    const closing = new AbortController()
    await scene.enter('a', 10)
    await scene.enter('closed', 10, closing.signal)
    await scene.enter('b', 1)

    closing.abort(new Error('closed'))
    await scene.settle('a')

    expect(scene.inside).toEqual(['a', 'b'])
  })

  test('all enter in the end, and without a settled one no more than the bound', async () => {
    const shares = fc.array(fc.integer({ min: 1, max: 15 }), { minLength: 1, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(shares, fc.infiniteStream(fc.nat()), async (texts, choices) => {
        const scene = new Scene(10)
        for (const [at, count] of texts.entries()) await scene.enter(`${at}`, count)
        const bound = Math.max(10, texts[0] ?? 0)
        expect(scene.inside.reduce((sum, name) => sum + (texts[Number(name)] ?? 0), 0)).toBeLessThanOrEqual(bound)

        const settled = new Set<string>()
        while (settled.size < texts.length) {
          const open = scene.inside.filter((name) => !settled.has(name))
          const name = open[(choices.next().value ?? 0) % open.length] ?? ''
          settled.add(name)
          await scene.settle(name)
        }
        expect(scene.inside).toEqual(texts.map((_, at) => `${at}`))
      }),
      { numRuns: 50 },
    )
  })
})
