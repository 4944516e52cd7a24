import { describe, expect, test } from 'vitest'
import { createEmbedder } from '../../src/embed/create-embedder.ts'
import type { EmbedOptions } from '../../src/embed/embedder.ts'
import { hash } from '../../src/embed/hash.ts'
import type { OnnxOptions } from '../../src/embed/onnx-options.ts'
import { topK } from '../../src/embed/similarity/index.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { writeTinyModel } from '../support/tiny-model.ts'

/** A hash embedder that remembers how it was used. */
function observed() {
  const uses = { opened: 0, closed: 0, options: [] as (EmbedOptions | undefined)[] }
  const embedder = hash({ dimensions: 64 })
  return {
    uses,
    embedder: {
      ...embedder,
      open: async () => void uses.opened++,
      close: async () => void uses.closed++,
      embed: (texts: readonly string[], signal: AbortSignal, options?: EmbedOptions) => {
        uses.options.push(options)
        return embedder.embed(texts, signal)
      },
    },
  }
}

describe('an embedder without a topology', () => {
  test('opens a model at once, embeds, counts and closes', async () => {
    await using folder = await temporaryDirectory()
    await writeTinyModel(folder.path)

    const embedder = await createEmbedder({ model: folder.path, workers: 1 })
    const vectors = await embedder.embed(['mill', 'grain', 'mill grain'])
    const [best] = topK(await embedder.embedQuery('grain'), vectors, 1)
    const stats = embedder.stats()
    await embedder.close()

    expect(best?.index).toBe(1)
    expect(best?.score).toBeCloseTo(1, 6)
    expect(embedder).toMatchObject({ dimensions: 4, maxTokens: 16, id: expect.stringMatching(/^onnx:/) })
    expect(stats).toMatchObject({ texts: 4, device: 'cpu' })
  })

  test('takes any embedder, and closes it once', async () => {
    const { embedder, uses } = observed()

    {
      await using open = await createEmbedder(embedder)
      expect(await open.embed([])).toEqual([])
      await open.close()
    }

    expect(uses).toMatchObject({ opened: 1, closed: 1 })
  })

  test('says which text is a question', async () => {
    const { embedder, uses } = observed()
    await using open = await createEmbedder(embedder)

    await open.embed(['Mills grind.'])
    await open.embedQuery('What grinds?')

    expect(uses.options).toEqual([{}, { inputType: 'query' }])
  })

  test.each([
    [undefined, 'onnx takes an object with options, not undefined. Name a model'],
    ['all-MiniLM-L6-v2', 'onnx takes an object with options, not a text. Name a model'],
    [{}, 'the option "model" is missing. Name a model'],
    [{ worker: 2 }, 'onnx has no option "worker". Did you mean workers? Known are'],
  ])('says what to write instead of %j', async (options, sentence) => {
    await expect(createEmbedder(options as unknown as OnnxOptions)).rejects.toThrow(`CONFIG_INVALID: ${sentence}`)
  })

  test('gives up with the reason of the signal', async () => {
    await using open = await createEmbedder(hash())

    await expect(open.embed(['mill'], { signal: AbortSignal.abort('enough') })).rejects.toBe('enough')
  })

  test('refuses what is no text, and everything once it is closed', async () => {
    const open = await createEmbedder(hash())

    await expect(open.embed('mill' as unknown as string[])).rejects.toThrow(
      'CONFIG_INVALID: embed takes an array of texts, not string. Pass an array of strings.',
    )
    await expect(open.embed(['mill', undefined as unknown as string])).rejects.toThrow(
      'CONFIG_INVALID: text 1 is no string but undefined. Pass',
    )
    await open.close()
    await expect(open.embed(['mill'])).rejects.toThrow('ILLEGAL_STATE: the embedder is closed. Embed before')
  })
})
