import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { holds, startMillrace } from '../support/command-line.ts'
import { documentFolder } from '../support/document-folder.ts'
import { ModelHub } from '../support/model-hub.ts'
import { tinyModelFiles } from '../support/tiny-model.ts'

const timeout = 120_000

/** A change stream of so many documents. */
const stream = (documents: number, sentences: number) =>
  Array.from({ length: documents }, (_, number) => {
    const text = Array.from(
      { length: sentences },
      (_, line) => `Sentence ${line} of document ${number} has its own words.`,
    )
    return JSON.stringify({ key: `${number}.md`, op: 'upsert', text: text.join('\n\n') })
  }).join('\n')

/** The bundled model embeds it for half a minute and more. */
const slow = stream(400, 100)

describe('a signal', { timeout }, () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s while it embeds ends `index` in order, and says so', async (signal, code) => {
    await using folder = await documentFolder({ 'c.jsonl': slow })
    const command = folder.start('index', 'c.jsonl', '--data', 'data', '--json')
    await holds(() => /"note":"[1-9]/.test(command.log()), command)

    command.child.kill(signal)
    const result = await command.result

    expect(result.stderr).toMatch(/stopped; run again to go on\n$/)
    expect(result).toMatchObject({ code, stdout: '' })
  })

  test('in the middle of `index` loses nothing: the next run goes on', async () => {
    await using folder = await documentFolder({ 'c.jsonl': stream(40_000, 2) })
    const parameters = ['index', 'c.jsonl', '--data', 'data', '--model', 'hash', '--json']
    const command = folder.start(...parameters)
    await holds(() => /"note":"[1-9]/.test(command.log()), command)

    command.child.kill('SIGINT')
    const result = await command.result
    const again = await folder.run(...parameters)

    expect([result.code, again.code]).toEqual([130, 0])
    expect((await folder.run('audit', '--data', 'data')).stdout).toMatch(
      /^40000 documents, 40000 points: 0 missing, 0 orphan/,
    )
  })

  test('a second one ends `index` at once', async () => {
    await using folder = await documentFolder({ 'c.jsonl': slow })
    const command = folder.start('index', 'c.jsonl', '--data', 'data')
    await holds(() => command.log().includes('"indexing"'), command)

    command.child.kill('SIGINT')
    await holds(() => command.log().includes('stopping'), command)
    command.child.kill('SIGINT')
    const result = await command.result

    expect(result.code).toBe(130)
    expect(result.stderr).not.toContain('stopped; run again')
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s while `model add` waits for the hub ends it with one sentence', async (signal, code) => {
    await using hub = await ModelHub.start('someone/tiny', tinyModelFiles())
    hub.faults.isSilent = true
    await using folder = await documentFolder()
    const env = { HF_ENDPOINT: hub.endpoint, MILLRACE_MODELS: folder.path }
    const command = startMillrace(['model', 'add', 'someone/tiny'], { env })
    await holds(() => hub.seen.some(({ url }) => url.includes('/resolve/')), command)

    command.child.kill(signal)
    const result = await command.result

    expect(result).toMatchObject({ code, stdout: '', stderr: 'stopping; run again to go on\n' })
  })

  test('while `run` still looks for its broker ends it in order', async () => {
    await using folder = await documentFolder({
      'topology.ts': `
        import { string, TopologyBuilder } from 'millrace'
        import { kafka, kafkaTopic } from 'millrace/connectors'
        const builder = new TopologyBuilder()
        builder
          .stream('in', kafka({ topic: 'a', key: string, value: string }))
          .to('out', kafkaTopic({ topic: 'b', key: string, value: string }))
        export default builder.build()`,
    })
    const silent = createServer()
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = silent.address()
    const port = typeof address === 'object' ? address?.port : undefined

    const command = folder.start('run', 'topology.ts', '--brokers', `127.0.0.1:${port}`)
    const [socket] = await once(silent, 'connection')
    command.child.kill('SIGTERM')
    const result = await command.result
    socket.destroy()
    silent.close()

    expect(result).toMatchObject({ code: 0, signal: null })
  })
})
