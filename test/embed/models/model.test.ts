import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { identify, readModel } from '../../../src/embed/models/model.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary-directory.ts'

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

  test.each([
    ['model_w8.onnx', 'model_w8.onnx'],
    ['onnx/model.onnx', 'model.onnx'],
  ])('with %s beside model.onnx uses %s', async (file, used) => {
    await mkdir(join(folder, 'onnx'))
    await writeFile(join(folder, file), 'weights')

    expect((await readModel(folder)).weights).toBe(join(folder, used))
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
      'MODEL_MISSING: model "no-such-model" is neither a bundled one (all-MiniLM-L6-v2) nor a folder.',
    )
  })

  test.each(['model.onnx', 'config.json'])('a folder without %s', async (file) => {
    await rm(join(folder, file))

    await expect(readModel(folder)).rejects.toMatchObject({ code: 'MODEL_MISSING' })
  })

  test.each([
    ['a file that is not JSON', () => writeFile(join(folder, 'config.json'), '{'), /config.json is not valid JSON/],
    ['a file that is no object', () => change('config.json', 1), /does not hold a JSON object/],
    ['no size', () => change('config.json', {}), /hidden_size in .* is not a positive whole number/],
    ['no limit', () => change('sentence_bert_config.json', { max_seq_length: 0 }), /length limit/],
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
  const identity = async (use: { mode?: 'exact' | 'fast'; prefix?: string } = {}) =>
    identify(await readModel(folder), { mode: 'exact', prefix: '', ...use })

  test.each([
    ['weights', () => writeFile(join(folder, 'model.onnx'), 'other weights')],
    ['weights beside the graph', () => writeFile(join(folder, 'model.onnx_data'), 'more weights')],
    ['tokenizer', () => writeFile(join(folder, 'tokenizer.json'), '{}')],
    ['pooling', () => pooling('cls_token')],
    ['normalisation', () => change('modules.json', [])],
    ['length limit', () => change('sentence_bert_config.json', { max_seq_length: 128 })],
  ])('changes with the %s', async (_, modify) => {
    const before = await identity()

    await modify()

    expect(await identity()).not.toBe(before)
  })

  test('changes with mode and prefix', async () => {
    const ids = await Promise.all([identity(), identity({ mode: 'fast' }), identity({ prefix: 'passage: ' })])

    expect(new Set(ids).size).toBe(3)
  })

  test('stays when the folder moves', async () => {
    await using other = await temporaryDirectory()
    const moved = join(other.path, basename(folder))
    await symlink(folder, moved)

    expect(await identify(await readModel(moved), { mode: 'exact', prefix: '' })).toBe(await identity())
  })
})
