import { describe, expect, test } from 'vitest'
import type { Graph } from '../support/onnx-graph.ts'
import { casedTokenizer, lookupGraph, openTiny, tinyVector, tinyWords } from '../support/tiny-model.ts'

const never = new AbortController().signal
const numbers = (vectors: readonly Float32Array[]) => vectors.map((vector) => [...vector])
const [cls, sep, mill, grain] = [2, 3, 4, 5].map(tinyVector) as [number[], number[], number[], number[]]
const mean = (...rows: readonly (readonly number[])[]) =>
  cls.map((_, at) => rows.reduce((sum, row) => sum + (row[at] ?? 0), 0) / rows.length)
const pooling = (mode: string) => ({ '1_Pooling/config.json': { [`pooling_mode_${mode}`]: true } })
const normalized = {
  'modules.json': ['Transformer', 'Pooling', 'Normalize'].map((kind) => ({
    type: `sentence_transformers.models.${kind}`,
  })),
}

/** Cuts the vectors of tokens in a way that is known only when the graph runs. */
function cutToUnknown(graph: Graph, numbers: number): Graph {
  const integer = (name: string) => ({
    operator: 'Cast',
    inputs: [name],
    outputs: [`${name}_id`],
    attributes: { to: 7 },
  })
  return {
    ...graph,
    outputs: [{ name: 'cut', type: 'float32', shape: ['batch', 'tokens', 'hidden'] }],
    nodes: [
      ...graph.nodes,
      ...['zero', 'less', 'axis'].map(integer),
      { operator: 'ReduceMax', inputs: ['attention_mask'], outputs: ['one'], attributes: { keepdims: 0 } },
      { operator: 'Add', inputs: ['one', 'less_id'], outputs: ['to'] },
      { operator: 'Unsqueeze', inputs: ['to', 'zero_id'], outputs: ['end'] },
      { operator: 'Slice', inputs: ['last_hidden_state', 'zero_id', 'end', 'axis_id'], outputs: ['cut'] },
    ],
    tables: [
      ...graph.tables,
      ...Object.entries({ zero: 0, less: numbers - 1, axis: 2 }).map(([name, value]) => ({
        name,
        shape: name === 'less' ? [] : [1],
        values: [value],
      })),
    ],
  }
}

describe('pooling', () => {
  test.each([
    ['mean_tokens', [mean(cls, mill, sep), mean(cls, grain, sep), mean(cls, mill, grain, mill, grain, sep)]],
    ['cls_token', [cls, cls, cls]],
    ['lasttoken', [sep, sep, sep]],
  ])('%s leaves padding out, whatever the company', async (mode, expected) => {
    await using tiny = await openTiny({ files: pooling(mode) })

    const vectors = await tiny.embedder.embed(['mill', 'grain', 'mill grain mill grain'], never)

    expect(tiny.embedder.stats.batches).toBe(1)
    expect(numbers(vectors)).toEqual(expected.map((row) => row.map(Math.fround)))
  })

  test('scales to unit length when the model says so', async () => {
    await using tiny = await openTiny({ files: normalized })

    const [vector] = await tiny.embedder.embed(['mill'], never)

    expect(Math.hypot(...(vector ?? []))).toBeCloseTo(1, 6)
  })
})

describe('a graph', () => {
  const inputs = (graph: Graph, ...names: string[]): Graph => ({
    ...graph,
    inputs: names.map((name) => ({ name, type: 'int64', shape: ['batch', 'tokens'] })),
  })

  test.each<[string, (graph: Graph) => Graph]>([
    ['of int32', () => lookupGraph('int32')],
    ['without a mask', (graph) => inputs(graph, 'input_ids')],
    ['with all inputs', (graph) => inputs(graph, 'position_ids', 'token_type_ids', 'attention_mask', 'input_ids')],
    [
      'that gives half floats',
      (graph) => ({
        ...graph,
        outputs: [{ name: 'half', type: 'float16', shape: ['batch', 'tokens', 4] }],
        nodes: [
          ...graph.nodes,
          { operator: 'Cast', inputs: ['last_hidden_state'], outputs: ['half'], attributes: { to: 10 } },
        ],
      }),
    ],
    [
      'whose weights lie in a file beside it',
      (graph) => ({ ...graph, tables: graph.tables.map((table) => ({ ...table, file: 'weights.bin' })) }),
    ],
    ['that does not say how many numbers it gives', (graph) => cutToUnknown(graph, 4)],
  ])('%s is run', async (_, graph) => {
    await using tiny = await openTiny({ graph })

    const vectors = await tiny.embedder.embed(['mill', 'mill grain mill grain'], never)

    const expected = [mean(cls, mill, sep), mean(cls, mill, grain, mill, grain, sep)]
    for (const [row, vector] of vectors.entries())
      for (const [at, value] of vector.entries()) expect(value).toBeCloseTo(expected[row]?.[at] ?? Number.NaN, 5)
  })

  test.each<[string, (graph: Graph) => Graph, RegExp]>([
    [
      'that asks for something else',
      (graph) => inputs(graph, 'input_ids', 'pixel_values'),
      /asks for the inputs pixel_values, which are not known/,
    ],
    [
      'without vectors of tokens',
      (graph) => ({
        ...graph,
        outputs: [{ name: 'pooled', type: 'float32', shape: ['batch', 4] }],
        nodes: [
          ...graph.nodes,
          { operator: 'ReduceMax', inputs: ['last_hidden_state'], outputs: ['pooled'], attributes: { keepdims: 0 } },
        ],
      }),
      /no output \[batch, tokens, dimensions\] of floats; it has pooled /,
    ],
  ])('%s is refused', async (_, graph, reason) => {
    await expect(openTiny({ graph })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(reason),
    })
  })

  test('that gives other shapes than it says is refused before it gets a text', async () => {
    await expect(openTiny({ graph: (graph) => cutToUnknown(graph, 3) })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(/the model gives \[1, 16, 3\] instead of \[1, 16, 4\]/),
    })
  })

  test.each([
    ['no numbers', Number.NaN],
    ['zeros', 0],
  ])('that gives %s for every text is refused before it gets one', async (_, value) => {
    const spoilt = (graph: Graph): Graph => ({
      ...graph,
      tables: graph.tables.map((table) => ({ ...table, values: table.values.map(() => value) })),
    })

    await expect(openTiny({ graph: spoilt })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(/^model "tiny" embeds nothing: /),
    })
  })

  test('whose tokenizer gives no token for what is no word is opened, and embeds words', async () => {
    const files = structuredClone(casedTokenizer)
    Object.assign(files['tokenizer.json'], {
      normalizer: { type: 'Replace', pattern: { Regex: '[.]' }, content: '' },
      post_processor: null,
    })
    await using tiny = await openTiny({ files })

    expect(await tiny.embedder.embed(['mill'], never)).toHaveLength(1)
  })

  // With those of [CLS] and [SEP] the numbers of the last one have a mean of zero.
  test.each([
    ['no numbers', [Number.NaN, Number.NaN, Number.NaN, Number.NaN]],
    ['a number without end', [1, Number.POSITIVE_INFINITY, 1, 1]],
    ['zeros', [-5, -2.5, 0, -2]],
  ])('that gives %s for a text costs that text alone', async (_, flour) => {
    const spoilt = (graph: Graph): Graph => ({
      ...graph,
      tables: graph.tables.map((table) => ({
        ...table,
        values: table.values.toSpliced(4 * tinyWords.indexOf('flour'), 4, ...flour),
      })),
    })
    await using tiny = await openTiny({ graph: spoilt })

    const [bad, good] = await Promise.allSettled([
      tiny.embedder.embed(['flour'], never),
      tiny.embedder.embed(['mill'], never),
    ])

    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'EMBED_TEXT' } })
    expect(good).toMatchObject({ status: 'fulfilled' })
  })
})
