import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { kafkaOptionsOf } from '../../src/cli/kafka-options.ts'
import { createProgram } from '../../src/cli/program.ts'
import { documentFolder } from '../support/document-folder.ts'

const securedWith = (folder: string) => `
kafka:
  brokers: \${BROKERS_OF_NOBODY:-kafka:9093}
  ssl:
    ca: \${file:${folder}/ca.pem}
  sasl: { mechanism: scram-sha-256, username: alice, password: "\${file:${folder}/password}" }
`

describe('how commands reach Kafka', () => {
  test('is what the section of a file says, secrets from files included', async () => {
    await using folder = await documentFolder({ 'ca.pem': 'PEM', password: 'wonder\n' })
    await folder.put('kafka.yaml', securedWith(folder.path))
    const kafka = join(folder.path, 'kafka.yaml')

    const connection = await kafkaOptionsOf({ kafka })

    expect(connection).toEqual({
      brokers: ['kafka:9093'],
      ssl: { ca: 'PEM' },
      sasl: { mechanism: 'scram-sha-256', username: 'alice', password: 'wonder' },
    })
  })

  test('may be that of a whole pipeline: what else it holds is not looked at', async () => {
    await using folder = await documentFolder({
      'millrace.yaml': `application: a\nkafka:\n  ssl: true\nmodel: { tei: { urls: "\${NEVER_SET_URL}" } }\n`,
    })

    const connection = await kafkaOptionsOf({ kafka: join(folder.path, 'millrace.yaml'), brokers: 'a:1, b:2' })

    expect(connection).toMatchObject({ brokers: ['a:1', 'b:2'], ssl: true })
  })

  test('is what the program says where no file is named', async () => {
    const program = { kafka: { brokers: ['program:1'], ssl: true } }

    expect(await kafkaOptionsOf({}, program)).toEqual({ brokers: ['program:1'], ssl: true })
    expect(await kafkaOptionsOf({ brokers: 'other:1' }, program)).toEqual({ brokers: ['other:1'], ssl: true })
  })

  test.each([
    ['application: a\n', /1:1 kafka: is missing/],
    ['kafka:\n  sasl: { mechanism: plain, usrname: alice, password: wonder-land }\n', /did you mean "username"/],
    [`kafka:\n  sasl: { mechanism: plain, username: a, password: "\${file:/nowhere}" }\n`, /nowhere/],
    ['kafka: [\n', /has 1 problem|problems/],
  ])('is told with its place when it is wrong: %s', async (text, problem) => {
    await using folder = await documentFolder({ 'kafka.yaml': text })

    const failed = kafkaOptionsOf({ kafka: join(folder.path, 'kafka.yaml') })

    await expect(failed).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(problem) })
    await expect(failed).rejects.not.toMatchObject({ message: expect.stringContaining('wonder-land') })
  })

  test('can be said to every command that talks to Kafka', () => {
    const talking = createProgram().commands.filter((command) => optionsOf(command).includes('--brokers'))

    expect(talking.map((command) => command.name())).toContain('produce')
    for (const command of talking) expect(optionsOf(command), command.name()).toContain('--kafka')
  })
})

type CommandLike = ReturnType<typeof createProgram>

/** Also those of commands inside of a command. */
function optionsOf(command: CommandLike): readonly (string | undefined)[] {
  return [...command.options.map(({ long }) => long), ...command.commands.flatMap((inner) => optionsOf(inner))]
}
