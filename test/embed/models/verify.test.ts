import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { addFolder } from '../../../src/embed/models/add-folder.ts'
import { qualityOf, verifyModel } from '../../../src/embed/models/verify.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { type TinyModel, writeTinyModel } from '../../support/tiny-model.ts'

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
