import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { starterPipeline } from '../../src/cli/starter-pipeline.ts'
import { millraceHere } from '../support/command-here.ts'
import { millrace } from '../support/command-line.ts'
import { smallPipeline } from '../support/pipelines.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** A folder with files, and the command line over them. */
async function workplace(files: Readonly<Record<string, string | Uint8Array>> = {}) {
  const folder = await temporaryDirectory()
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder.path, name), content)
  return { ...folder, file: (name: string) => join(folder.path, name) }
}

describe('millrace validate', () => {
  test('says in a line that a pipeline is valid', async () => {
    await using place = await workplace({ 'a.yaml': smallPipeline })

    const { code, stdout, stderr } = await millraceHere(['validate', place.file('a.yaml')])

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe(`${place.file('a.yaml')} is valid: topic documents -> sqlite::memory:\n`)
  })

  test('ends with 78 and every problem with its place', async () => {
    await using place = await workplace({ 'a.yaml': `${smallPipeline}kafak: {}\nruntime: { commitIntervalMs: 0 }\n` })
    const file = place.file('a.yaml')

    const { code, stdout, stderr } = await millraceHere(['validate', file])

    expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
    expect(stderr).toBe(
      `CONFIG_INVALID: ${file} has 2 problems:\n` +
        `  - ${file}:5:1 kafak: there is no such key; did you mean "kafka"?\n` +
        `  - ${file}:6:30 runtime.commitIntervalMs: must be at least 1\n` +
        'Correct each of the listed problems.\n',
    )
  })

  test('gives machines a line, valid or not', async () => {
    await using place = await workplace({ 'a.yaml': smallPipeline, 'b.yml': `${smallPipeline}kafak: {}\n` })
    const validate = async (name: string) => {
      const { code, stdout, stderr } = await millraceHere(['validate', '--json', place.file(name)])
      return { code, stderr, verdict: JSON.parse(stdout) }
    }

    expect(await validate('a.yaml')).toEqual({
      code: 0,
      stderr: '',
      verdict: { file: place.file('a.yaml'), valid: true, problems: [] },
    })
    expect(await validate('b.yml')).toMatchObject({
      code: 78,
      stderr: '',
      verdict: {
        valid: false,
        problems: [
          {
            code: 'CONFIG_INVALID',
            line: 5,
            column: 1,
            path: 'kafak',
            message: 'there is no such key',
            nearest: 'kafka',
          },
        ],
      },
    })
  })

  test('prints the effective configuration without its secrets', async () => {
    await using place = await workplace({
      'a.yaml': `${smallPipeline}kafka: { brokers: "\${BROKERS}", sasl: { mechanism: plain, username: me, password: "\${PASSWORD}" } }\n`,
    })
    const env = { BROKERS: 'broker:9092', PASSWORD: 'canary-7Q' }

    const { code, stdout } = await millraceHere(['validate', place.file('a.yaml'), '--print'], env)

    expect(code).toBe(0)
    expect(stdout).toContain('  brokers: broker:9092\n')
    expect(stdout).toContain('    password: <redacted>\n')
    expect(stdout).toContain('  commitIntervalMs: 1000\n')
    expect(stdout).not.toContain('canary-7Q')
  })

  test('checks a topology in TypeScript as well, and lists what its builder found', async () => {
    const good = await millraceHere(['validate', 'examples/documents.ts'])
    await using place = await workplace({
      'wrong.ts': "import { TopologyBuilder } from 'millrace'\nexport default new TopologyBuilder().build()\n",
    })
    const wrong = await millrace(['validate', '--json', place.file('wrong.ts')])

    expect(good).toMatchObject({
      code: 0,
      stdout: 'examples/documents.ts is valid: topic documents -> qdrant:documents\n',
    })
    expect(wrong.code).toBe(78)
    expect(JSON.parse(wrong.stdout).problems).toEqual([
      { code: 'TOPOLOGY_INVALID', message: 'the topology reads no topic' },
    ])
  })

  test('names the topics outside of the application: global tables too, but no repartition topic', async () => {
    const topology = `
import { string, TopologyBuilder } from 'millrace'
import { kafka, kafkaTopic } from 'millrace/connectors'
import { repartition, selectKey } from 'millrace/operators'

const builder = new TopologyBuilder()
builder.globalTable('rates', kafka({ topic: 'rates', key: string, value: string }))
builder
  .stream('orders', kafka({ topic: 'orders', key: string, value: string }))
  .process(selectKey('shop', (value, key) => value ?? key))
  .process(repartition('by-shop', { key: string, value: string }))
  .to('out', kafkaTopic({ topic: 'shops', key: string, value: string }))
export default builder.build()
`
    await using place = await workplace({ 'orders.ts': topology })

    const { stdout } = await millrace(['validate', place.file('orders.ts')])

    expect(stdout).toBe(
      `${place.file('orders.ts')} is valid: topic orders, topic rates (global table) -> topic shops\n`,
    )
  })

  test.each<[string, string[], number, RegExp]>([
    ['a file that is not there', ['validate', 'none.yaml'], 78, /^TOPOLOGY_FILE: there is no file none\.yaml\. /],
    ['a folder', ['validate', 'folder.yaml'], 78, /^TOPOLOGY_FILE: .*folder\.yaml cannot be read: EISDIR/],
    ['what is no text', ['validate', 'bytes.yaml'], 78, /^TOPOLOGY_FILE: .*bytes\.yaml is no UTF-8 text\. /],
    [
      'ten megabytes',
      ['validate', 'large.yaml'],
      78,
      /^TOPOLOGY_FILE: .*large\.yaml has 10000000 bytes, which no pipeline has/,
    ],
    ['no file at all', ['validate'], 2, /^USAGE: missing required argument 'file'/],
    ['an unknown flag', ['validate', 'a.yaml', '--frobnicate'], 2, /^USAGE: unknown option '--frobnicate'/],
    ['a --print of what has no configuration', ['validate', 'examples/documents.ts', '--print'], 2, /^USAGE: /],
    [
      '`run` of a pipeline that is wrong',
      ['run', 'wrong.yaml', '--brokers', '127.0.0.1:1'],
      78,
      /^CONFIG_INVALID: .*wrong\.yaml has 1 problem/,
    ],
    [
      '`describe` of a pipeline that is wrong',
      ['describe', 'wrong.yaml'],
      78,
      /^CONFIG_INVALID: .*wrong\.yaml has 1 problem/,
    ],
    [
      'a name that is no pipeline for `init`',
      ['init', 'pipeline.json'],
      2,
      /^USAGE: "pipeline\.json" is no name of a pipeline file/,
    ],
  ])('refuses %s with one sentence', async (_, parameters, code, sentence) => {
    await using place = await workplace({
      'bytes.yaml': new Uint8Array([0xff, 0xfe, 0x00]),
      'large.yaml': `# ${'x'.repeat(9_999_998)}`,
      'wrong.yaml': `${smallPipeline}zzz: 1\n`,
    })
    await mkdir(place.file('folder.yaml'))
    const made = await readdir(place.path)
    const local = parameters.map((word) => (made.includes(word) ? place.file(word) : word))

    const result = await millraceHere(local)

    expect(result.stderr).toMatch(sentence)
    expect(result.code).toBe(code)
    expect(result.stdout).toBe('')
    expect(await readdir(place.path)).toEqual(made)
  })
})

describe('millrace init', () => {
  test('writes a pipeline that is valid, and says what to do next', async () => {
    await using place = await workplace()

    const written = await millraceHere(['init', place.file('millrace.yaml')])
    const checked = await millraceHere(['validate', place.file('millrace.yaml')])

    expect(written).toMatchObject({ code: 0, stderr: '' })
    expect(written.stdout).toContain(`validate ${place.file('millrace.yaml')}`)
    expect(await readFile(place.file('millrace.yaml'), 'utf8')).toBe(starterPipeline)
    expect(checked.code).toBe(0)
  })

  test('leaves a file alone that is there already', async () => {
    await using place = await workplace({ 'millrace.yaml': 'mine' })

    const { code, stderr } = await millraceHere(['init', place.file('millrace.yaml')])

    expect(code).toBe(2)
    expect(stderr).toBe(
      `USAGE: ${place.file('millrace.yaml')} is there already. Name another file, or move that one away.\n`,
    )
    expect(await readFile(place.file('millrace.yaml'), 'utf8')).toBe('mine')
  })
})

test('`describe` prints a pipeline file as it prints a topology', async () => {
  const { code, stdout } = await millraceHere(['describe', 'examples/pipelines/articles.yaml'])

  expect(code).toBe(0)
  expect(stdout).toContain('  source documents (topic articles)\n    --> selected\n')
  expect(stdout).toContain('  sink index (qdrant:articles) [by key]\n')
})
