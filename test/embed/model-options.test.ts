import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readModel } from '../../src/embed/models/model.ts'
import { writeModelCard } from '../../src/embed/models/model-card.ts'
import { hashFile } from '../../src/embed/models/model-files.ts'
import { onnx } from '../../src/embed/onnx.ts'
import { cosine } from '../../src/embed/similarity/index.ts'
import type { Graph } from '../support/onnx-graph.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { casedTokenizer, openTiny, type TinyModel, tinyVector, writeTinyModel } from '../support/tiny-model.ts'

const never = new AbortController().signal
const kinds = (...names: string[]) => names.map((name) => ({ type: `sentence_transformers.models.${name}` }))
const normalized: TinyModel = { files: { 'modules.json': kinds('Transformer', 'Pooling', 'Normalize') } }
const first: TinyModel = { files: { '1_Pooling/config.json': { pooling_mode_cls_token: true } } }
const ids = (vectors: readonly Float32Array[]) => vectors.map((vector) => [...vector])

/** A model as `model add` leaves it, pinned, without a golden text. */
async function added(id = 'someone/tiny') {
  const home = await temporaryDirectory()
  const folder = join(home.path, 'files', 'tiny')
  const modelsFolder = join(home.path, 'models')
  await writeTinyModel(folder)
  const pins = {
    'model.onnx': await hashFile(join(folder, 'model.onnx')),
    'tokenizer.json': await hashFile(join(folder, 'tokenizer.json')),
  }
  await writeModelCard(modelsFolder, { id, folder, licence: 'MIT', pins })
  const open = async () => {
    const embedder = onnx({ model: 'someone/tiny', modelsFolder, workers: 1 })
    await embedder.open()
    return embedder
  }
  return { ...home, folder, modelsFolder, open }
}

describe('prefixes', () => {
  const prompts = { 'config_sentence_transformers.json': { prompts: { query: 'grain ', passage: 'flour ' } } }

  test('of the model go before texts: another one before a query', async () => {
    await using plain = await openTiny()
    await using tiny = await openTiny({ files: prompts })

    const [passage] = await tiny.embedder.embed(['mill'], never)
    const [query] = await tiny.embedder.embed(['mill'], never, { inputType: 'query' })

    expect(ids(await plain.embedder.embed(['flour mill', 'grain mill'], never))).toEqual(
      ids([passage, query].flatMap((v) => v ?? [])),
    )
  })

  test('that the user gives replace those of the model, and are part of the id', async () => {
    await using tiny = await openTiny({ files: prompts })
    const other = onnx({ model: tiny.folder, workers: 1, prefix: '', queryPrefix: 'water ' })
    await other.open()

    const [passage, query] = [
      await other.embed(['mill'], never),
      await other.embed(['mill'], never, { inputType: 'query' }),
    ]
    const expected = await other.embed(['water mill'], never)
    await other.close()

    expect(ids(query)).toEqual(ids(expected))
    expect(ids(passage)).not.toEqual(ids(await tiny.embedder.embed(['mill'], never)))
    expect(other.id).not.toBe(tiny.embedder.id)
  })
})

test('a text of more tokens than the model has positions is cut and counted, whatever limit is promised', async () => {
  await using tiny = await openTiny({ files: { 'sentence_bert_config.json': { max_seq_length: 100_000 } } })
  const truncated: number[] = []
  const onTruncated = (at: number) => truncated.push(at)

  const vectors = await tiny.embedder.embed(['mill', 'mill '.repeat(99), 'mill '.repeat(14)], never, { onTruncated })

  expect(ids(vectors.slice(1, 2))).toEqual(ids(vectors.slice(2)))
  expect(truncated).toEqual([1])
  expect(tiny.embedder).toMatchObject({ maxTokens: 16, stats: { truncatedTexts: 1 } })
})

test('a model that wants lower case gets it, from a tokenizer that knows no other', async () => {
  const lowering = { ...casedTokenizer, 'sentence_bert_config.json': { max_seq_length: 16, do_lower_case: true } }
  await using plain = await openTiny({ files: casedTokenizer })
  await using tiny = await openTiny({ files: lowering })

  const [asked] = await tiny.embedder.embed(['MILL Grain'], never)
  const [lower] = await plain.embedder.embed(['mill grain'], never)
  const [upper] = await plain.embedder.embed(['MILL Grain'], never)

  expect(ids([asked ?? new Float32Array()])).toEqual(ids([lower ?? new Float32Array()]))
  expect(upper).not.toEqual(lower)
  expect(tiny.embedder.id).not.toBe(plain.embedder.id)
})

test('tokens are counted with the prefix that goes before the text', async () => {
  await using tiny = await openTiny({}, { prefix: 'flour ' })

  expect(tiny.embedder.countTokens?.('mill')).toBe(4)
})

describe('dimensions', () => {
  test('cuts a vector and gives it unit length again', async () => {
    await using whole = await openTiny(normalized)
    await using cut = await openTiny(normalized, { dimensions: 2 })

    const [long] = await whole.embedder.embed(['mill'], never)
    const [short] = await cut.embedder.embed(['mill'], never)

    expect(cut.embedder.dimensions).toBe(2)
    expect(short).toHaveLength(2)
    expect(Math.hypot(...(short ?? []))).toBeCloseTo(1, 6)
    expect(cosine(short ?? new Float32Array(2), (long ?? new Float32Array(4)).slice(0, 2))).toBeCloseTo(1, 6)
    expect(cut.embedder.id).not.toBe(whole.embedder.id)
  })

  test('beyond those of the model are refused', async () => {
    await expect(openTiny({}, { dimensions: 5 })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      fact: expect.stringMatching(/dimensions must be at most 4, what model ".*" gives, not 5/),
    })
  })
})

describe('weights with int8 activations', () => {
  /** Rounds every number to a 255th of the largest one of the run. */
  const dynamic = (graph: Graph): Graph => ({
    ...graph,
    outputs: [{ name: 'rounded', type: 'float32', shape: ['batch', 'tokens', 4] }],
    nodes: [
      ...graph.nodes,
      { operator: 'DynamicQuantizeLinear', inputs: ['last_hidden_state'], outputs: ['whole', 'scale', 'zero'] },
      { operator: 'DequantizeLinear', inputs: ['whole', 'scale', 'zero'], outputs: ['rounded'] },
    ],
    tables: graph.tables.map((table) => ({
      ...table,
      values: table.values.map((value, at) => (at === table.values.length - 1 ? 1_000 : value)),
    })),
  })
  const model: TinyModel = { ...first, weights: 'onnx/model_quantized.onnx', graph: dynamic }

  test('are refused where nobody asked for them', async () => {
    await expect(openTiny(model, { file: 'onnx/model_quantized.onnx' })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(/scale int8 activations by all that is in a run/),
      fix: expect.stringMatching(/'int8-dynamic'/),
    })
  })

  test('run every text alone: its vector does not depend on its company', async () => {
    await using tiny = await openTiny(model, { precision: 'int8-dynamic' })
    const [alone] = await tiny.embedder.embed(['mill'], never)

    const [together] = await tiny.embedder.embed(['mill', 'water', 'grain mill'], never)

    expect(ids([together ?? new Float32Array()])).toEqual(ids([alone ?? new Float32Array()]))
    expect(tiny.embedder.stats.batches).toBe(4)
  })
})

describe('an added model', () => {
  test('is opened by its id', async () => {
    await using home = await added()
    const embedder = await home.open()

    expect(embedder.id).toMatch(/^onnx:tiny:exact:/)
    expect(await embedder.embed(['mill'], never)).toHaveLength(1)
    await embedder.close()
  })

  test('that is known to have been trained with prompts gets them', async () => {
    await using home = await added('intfloat/e5-small-v2')

    const model = await readModel('intfloat/e5-small-v2', { modelsFolder: home.modelsFolder })

    expect(model.prompts).toEqual({ passage: 'passage: ', query: 'query: ' })
  })

  test('that names prompts itself knows better', async () => {
    await using home = await added('intfloat/e5-small-v2')
    const prompts = { prompts: { query: 'ask: ', passage: 'text: ' } }
    await writeFile(join(home.folder, 'config_sentence_transformers.json'), JSON.stringify(prompts))

    const model = await readModel('intfloat/e5-small-v2', { modelsFolder: home.modelsFolder })

    expect(model.prompts).toEqual({ query: 'ask: ', passage: 'text: ' })
  })

  test('with a card of another version is refused', async () => {
    await using home = await added()
    await writeFile(join(home.modelsFolder, 'someone', 'tiny.json'), '{"format":2}')

    await expect(home.open()).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fix: 'Run `millrace model add` again.',
    })
  })

  test.each([
    ['cut short', 'model.onnx', (file: string) => truncate(file, 40)],
    ['replaced', 'tokenizer.json', (file: string) => writeFile(file, '{}')],
  ])('whose files were %s names the file and its hashes', async (_, name, spoil) => {
    await using home = await added()

    await spoil(join(home.folder, name))

    await expect(home.open()).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(
        new RegExp(`^${name} of model "tiny" has the SHA-256 .* and not .*: it is truncated`),
      ),
    })
  })
})

describe('a tokenizer', () => {
  const fewTokens = { hidden_size: 4, vocab_size: 6, max_position_embeddings: 16 }
  const refusal = {
    code: 'MODEL_INVALID',
    fact: expect.stringMatching(/tokenizer.json has tokens up to 7, config.json of the model knows those below 6/),
  }

  test('that belongs to another model is refused: it gives tokens that the weights do not know', async () => {
    await expect(openTiny({ files: { 'config.json': fewTokens } })).rejects.toMatchObject(refusal)
  })

  test('is looked at where a golden text was recorded, but not with which tokenizer', async () => {
    const vector = [...tinyVector(2)]
    const golden = { text: 'mill', vectors: { exact: vector, fast: vector } }

    await expect(openTiny({ files: { 'config.json': fewTokens, 'golden.json': golden } })).rejects.toMatchObject(
      refusal,
    )
  })

  test('is looked at where it is pinned, but was never tried', async () => {
    await using home = await added()
    await writeFile(join(home.folder, 'config.json'), JSON.stringify(fewTokens))

    await expect(home.open()).rejects.toMatchObject(refusal)
  })

  test('without a vocabulary is refused', async () => {
    await expect(
      openTiny({ files: { 'tokenizer.json': { added_tokens: [], model: { type: 'WordPiece' } } } }),
    ).rejects.toMatchObject({ code: 'MODEL_INVALID' })
  })
})

test('the vector of a tiny model is that of its tokens', async () => {
  await using tiny = await openTiny(first)

  expect(ids(await tiny.embedder.embed(['mill'], never))).toEqual([tinyVector(2)])
})
