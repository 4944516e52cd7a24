import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { identify, type ModelUse, readModel } from '../../../src/embed/models/model.ts'
import { onnxFile } from '../../support/onnx-graph.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary-directory.ts'
import { lookupGraph } from '../../support/tiny-model.ts'

const bundled = fileURLToPath(new URL('../../../models/all-MiniLM-L6-v2/', import.meta.url))
let directory: TemporaryDirectory
let folder: string

beforeEach(async () => {
  directory = await temporaryDirectory()
  folder = directory.path
  await mkdir(join(folder, '1_Pooling'))
  for (const file of ['config.json', 'tokenizer.json', 'modules.json', 'sentence_bert_config.json'])
    await copyFile(join(bundled, file), join(folder, file))
  await copyFile(join(bundled, '1_Pooling', 'config.json'), join(folder, '1_Pooling', 'config.json'))
  await writeFile(join(folder, 'model.onnx'), 'weights')
})

afterEach(() => directory[Symbol.asyncDispose]())

const change = (file: string, value: unknown) => writeFile(join(folder, file), JSON.stringify(value))
const pooling = (mode: string) => change('1_Pooling/config.json', { [`pooling_mode_${mode}`]: true })

describe('a model', () => {
  test('that is bundled is found by its name', async () => {
    expect(await readModel('all-MiniLM-L6-v2')).toMatchObject({
      name: 'all-MiniLM-L6-v2',
      weights: join(bundled, 'model_w8.onnx'),
      dimensions: 384,
      maxTokens: 256,
      pooling: 'mean',
      normalize: true,
      golden: { text: expect.any(String) },
    })
  })

  test('in a folder is described by its files', async () => {
    await pooling('cls_token')
    await change('modules.json', [{ type: 'sentence_transformers.models.Transformer' }])
    await change('sentence_bert_config.json', { max_seq_length: 100 })

    expect(await readModel(folder)).toMatchObject({
      name: basename(folder),
      weights: join(folder, 'model.onnx'),
      maxTokens: 100,
      pooling: 'cls',
      normalize: false,
      golden: undefined,
    })
  })

  test('that says little has the defaults of sentence-transformers, and the limit of its positions', async () => {
    await rm(join(folder, '1_Pooling'), { recursive: true })
    await rm(join(folder, 'modules.json'))
    await rm(join(folder, 'sentence_bert_config.json'))

    expect(await readModel(folder)).toMatchObject({ pooling: 'mean', normalize: true, maxTokens: 512 })
  })

  test.each<[string, Record<string, unknown>, Record<string, unknown> | undefined, number]>([
    ['its own limit, when it has the positions', { max_position_embeddings: 512 }, { max_seq_length: 256 }, 256],
    [
      'as many tokens as it has positions, whatever it promises',
      { max_position_embeddings: 512 },
      { max_seq_length: 1e5 },
      512,
    ],
    ['its own limit, when its positions have none', { max_position_embeddings: -1 }, { max_seq_length: 1e5 }, 1e5],
    [
      'those positions alone that lie behind the one of padding, when it is a RoBERTa',
      { max_position_embeddings: 514, model_type: 'xlm-roberta', pad_token_id: 1 },
      { max_seq_length: 514 },
      512,
    ],
    [
      'these too when it names no limit',
      { max_position_embeddings: 514, model_type: 'mpnet', pad_token_id: 1 },
      undefined,
      512,
    ],
    [
      'these too when its padding is another token',
      { max_position_embeddings: 514, model_type: 'roberta', pad_token_id: 3 },
      { max_seq_length: null },
      510,
    ],
    [
      'these too when it does not name its padding',
      { max_position_embeddings: 514, model_type: 'camembert' },
      undefined,
      512,
    ],
    [
      'all positions, when it is a BERT that pads with another token',
      { max_position_embeddings: 512, model_type: 'bert', pad_token_id: 3 },
      undefined,
      512,
    ],
  ])('reads %s', async (_, config, limits, maxTokens) => {
    await change('config.json', { hidden_size: 384, ...config })
    if (limits) await change('sentence_bert_config.json', limits)
    else await rm(join(folder, 'sentence_bert_config.json'))

    expect((await readModel(folder)).maxTokens).toBe(maxTokens)
  })

  test.each([
    ['model_w8.onnx', 'model_w8.onnx'],
    ['onnx/model.onnx', 'model.onnx'],
  ])('with %s beside model.onnx uses %s', async (file, used) => {
    await mkdir(join(folder, 'onnx'))
    await writeFile(join(folder, file), 'weights')

    expect((await readModel(folder)).weights).toBe(join(folder, used))
  })

  test.each([
    [{ precision: 'fp16' }, 'onnx/model_fp16.onnx'],
    [{ precision: 'int8-dynamic' }, 'onnx/model_quantized.onnx'],
    [{ file: 'onnx/model_q4.onnx' }, 'onnx/model_q4.onnx'],
    [{ precision: 'fp32' }, 'model.onnx'],
  ] as const)('has the weights that were asked for by %j', async (choice, used) => {
    await mkdir(join(folder, 'onnx'))
    for (const file of ['model_w8.onnx', 'onnx/model_fp16.onnx', 'onnx/model_quantized.onnx', 'onnx/model_q4.onnx'])
      await writeFile(join(folder, file), 'weights')

    expect((await readModel(folder, choice)).weights).toBe(join(folder, used))
  })

  test('puts before texts what config_sentence_transformers.json says', async () => {
    await change('config_sentence_transformers.json', { prompts: { query: 'ask: ', document: 'text: ' } })

    expect((await readModel(folder)).prompts).toEqual({ query: 'ask: ', passage: 'text: ' })
  })

  test('with a default prompt puts it before everything that has none of its own', async () => {
    const prompts = { prompts: { query: 'ask: ', all: 'any: ' }, default_prompt_name: 'all' }
    await change('config_sentence_transformers.json', prompts)

    expect((await readModel(folder)).prompts).toEqual({ query: 'ask: ', passage: 'any: ' })
  })

  test('may keep its weights in the folder onnx', async () => {
    await mkdir(join(folder, 'onnx'))
    await rm(join(folder, 'model.onnx'))
    await writeFile(join(folder, 'onnx', 'model.onnx'), 'weights')

    expect((await readModel(folder)).weights).toBe(join(folder, 'onnx', 'model.onnx'))
  })
})

describe('what cannot be used is refused by name:', () => {
  test('a name that is neither bundled nor a folder', async () => {
    await expect(readModel('no-such-model')).rejects.toThrow(
      'MODEL_MISSING: model "no-such-model" is neither a bundled one (all-MiniLM-L6-v2), nor an added one, nor a folder.',
    )
  })

  test.each(['model.onnx', 'config.json'])('a folder without %s', async (file) => {
    await rm(join(folder, file))

    await expect(readModel(folder)).rejects.toMatchObject({ code: 'MODEL_MISSING' })
  })

  test('weights of a precision that is not there, with what is there', async () => {
    await expect(readModel(folder, { precision: 'fp16' })).rejects.toMatchObject({
      code: 'MODEL_MISSING',
      fact: `${folder} has none of model_fp16.onnx, onnx/model_fp16.onnx; it has model.onnx`,
    })
  })

  test.each(['../model.onnx', '/etc/passwd', 'onnx/../../x', 'C:\\x'])('weights at %s', async (file) => {
    await expect(readModel(folder, { file })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  test('a name that looks like one of the hub, with how to get it', async () => {
    const modelsFolder = join(folder, 'none')

    await expect(readModel('BAAI/bge-small-en-v1.5', { modelsFolder })).rejects.toThrow(
      'Run `millrace model add BAAI/bge-small-en-v1.5` to download it.',
    )
  })

  test.each([
    ['a file that is not JSON', () => writeFile(join(folder, 'config.json'), '{'), /config.json is not valid JSON/],
    ['a file that is no object', () => change('config.json', 1), /does not hold a JSON object/],
    ['no size', () => change('config.json', {}), /hidden_size in .* is not a positive whole number/],
    ['no limit', () => change('sentence_bert_config.json', { max_seq_length: 0 }), /length limit/],
    [
      'no positions behind that of padding',
      () => change('config.json', { hidden_size: 384, model_type: 'roberta', max_position_embeddings: 2 }),
      /max_position_embeddings in .* leaves no position for a token/,
    ],
    [
      'a pooling of another size',
      () => change('1_Pooling/config.json', { word_embedding_dimension: 768, pooling_mode_mean_tokens: true }),
      /pools 768 numbers a token, config.json says 384/,
    ],
    [
      'two poolings at once',
      () => change('1_Pooling/config.json', { pooling_mode_mean_tokens: true, pooling_mode_cls_token: true }),
      /pools by pooling_mode_mean_tokens, pooling_mode_cls_token; known are/,
    ],
    ['another pooling', () => pooling('max_tokens'), /pools by pooling_mode_max_tokens/],
    [
      'another module',
      () => change('modules.json', [{ type: 'sentence_transformers.models.Dense' }]),
      /asks for Dense/,
    ],
    ['a golden text without vectors', () => change('golden.json', { text: 'a' }), /golden.json does not hold/],
  ])('%s', async (_, spoil, fact) => {
    await spoil()

    await expect(readModel(folder)).rejects.toMatchObject({ code: 'MODEL_INVALID', fact: expect.stringMatching(fact) })
  })
})

describe('the id of an embedder', () => {
  beforeEach(async () => {
    const { tables, ...graph } = lookupGraph()
    const beside = { ...graph, tables: tables.map((table) => ({ ...table, file: 'weights.bin' })) }
    await writeFile(join(folder, 'model.onnx'), onnxFile(beside))
    await writeFile(join(folder, 'weights.bin'), 'weights')
  })

  const identity = async (use: Partial<ModelUse> = {}) =>
    identify(await readModel(folder), { mode: 'exact', prefix: '', ...use })

  test.each([
    ['weights', () => writeFile(join(folder, 'model.onnx'), 'other weights')],
    ['weights beside the graph', () => writeFile(join(folder, 'weights.bin'), 'other weights')],
    ['tokenizer', () => writeFile(join(folder, 'tokenizer.json'), '{}')],
    ['pooling', () => pooling('cls_token')],
    ['normalisation', () => change('modules.json', [])],
    ['settings of the tokenizer', () => change('tokenizer_config.json', { model_max_length: 512, remove_space: true })],
    ['length limit', () => change('sentence_bert_config.json', { max_seq_length: 128 })],
  ])('changes with the %s', async (_, modify) => {
    const before = await identity()

    await modify()

    expect(await identity()).not.toBe(before)
  })

  test('does not change with settings of the tokenizer that change no tokens', async () => {
    const before = await identity()

    await change('tokenizer_config.json', { model_max_length: 512, padding_side: 'left', remove_space: false })

    expect(await identity()).toBe(before)
  })

  test('changes with mode, prefixes and a cut', async () => {
    const uses: Partial<ModelUse>[] = [{ mode: 'fast' }, { prefix: 'a: ' }, { queryPrefix: 'a: ' }, { dimensions: 8 }]

    const ids = await Promise.all([{}, ...uses].map(identity))

    expect(new Set(ids).size).toBe(5)
  })

  test('of the bundled model is that of the indexes that were made with it', async () => {
    const model = await readModel('all-MiniLM-L6-v2')

    const id = await identify(model, { mode: 'exact', prefix: '', queryPrefix: '', dimensions: 384 })

    expect(id).toBe('onnx:all-MiniLM-L6-v2:exact:0d0a7c98c73c1982')
  })

  test('is refused when a file is not the one that was pinned', async () => {
    const model = { ...(await readModel(folder)), pins: { 'model.onnx': 'a'.repeat(64) } }

    await expect(identify(model, { mode: 'exact', prefix: '' })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(/^model.onnx of model ".*" has the SHA-256 [0-9a-f]{64} and not a{64}: it is trunc/),
    })
  })

  test('is refused when weights would come from outside of the folder', async () => {
    const { tables, ...graph } = lookupGraph()
    const outside = { ...graph, tables: tables.map((table) => ({ ...table, file: '../../secret' })) }
    await writeFile(join(folder, 'model.onnx'), onnxFile(outside))

    await expect(identity()).rejects.toMatchObject({
      fact: expect.stringMatching(/wants weights from "..\/..\/secret"/),
    })
  })

  test('stays when the folder moves', async () => {
    await using other = await temporaryDirectory()
    const moved = join(other.path, basename(folder))
    await symlink(folder, moved)

    expect(await identify(await readModel(moved), { mode: 'exact', prefix: '' })).toBe(await identity())
  })
})
