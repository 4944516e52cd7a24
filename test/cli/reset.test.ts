import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { loadProgram } from '../../src/cli/load-program.ts'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { millraceHere } from '../support/command-here.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const pipeline = `
application: books
source: { topic: documents, format: file }
model: { hash: { dimensions: 8 } }
`

let folder: TemporaryDirectory
let file: string
let place: readonly string[]
beforeEach(async () => {
  folder = await temporaryDirectory()
  file = join(folder.path, 'millrace.yaml')
  place = ['--log', join(folder.path, 'log'), '--state', join(folder.path, 'state')]
  await writeFile(file, `${pipeline}index: { sqlite: { path: '${join(folder.path, 'index.db')}' } }\n`)
})
afterEach(() => folder[Symbol.asyncDispose]())

async function withLog<T>(action: (log: ReturnType<typeof embeddedBroker>) => Promise<T>): Promise<T> {
  await using log = embeddedBroker({ directory: join(folder.path, 'log') })
  await log.open()
  return await action(log)
}

/** Runs the pipeline once over a topic without documents. */
async function haveRun(): Promise<void> {
  const { topology } = await loadProgram(file)
  await withLog(async (broker) => {
    await broker.createTopics([{ topic: 'documents', partitions: 1 }])
    const stateDirectory = join(folder.path, 'state')
    await using runtime = new StreamRuntime({ topology, broker, application: 'books', stateDirectory })
    await runtime.start()
    await runtime.drain()
  })
}

const own = ['books-changes-changelog', 'books-unchanged-changelog']
const left = () => withLog(async (log) => [...(await log.topics([...own, 'documents', 'books-dead-letter'])).keys()])

/** What somebody types. */
function typing(line: string): void {
  const input = new PassThrough()
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(Object.assign(input, { fd: 0 }) as never)
  input.end(`${line}\n`)
}

describe('millrace reset', () => {
  test('says first what it will delete, and deletes it when the name was typed', async () => {
    await haveRun()
    typing('books')

    const { stdout, stderr, code } = await millraceHere(['reset', file, ...place])

    expect(code).toBe(0)
    expect(stdout.replaceAll(folder.path, '')).toBe(
      [
        'of books on embedded /log this is deleted:',
        '  offsets  of documents, which is read again from its beginning',
        '  topic    books-changes-changelog',
        '  topic    books-unchanged-changelog',
        '  folder   /state/books',
        'The topics that it reads, dead letters and the points of the index stay. State folders on other machines have to be deleted there.',
        'deleted; books begins anew when it is started',
        '',
      ].join('\n'),
    )
    expect(stderr).toBe('This cannot be undone. Type books to go on: ')
    expect(await left()).toEqual(['documents', 'books-dead-letter'])
  })

  test('deletes nothing when another name was typed', async () => {
    await haveRun()
    typing('yes')

    expect(await millraceHere(['reset', file, ...place])).toMatchObject({ code: 2 })

    expect(await left()).toEqual([...own, 'documents', 'books-dead-letter'])
  })

  test('--dry-run asks nothing and deletes nothing', async () => {
    await haveRun()

    const { stdout, code } = await millraceHere(['reset', file, ...place, '--dry-run', '--json'])

    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ application: 'books', topics: own, members: [], deleted: false })
    expect(await left()).toEqual([...own, 'documents', 'books-dead-letter'])
  })

  test('--yes asks nothing; what was reset has nothing left', async () => {
    await haveRun()

    const first = await millraceHere(['reset', file, ...place, '--yes', '--json'])
    const second = await millraceHere(['reset', file, ...place])

    expect(JSON.parse(first.stdout)).toMatchObject({ topics: own, deleted: true })
    expect(second.stdout).toMatch(/^books has left nothing on embedded .*\n$/)
  })

  test.each<[string, () => readonly string[], RegExp]>([
    ['a log that is not there', () => ['--log', join(folder.path, 'nowhere')], /there is no log in .*nowhere/],
    ['a log and brokers', () => ['--log', folder.path, '--brokers', 'b:9092'], /two different logs/],
  ])('refuses %s', async (_, options, message) => {
    expect(await millraceHere(['reset', file, ...options()])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(message),
    })
  })
})
