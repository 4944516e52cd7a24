import { statSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { lockModel } from '../../../src/embed/models/add-lock.ts'
import { type AddFromHubOptions, addFromHub } from '../../../src/embed/models/hub.ts'
import { HubClient } from '../../../src/embed/models/hub-client.ts'
import { readModel } from '../../../src/embed/models/model.ts'
import { addedModels, readModelCard } from '../../../src/embed/models/model-card.ts'
import { FastClock } from '../../support/fast-clock.ts'
import { ModelHub } from '../../support/model-hub.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { lookupGraph, tinyModelFiles } from '../../support/tiny-model.ts'

const id = 'someone/tiny'
const never = new AbortController().signal

/** A hub with a tiny model whose weights lie in two files, and an empty folder for models. */
async function workplace(extra: Readonly<Record<string, Uint8Array>> = {}) {
  const graph = lookupGraph()
  const beside = { ...graph, tables: graph.tables.map((table) => ({ ...table, file: 'weights.onnx' })) }
  const files = { ...tinyModelFiles({ weights: 'onnx/model.onnx', graph: () => beside }), ...extra }
  const folder = await temporaryDirectory()
  const hub = await ModelHub.start(id, files)
  const modelsFolder = join(folder.path, 'models')
  const add = (options: Partial<AddFromHubOptions> = {}, model = id) =>
    // A thousandth of the pauses between attempts.
    addFromHub(model, {
      modelsFolder,
      endpoint: hub.endpoint,
      clock: new FastClock(1_000),
      idleTimeoutMs: 600_000,
      signal: never,
      ...options,
    })
  return {
    hub,
    add,
    modelsFolder,
    files,
    place: (file: string) => join(modelsFolder, id, file),
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

function bytesOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? Number.NaN
}

describe('adding a model from the hub', () => {
  test('brings what it needs to run, and pins it to its hashes', async () => {
    await using place = await workplace({
      'pytorch_model.bin': new Uint8Array(9),
      'onnx/model_fp16.onnx': new Uint8Array(9),
    })

    const card = await place.add()

    expect(Object.keys(card.pins).sort()).toEqual([
      '1_Pooling/config.json',
      'config.json',
      'modules.json',
      'onnx/model.onnx',
      'onnx/weights.onnx',
      'tokenizer.json',
    ])
    expect(card).toMatchObject({ licence: 'mit', revision: place.hub.revision, file: 'onnx/model.onnx' })
    expect(await addedModels(place.modelsFolder)).toEqual([id])
    expect((await readModel(id, { modelsFolder: place.modelsFolder })).weights).toBe(place.place('onnx/model.onnx'))
  })

  test('is refused while somebody else adds the same model, and not while it is another one', async () => {
    await using place = await workplace()
    {
      await using _other = await lockModel(place.modelsFolder, 'someone/other')
      await using _same = await lockModel(place.modelsFolder, id)

      await expect(place.add()).rejects.toMatchObject({
        code: 'STATE_LOCKED',
        fact: `somebody else is adding model "${id}" to ${place.modelsFolder}`,
      })
      expect(place.hub.seen).toEqual([])
    }
    await using _other = await lockModel(place.modelsFolder, 'someone/other')

    expect(await place.add()).toMatchObject({ id })
    expect(await addedModels(place.modelsFolder)).toEqual([id])
  })

  test('asks for nothing again that is there, and brings back what is damaged', async () => {
    await using place = await workplace()
    const first = await place.add()
    await writeFile(place.place('onnx/weights.onnx'), 'damaged')
    place.hub.seen.length = 0

    const second = await place.add()

    expect(second).toEqual(first)
    expect(place.hub.seen.map(({ url }) => url)).toEqual([
      `/api/models/${id}/revision/${place.hub.revision}`,
      `/${id}/resolve/${place.hub.revision}/onnx/weights.onnx`,
      '/large/onnx/weights.onnx',
    ])
    expect(await readFile(place.place('onnx/weights.onnx'))).toEqual(
      Buffer.from(place.files['onnx/weights.onnx'] ?? []),
    )
  })

  test('is not described by files that an earlier commit had and this one has not', async () => {
    await using place = await workplace()
    const limits = place.place('sentence_bert_config.json')
    await mkdir(dirname(limits), { recursive: true })
    await writeFile(limits, '{"max_seq_length":3}')

    await place.add()

    expect((await readModel(id, { modelsFolder: place.modelsFolder })).maxTokens).toBeGreaterThan(3)
  })

  test('takes a later commit when it is asked for, whose files are others', async () => {
    await using place = await workplace()
    await place.add()
    const config = `${new TextDecoder().decode(place.files['config.json'])}\n`
    place.hub.replace('config.json', new TextEncoder().encode(config))
    place.hub.revision = 'decade'.padEnd(40, '0')

    const card = await place.add({ revision: 'main' })

    expect(card.revision).toBe(place.hub.revision)
    expect(await readFile(place.place('config.json'), 'utf8')).toBe(config)
  })

  test('takes the branch of a change that was proposed there', async () => {
    await using place = await workplace()

    await place.add({ revision: 'refs/pr/1' })

    expect(place.hub.seen[0]?.url).toBe('/api/models/someone/tiny/revision/refs%2Fpr%2F1')
  })

  test('gives the token to the hub and to nobody else', async () => {
    await using place = await workplace()

    await place.add({ token: 'hf_secret' })

    for (const { url, authorization } of place.hub.seen)
      expect(authorization).toBe(url.startsWith('/large/') ? undefined : 'Bearer hf_secret')
  })
})

describe('a download that breaks off', () => {
  test('goes on where it was', async () => {
    await using place = await workplace()
    await place.add()
    await rm(place.place('onnx/model.onnx'))
    place.hub.seen.length = 0
    let parts = 1
    const arrived = () => bytesOf(place.place('onnx/model.onnx.part')) === 100 * parts && ++parts > 0
    place.hub.faults.reset = { after: 100, times: 2, arrived }

    await place.add()

    expect(place.hub.ranges).toEqual([undefined, 'bytes=100-', 'bytes=200-'])
    expect(await readFile(place.place('onnx/model.onnx'))).toEqual(Buffer.from(place.files['onnx/model.onnx'] ?? []))
  })

  test('is not given up as long as each attempt brings something', async () => {
    await using place = await workplace()
    await place.add()
    await rm(place.place('onnx/model.onnx'))
    let parts = 1
    const arrived = () => bytesOf(place.place('onnx/model.onnx.part')) === 10 * parts && ++parts > 0
    place.hub.faults.reset = { after: 10, times: 12, arrived }

    await place.add()

    expect(place.hub.faults.reset.times).toBeLessThanOrEqual(0)
  })

  test('goes on in the next process as well', async () => {
    await using place = await workplace()
    const weights = place.files['onnx/model.onnx'] ?? new Uint8Array()
    await place.add()
    await rm(place.place('onnx/model.onnx'))
    await writeFile(place.place('onnx/model.onnx.part'), weights.subarray(0, 100))
    place.hub.seen.length = 0

    await place.add()

    expect(place.hub.ranges).toEqual(['bytes=100-'])
    expect(await readdir(join(place.modelsFolder, id, 'onnx'))).toEqual(['model.onnx', 'weights.onnx'])
  })

  test.each([
    ['of another file', (weights: Uint8Array) => weights.map((byte) => byte ^ 1).subarray(0, 100)],
    ['that is too long', (weights: Uint8Array) => Uint8Array.from([...weights, 1, 2, 3])],
  ])('and left something %s starts over', async (_, left) => {
    await using place = await workplace()
    const weights = place.files['onnx/model.onnx'] ?? new Uint8Array()
    await mkdir(join(place.modelsFolder, id, 'onnx'), { recursive: true })
    await writeFile(place.place('onnx/model.onnx.part'), left(weights))

    await place.add()

    expect(await readFile(place.place('onnx/model.onnx'))).toEqual(Buffer.from(weights))
  })

  test('starts over behind a proxy that knows no ranges', async () => {
    await using place = await workplace()
    place.hub.faults.reset = { after: 50, times: 1 }
    place.hub.faults.ignoresRanges = true

    await place.add()

    expect(await readFile(place.place('onnx/model.onnx'))).toEqual(Buffer.from(place.files['onnx/model.onnx'] ?? []))
  })

  test('again and again without a byte ends with the reason', async () => {
    await using place = await workplace()
    place.hub.faults.reset = { after: 0, times: 100 }

    await expect(place.add()).rejects.toMatchObject({ code: 'MODEL_UNREACHABLE', reaction: 'retry' })
    expect(await readModelCard(place.modelsFolder, id)).toBeUndefined()
  })

  test('is given up when the hub says nothing any more', async () => {
    await using place = await workplace()
    place.hub.faults.isSilent = true

    await expect(place.add({ idleTimeoutMs: 20_000 })).rejects.toMatchObject({
      code: 'MODEL_UNREACHABLE',
      fact: 'the hub was silent for 20000 ms',
    })
  })

  test('by the user ends at once', async () => {
    await using place = await workplace()
    place.hub.faults.isSilent = true
    const stop = new AbortController()

    const adding = place.add({ signal: stop.signal, clock: systemClock })
    setImmediate(() => stop.abort(new RangeError('enough')))

    await expect(adding).rejects.toThrow('enough')
  })
})

describe('a hub that is busy', () => {
  test('is asked again', async () => {
    await using place = await workplace()
    await place.add()
    await writeFile(place.place('tokenizer.json'), 'damaged')
    const before = place.hub.seen.length
    // The listing is answered, then the file is refused twice.
    place.hub.onAnswer = () => {
      if (place.hub.seen.length === before + 2)
        place.hub.faults.refuse = { status: 429, times: 2, headers: { 'retry-after': '1' } }
    }

    await place.add()

    expect(place.hub.seen.length).toBe(before + 4)
  })
})

describe('no timer keeps the process alive', () => {
  test('after an error', async () => {
    await using place = await workplace()
    place.hub.faults.loops = true
    const clock = new FastClock(1_000)

    await expect(place.add({ clock })).rejects.toMatchObject({ code: 'MODEL_UNREACHABLE' })

    expect(clock.pending).toBe(0)
  })

  test('after a download of which nothing was missing but the name', async () => {
    await using place = await workplace()
    const weights = place.place('onnx/model.onnx')
    await mkdir(dirname(weights), { recursive: true })
    await writeFile(`${weights}.part`, place.files['onnx/model.onnx'] ?? '')
    const clock = new FastClock(1_000)

    await place.add({ clock })

    expect(place.hub.ranges[0]).toBe(`bytes=${bytesOf(weights)}-`)
    expect(clock.pending).toBe(0)
  })
})

describe('what cannot be had is told by name:', () => {
  test('a file that is not what the hub promised', async () => {
    await using place = await workplace()
    place.hub.faults.swap = place.files['onnx/model.onnx']?.map((byte) => byte ^ 1) ?? new Uint8Array()

    await expect(place.add()).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(
        /^what the hub gave for onnx\/model.onnx of someone\/tiny has the SHA-256 .* and not /,
      ),
    })
    expect(await readModelCard(place.modelsFolder, id)).toBeUndefined()
    expect(await readdir(join(place.modelsFolder, id, 'onnx'))).toEqual([])
    expect(place.hub.ranges).toEqual([undefined])
  })

  test('a file that is not the one that was pinned, although the hub promises it', async () => {
    await using place = await workplace()
    await place.add()
    await rm(place.place('config.json'))
    place.hub.replace('config.json', new TextEncoder().encode('{"hidden_size":4}'))

    await expect(place.add()).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(/^what the hub gave for config.json of someone\/tiny has the SHA-256 /),
    })
  })

  test.each([
    [401, 'GatedRepo', 'MODEL_DENIED', /does not give out \/api\/models\/someone\/tiny\/revision\/main: 401 GatedRepo/],
    [401, 'RepoNotFound', 'MODEL_MISSING', /the hub has no \/api/],
    [403, '', 'MODEL_DENIED', /does not give out/],
    [404, '', 'MODEL_MISSING', /the hub has no \/api/],
    [500, '', 'MODEL_UNREACHABLE', /the hub answers 500/],
  ])('status %d %s', async (status, code, expected, fact) => {
    await using place = await workplace()
    place.hub.faults.refuse = { status, times: 100, headers: { 'x-error-code': code } }

    await expect(place.add()).rejects.toMatchObject({ code: expected, fact: expect.stringMatching(fact) })
  })

  test('a redirect without end', async () => {
    await using place = await workplace()
    place.hub.faults.loops = true

    await expect(place.add()).rejects.toMatchObject({ fact: expect.stringMatching(/redirects .* more than 5 times/) })
  })

  test('a redirect from an encrypted place to one that is not', async () => {
    onTestFinished(() => void vi.unstubAllGlobals())
    const location = 'http://store.example/model.onnx'
    vi.stubGlobal('fetch', async () => new Response(null, { status: 302, headers: { location } }))
    const hub = new HubClient({ endpoint: 'https://hub.example', clock: systemClock, signal: never })

    await expect(hub.file(['model.onnx'], 0)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: 'the hub redirects /model.onnx to http://store.example, which is not encrypted',
    })
  })

  test('weights that the hub does not have, with those that it has', async () => {
    await using place = await workplace()

    await expect(place.add({ precision: 'fp16' })).rejects.toMatchObject({
      code: 'MODEL_MISSING',
      fact: expect.stringMatching(/has none of model_fp16.onnx.*; it has onnx\/model.onnx, onnx\/weights.onnx$/),
    })
  })

  test.each(['../../etc', 'a/../b', 'a/b/c', '/a/b', 'a\\b/c', 'only-a-name', '.a/b'])('the id %s', async (name) => {
    await using place = await workplace()

    await expect(place.add({}, name)).rejects.toMatchObject({ code: 'USAGE' })
    expect(place.hub.seen).toEqual([])
  })

  test('a hub that nobody listens for', async () => {
    await using place = await workplace()
    await place.hub[Symbol.asyncDispose]()

    await expect(place.add()).rejects.toMatchObject({
      code: 'MODEL_UNREACHABLE',
      fact: expect.stringMatching(/^http:\/\/127.0.0.1:\d+ cannot be reached: connect ECONNREFUSED/),
    })
  })

  test('weights that would be written outside of the folder', async () => {
    const graph = lookupGraph()
    const outside = { ...graph, tables: graph.tables.map((table) => ({ ...table, file: '../../../evil' })) }
    const weights = tinyModelFiles({ weights: 'onnx/model.onnx', graph: () => outside })['onnx/model.onnx']
    await using place = await workplace(weights && { 'onnx/model.onnx': weights })

    await expect(place.add()).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(/wants weights from "..\/..\/..\/evil", outside of its folder/),
    })
  })
})
