import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { addFolder } from '../../../src/embed/models/add-folder.ts'
import { recordGolden } from '../../../src/embed/models/golden.ts'
import { readModelCard } from '../../../src/embed/models/model-card.ts'
import { qualityOf, verifyModel } from '../../../src/embed/models/verify.ts'
import type { Table } from '../../support/onnx-graph.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { casedTokenizer, type TinyModel, tinyWords, writeTinyModel } from '../../support/tiny-model.ts'

const signal = new AbortController().signal
const texts = ['mill', 'mill grain', 'grain', 'water', 'flour water', 'mill water mill']

/** A tiny model with fp32 weights, and others beside them whose numbers are off by `error`. */
async function modelOff(by: number) {
  const home = await temporaryDirectory()
  const folder = join(home.path, 'tiny')
  const graph: TinyModel['graph'] = (exact) => ({
    ...exact,
    tables: exact.tables.map((table) => ({
      ...table,
      values: table.values.map((value, at) => value + (at % 3 === 0 ? by : -by)),
    })),
  })
  await writeTinyModel(folder)
  await writeTinyModel(folder, { weights: 'model_w8.onnx', graph })
  return { ...home, folder, modelsFolder: join(home.path, 'models') }
}

describe('verifying a model', () => {
  test('says what it is, and how near it comes to its fp32 weights', async () => {
    await using home = await modelOff(0.001)
    const { folder: model } = home

    const report = await verifyModel({ model, against: { model, precision: 'fp32' }, texts, signal, workers: 1 })

    expect(report).toMatchObject({ dimensions: 4, maxTokens: 16, pinnedFiles: 0, hasGolden: false })
    expect(report.weights).toBe(join(model, 'model_w8.onnx'))
    expect(report.quality).toMatchObject({ texts: 6, k: 5, recall: 1 })
    expect(report.quality?.cosine.least).toBeGreaterThan(0.999)
    expect(report.quality?.cosine.least).toBeLessThan(1)
  })

  test('finds what lost its meaning', async () => {
    await using home = await modelOff(3)
    const { folder: model } = home

    const { quality } = await verifyModel({ model, against: { model, precision: 'fp32' }, texts, signal, workers: 1 })

    expect(quality?.cosine.mean).toBeLessThan(0.95)
  })

  test('with pinned files counts them', async () => {
    await using home = await modelOff(0)
    const { modelsFolder } = home
    await addFolder(home.folder, { modelsFolder })

    const report = await verifyModel({ model: 'tiny', modelsFolder, signal, workers: 1 })

    expect(report).toMatchObject({ pinnedFiles: 5, quality: undefined })
  })

  test('needs two texts to compare', async () => {
    await using home = await modelOff(0)
    const { folder: model } = home

    const verifying = verifyModel({ model, against: { model, precision: 'fp32' }, texts: ['mill', 'mill'], signal })

    await expect(verifying).rejects.toMatchObject({ code: 'USAGE' })
  })
})

describe('quality', () => {
  const circle = (degrees: number) => {
    const angle = (degrees * Math.PI) / 180
    return Float32Array.of(Math.cos(angle), Math.sin(angle))
  }

  test('counts the neighbours that both have', async () => {
    const right = [0, 10, 20, 100, 110, 120, 200, 210, 220, 300, 310, 320, 330].map(circle)
    // The text at 0 degrees lies at 105 now: beside others, which see it too.
    const moved = [circle(105), ...right.slice(1)]

    const same = await qualityOf(right, right)
    const worse = await qualityOf(moved, right)

    expect(same).toMatchObject({ texts: 13, k: 10, recall: 1 })
    expect(same.cosine.least).toBeCloseTo(1, 12)
    expect(worse.recall).toBeLessThan(1)
    expect(worse.cosine.least).toBeCloseTo(Math.cos((105 * Math.PI) / 180), 6)
  })
})

describe('adding a folder', () => {
  test.each(['all-MiniLM-L6-v2', 'a b'])('named %s is refused', async (name) => {
    await using home = await temporaryDirectory()
    await writeTinyModel(join(home.path, name))

    await expect(addFolder(join(home.path, name), { modelsFolder: home.path })).rejects.toMatchObject({ code: 'USAGE' })
  })
})

/** Changes the table in which the tiny model looks tokens up. */
const withTable = (change: (table: Table) => Table): TinyModel => ({
  graph: (graph) => ({ ...graph, tables: graph.tables.map(change) }),
})
/** The tokens of words that the texts have which every model is tried with get other vectors. */
const withVectors = (vectors: Readonly<Partial<Record<(typeof tinyWords)[number], readonly number[]>>>): TinyModel =>
  withTable((table) => ({
    ...table,
    values: tinyWords.flatMap((word, token) => vectors[word] ?? table.values.slice(4 * token, 4 * token + 4)),
  }))
const nothing = Array.from({ length: 4 }, () => Number.NaN)
const unknownTokens: TinyModel = withTable((table) => ({ ...table, shape: [6, 4], values: table.values.slice(0, 24) }))

describe.each(['adding', 'verifying'])('%s a model', (action) => {
  async function tryOut(model: TinyModel) {
    await using home = await temporaryDirectory()
    const folder = join(home.path, 'tiny')
    const modelsFolder = join(home.path, 'models')
    await writeTinyModel(folder, model)
    if (action === 'verifying') return await verifyModel({ model: folder, workers: 1, signal })
    await addFolder(folder, { modelsFolder, tryOut: (place, choice) => recordGolden(place, { ...choice, signal }) })
    return await readModelCard(modelsFolder, 'tiny')
  }

  test('that is in order succeeds', async () => {
    expect(await tryOut({})).toBeDefined()
    expect(await tryOut({ files: casedTokenizer })).toBeDefined()
  })

  test.each<[string, TinyModel, RegExp]>([
    [
      'no vector for a word',
      withVectors({ flour: nothing }),
      /^model "tiny" gives no usable vector for the text "a mill grinds grain .*\.\.\.": the model gives /,
    ],
    [
      'a vector of zeros for texts',
      // Of two that frame a text and fourteen that are not known, as many as the model reads.
      withVectors({ '[UNK]': [-1, -1, -1, -1], '[CLS]': [7, 7, 7, 7], '[SEP]': [7, 7, 7, 7] }),
      /^model "tiny" gives no usable vector for the text "\d+\. .*\.\.\.": the model gives /,
    ],
    [
      'no weights for tokens of its tokenizer',
      unknownTokens,
      /^the weights of model "tiny" do not know token 7, which its tokenizer may give: .*/,
    ],
    [
      'no weights for tokens of a tokenizer in a thread of its own',
      { ...unknownTokens, files: casedTokenizer },
      /^the weights of model "tiny" do not know token 7, which its tokenizer may give: .*/,
    ],
  ])('is refused when it has %s', async (_, model, fact) => {
    await expect(tryOut(model)).rejects.toMatchObject({ code: 'MODEL_INVALID', fact: expect.stringMatching(fact) })
  })
})
