import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { millrace, startMillrace } from '../support/command-line.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** A folder with one document, and where an index of it would go. */
async function workplace() {
  const folder = await temporaryDirectory()
  const documents = join(folder.path, 'documents')
  await mkdir(documents)
  await writeFile(join(documents, 'a.md'), '# A\n\nA document.\n')
  return { ...folder, documents, data: join(folder.path, 'data'), file: (name: string) => join(folder.path, name) }
}

describe('the command line refuses with one sentence', () => {
  test.each<[string, (place: Awaited<ReturnType<typeof workplace>>) => string[], number, RegExp]>([
    [
      'a source that is not there',
      ({ file, data }) => ['index', file('nowhere'), '--data', data],
      2,
      /^SOURCE_MISSING: there is nothing at /,
    ],
    [
      'a model that is not there',
      ({ documents, data }) => ['index', documents, '--data', data, '--model', 'nonesuch'],
      78,
      /^MODEL_MISSING: model "nonesuch"/,
    ],
    [
      'a folder that is no model',
      ({ documents, data }) => ['index', documents, '--data', data, '--model', documents],
      78,
      /^MODEL_(MISSING|INVALID): /,
    ],
    [
      'an unknown flag',
      ({ documents }) => ['index', documents, '--frobnicate'],
      2,
      /^USAGE: unknown option '--frobnicate'/,
    ],
    ['an unknown command', () => ['inedx'], 2, /^USAGE: unknown command 'inedx'/],
    ['a missing argument', () => ['index'], 2, /^USAGE: missing required argument 'source'/],
    ['a number of hits that is no number', () => ['search', 'x', '-k', 'many'], 2, /^USAGE: .*whole number/],
    ['a number of hits beyond reason', () => ['search', 'x', '-k', '1e300'], 2, /^USAGE: .*whole number from 1 to/],
    ['a search for nothing', () => ['search', ''], 2, /^USAGE: there is nothing to look for\. /],
    ['a search for white space', () => ['search', ' ', '\t\n'], 2, /^USAGE: there is nothing to look for\. /],
    [
      'a search without an index',
      ({ data }) => ['search', 'x', '--data', data],
      78,
      /^INDEX_MISSING: there is no index in /,
    ],
    [
      'an audit without an index',
      ({ data }) => ['audit', '--data', data],
      78,
      /^INDEX_MISSING: .*`node .*main\.ts index <folder>`/,
    ],
    ['an export without an index', ({ data }) => ['export', '--data', data], 78, /^INDEX_MISSING: /],
    ['a topology file that is not there', ({ file }) => ['run', file('t.ts')], 78, /^TOPOLOGY_FILE: there is no file /],
    [
      'a topology file that does not compile',
      ({ file }) => ['run', file('broken.ts')],
      78,
      /^TOPOLOGY_FILE: .*broken\.ts:\d+ cannot be loaded: .*\. Correct the syntax there\.\n$/,
    ],
    [
      'a topology file without a topology',
      ({ file }) => ['describe', file('empty.ts')],
      78,
      /^TOPOLOGY_FILE: .*empty\.ts does not export a topology/,
    ],
    [
      'a topology with mistakes',
      ({ file }) => ['describe', file('wrong.ts')],
      78,
      /^TOPOLOGY_INVALID: the topology has 1 problem:\n {2}- the topology reads no topic\nCorrect each of the listed problems\.\n$/,
    ],
    [
      'a broker that does not answer',
      ({ file }) => ['run', file('good.ts'), '--brokers', '127.0.0.1:1'],
      1,
      /^BROKER_UNREACHABLE: .*127\.0\.0\.1:1/m,
    ],
    [
      'settings that are out of bounds, before it looks for a broker',
      ({ file }) => [
        ...['run', file('good.ts'), '--brokers', '127.0.0.1:1'],
        ...['--set', 'commitIntervalMs=-1', '--set', 'offsetReset=never', '--set', 'closeDeadlineMs=soon'],
      ],
      78,
      /^CONFIG_INVALID: the configuration has 3 problems:\n {2}- commitIntervalMs: Too small: expected number to be >=1\n {2}- closeDeadlineMs: .*expected number, received string\n {2}- offsetReset: .*\nCorrect the named settings\.\n$/,
    ],
    [
      'an unknown setting',
      ({ file }) => ['run', file('good.ts'), '--set', 'comitIntervalMs=1'],
      2,
      /^USAGE: .*Did you mean commitIntervalMs\? Known are application, /,
    ],
  ])('%s', async (_, parameters, code, sentence) => {
    await using place = await workplace()
    const topology = (middle: string) => `
      import { string, TopologyBuilder } from 'millrace'
      import { kafka, kafkaTopic } from 'millrace/connectors'
      const builder = new TopologyBuilder()
      ${middle}
      export default builder.build()`
    const through =
      "builder.stream('in', kafka({ topic: 'a', key: string, value: string })).to('out', kafkaTopic({ topic: 'b', key: string, value: string }))"
    await writeFile(place.file('broken.ts'), 'export default 1 +')
    await writeFile(place.file('empty.ts'), 'export const nothing = 1')
    await writeFile(place.file('wrong.ts'), topology(''))
    await writeFile(place.file('good.ts'), topology(through))

    const result = await millrace(parameters(place), { cwd: place.path })

    expect(result.stderr).toMatch(sentence)
    expect(result.code).toBe(code)
    expect(result.stdout).toBe('')
    // Nothing was written: neither a workspace nor a state folder.
    expect((await readdir(place.path)).sort()).toEqual(['broken.ts', 'documents', 'empty.ts', 'good.ts', 'wrong.ts'])
  })

  test('another model than the one that made the index', async () => {
    await using place = await workplace()
    await millrace(['index', place.documents, '--data', place.data, '--model', 'hash'])

    const result = await millrace(['index', place.documents, '--data', place.data])

    expect(result.stderr).toMatch(
      /^INDEX_MISMATCH: .* was made with model "hash", not with model "all-MiniLM-L6-v2"\. Use --model hash/,
    )
    expect(result.code).toBe(78)
  })

  test('a workspace that another process uses, which goes on undisturbed', async () => {
    await using place = await workplace()
    const first = startMillrace(['index', place.documents, '--data', place.data, '--model', 'hash', '--watch'])
    while ((await millrace(['search', 'document', '--data', place.data, '--json'])).stdout === '');

    const second = await millrace(['index', place.documents, '--data', place.data, '--model', 'hash'])
    first.child.kill('SIGTERM')

    expect(second.stderr).toMatch(/^STATE_LOCKED: /)
    expect(second.code).toBe(1)
    expect((await first.result).code).toBe(0)
  })

  test('a workspace of a newer version', async () => {
    await using place = await workplace()
    await mkdir(place.data)
    await writeFile(join(place.data, 'workspace.json'), '{"format":2}')

    const result = await millrace(['index', place.documents, '--data', place.data, '--model', 'hash'])

    expect(result.stderr).toMatch(/^STATE_FORMAT: .*workspace\.json was not written by this version/)
    expect(await readdir(place.data)).toEqual(['workspace.json'])
  })
})
