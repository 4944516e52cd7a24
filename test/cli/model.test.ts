import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { millraceHere } from '../support/command-here.ts'
import { millrace } from '../support/command-line.ts'
import { ModelHub } from '../support/model-hub.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { casedTokenizer, type TinyModel, tinyModelFiles, writeTinyModel } from '../support/tiny-model.ts'
import { TunnelProxy } from '../support/tunnel-proxy.ts'

const timeout = 60_000

/** A folder with a tiny model, and a place of its own for added models. */
async function workplace(model: TinyModel = {}) {
  const home = await temporaryDirectory()
  const folder = join(home.path, 'tiny')
  await writeTinyModel(folder, model)
  const env = { MILLRACE_MODELS: join(home.path, 'models') }
  const run = (...parameters: string[]) => millraceHere(['model', ...parameters], env)
  return { ...home, folder, env, run, file: (name: string) => join(home.path, name) }
}

describe('millrace model', { timeout }, () => {
  test('adds a folder, lists it, verifies it, and names what was damaged since', async () => {
    await using place = await workplace()

    const added = await place.run('add', place.folder, '--json')
    const listed = await place.run('list', '--json')
    const verified = await place.run('verify', 'tiny')
    await truncate(join(place.folder, 'model.onnx'), 50)
    const damaged = await place.run('verify', 'tiny')

    expect(JSON.parse(added.stdout)).toMatchObject({ id: 'tiny', folder: place.folder, file: 'model.onnx' })
    const models = listed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(models.filter(({ state }) => state !== 'known')).toMatchObject([
      { id: 'all-MiniLM-L6-v2', state: 'bundled', licence: 'Apache-2.0' },
      { id: 'tiny', state: 'added', folder: place.folder },
    ])
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toContain('5 have the SHA-256 that they are pinned to')
    expect(verified.stdout).toContain('golden:   gives the vector that was recorded')
    expect(verified.stdout).toMatch(
      /^trial: {4}gives usable vectors for \d+ sample texts, and knows the tokens of its/m,
    )
    expect(damaged.code).toBe(78)
    expect(damaged.stderr).toMatch(
      /^MODEL_INVALID: model.onnx of model "tiny" has the SHA-256 \w+ and not \w+: it is trunc/,
    )
  })

  test('adds no model that does not run', async () => {
    await using place = await workplace({
      graph: (graph) => ({ ...graph, inputs: graph.inputs.map((input) => ({ ...input, name: `x_${input.name}` })) }),
    })

    const added = await place.run('add', place.folder)
    const listed = await place.run('list')

    expect(added.code).toBe(78)
    expect(added.stderr).toMatch(/^MODEL_INVALID: /)
    expect(listed.stdout).not.toContain('tiny')
  })

  test('verifies against fp32 weights, and fails with the figures below a bound', async () => {
    await using place = await workplace()
    const graph: TinyModel['graph'] = (exact) => ({
      ...exact,
      tables: exact.tables.map((table) => ({
        ...table,
        values: table.values.map((value) => Math.round(value / 3) * 3),
      })),
    })
    await writeTinyModel(place.folder, { weights: 'model_w8.onnx', graph })
    const words = ['mill', 'grain', 'flour', 'water']
    const texts = words.flatMap((first) => words.map((second) => `${first} ${second}`))
    await writeFile(place.file('texts.txt'), `${texts.join('\n\n')}\n`)
    const verify = (cosine: string, recall: string) =>
      place.run(
        'verify',
        place.folder,
        '--texts',
        place.file('texts.txt'),
        '--min-cosine',
        cosine,
        '--min-recall',
        recall,
      )

    const [strict, recalling, lenient] = [await verify('0.999', '0'), await verify('0', '1'), await verify('0.5', '0')]

    expect(strict.code).toBe(1)
    expect(strict.stdout).toMatch(/cosine: {3}0\.\d+ mean, 0\.\d+ least\nrecall: {3}0\.\d+ of the 10 nearest texts/)
    expect(strict.stderr).toMatch(
      /^MODEL_INEXACT: on 16 texts model ".*" reaches a mean cosine of 0\.\d{5}, below 0.999/,
    )
    expect(recalling.stderr).toMatch(/^MODEL_INEXACT: on 16 texts model ".*" reaches a recall@10 of 0\.\d{5}, below 1/)
    expect(lenient.code).toBe(0)
  })

  test('measures, and says which constraints cannot be kept', async () => {
    await using place = await workplace()

    const bench = await place.run('bench', place.folder, '--workers', '1', '--max-memory-mb', '1', '--json')

    expect(bench.code).toBe(1)
    expect(bench.stderr).toMatch(/^maxMemoryMb 1 is not reachable: the process takes \d+ MiB\n$/)
    expect(JSON.parse(bench.stdout)).toMatchObject({
      options: { workers: 1, mode: 'exact' },
      measurement: { textsPerSecond: expect.any(Number), latencyMs: { p50: expect.any(Number) } },
    })
  })

  test.each([
    ['add', 'stopping; run again to go on\n'],
    ['verify', 'stopping\n'],
    ['bench', 'stopping\n'],
  ])('stops `%s` at a signal with one sentence, and adds nothing', async (command, sentence) => {
    await using place = await workplace()

    const running = place.run(command, place.folder)
    process.emit('SIGINT', 'SIGINT')
    const stopped = await running
    const listed = await place.run('list')

    expect(stopped).toEqual({ code: 130, stdout: '', stderr: sentence })
    expect(listed.stdout).not.toContain('tiny')
  })

  test('downloads a model through a proxy, which then indexes, and tells what it could not read to its end', async () => {
    await using hub = await ModelHub.start('someone/tiny', tinyModelFiles({ files: casedTokenizer }))
    await using proxy = await TunnelProxy.start()
    await using place = await workplace()
    const proxied = {
      NODE_USE_ENV_PROXY: '1',
      HTTP_PROXY: proxy.url,
      http_proxy: proxy.url,
      NO_PROXY: '',
      no_proxy: '',
    }
    const env = { ...place.env, ...proxied, HF_ENDPOINT: hub.endpoint }
    await mkdir(place.file('docs'))
    await writeFile(place.file('docs/a.md'), 'mill grain flour water '.repeat(20))

    const added = await millrace(['model', 'add', 'someone/tiny'], { env })
    const data = ['--data', place.file('data')]
    const indexed = await millrace(['index', place.file('docs'), '--model', 'someone/tiny', ...data, '--json'], place)

    expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/^added: {4}someone\/tiny at c0ffee/) })
    expect(new Set(proxy.targets).size).toBe(2)
    expect(indexed.code).toBe(0)
    expect(indexed.stderr).toMatch(
      /^truncated: 1 documents have chunks .*\n {2}a\.md: 1\nnext: .* model list` .*`chunker\.max`.*\n$/,
    )
    expect(JSON.parse(indexed.stdout)).toMatchObject({ chunks: { embedded: 1, truncated: 1 } })
  })
})

describe('millrace model refuses with one sentence', { timeout }, () => {
  test.each<[string, string[], number, RegExp]>([
    ['an unknown command', ['frobnicate'], 2, /^USAGE: unknown command 'frobnicate'/],
    ['a name that is none', ['add', 'nobody'], 2, /^USAGE: "nobody" is not the name of a model on the hub\./],
    ['a bound that is none', ['verify', 'x', '--min-cosine', '2'], 2, /^USAGE: .*It must be a number from 0 to 1\./],
    ['a comparison without texts', ['verify', 'x', '--against', 'y'], 2, /^USAGE: --against needs texts/],
    [
      'weights that there is nothing to compare with',
      ['verify', 'all-MiniLM-L6-v2', '--texts', 'README.md'],
      78,
      /^MODEL_MISSING: model "all-MiniLM-L6-v2" has no fp32 weights to compare with\. Give --against <model>/,
    ],
    [
      'texts that are not there',
      ['bench', 'all-MiniLM-L6-v2', '--texts', 'none.txt'],
      2,
      /^SOURCE_MISSING: there is no file none\.txt\. Name a file of texts/,
    ],
    [
      'texts that are a folder',
      ['bench', 'x', '--texts', 'src'],
      1,
      /^SOURCE_UNREADABLE: the file src cannot be read: ill/,
    ],
    [
      'a folder that is not there',
      ['add', './nope'],
      78,
      /^MODEL_MISSING: there is no folder \.\/nope\. Name the folder/,
    ],
    ['a file instead of a folder', ['add', './README.md'], 78, /^MODEL_MISSING: \.\/README\.md is no folder\./],
    ['a model that is not there', ['verify', 'nonesuch'], 78, /^MODEL_MISSING: model "nonesuch" is neither/],
    ['a file outside', ['bench', 'all-MiniLM-L6-v2', '--file', '../x.onnx'], 78, /^CONFIG_INVALID: file "..\/x.onnx"/],
  ])('%s', async (_, parameters, code, sentence) => {
    const result = await millraceHere(['model', ...parameters])

    expect(result.stderr).toMatch(sentence)
    expect(result.code).toBe(code)
  })
})
