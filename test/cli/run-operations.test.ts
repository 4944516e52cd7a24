import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { portNumber } from '../../src/cli/port-number.ts'
import { openQueries } from '../../src/cli/query-options.ts'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { silentLogger } from '../../src/logger.ts'
import { holds, millrace, startMillrace } from '../support/command-line.ts'
import { countingInstance } from '../support/counting-instance.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const topology = `
import { json, string, TopologyBuilder } from 'millrace'
import { kafka, kafkaTopic } from 'millrace/connectors'

const builder = new TopologyBuilder()
builder.stream('in', kafka({ topic: 'in', key: string, value: string })).to('out', kafkaTopic({ topic: 'out', key: string, value: string }))
export default builder.build()
`
/** Nobody listens there. */
const nowhere = ['--brokers', '127.0.0.1:1']

describe('run --port', () => {
  test('answers probes while Kafka is still out of reach', async () => {
    await using folder = await temporaryDirectory()
    const file = join(folder.path, 'topology.ts')
    await writeFile(file, topology)
    const command = startMillrace(['run', file, ...nowhere, '--port', '0'])
    const url = () => /"url":"([^"]+)"/.exec(command.log())?.[1]
    await holds(() => url() !== undefined, command)

    const statuses = await Promise.all(
      ['livez', 'readyz', 'startupz', 'metrics'].map(async (path) => (await fetch(`${url()}/${path}`)).status),
    )
    command.child.kill('SIGTERM')

    expect(statuses).toEqual([200, 503, 503, 200])
    expect(await command.result).toMatchObject({ code: 0 })
  })

  test('says which port is taken, and begins nothing', async () => {
    await using folder = await temporaryDirectory()
    const file = join(folder.path, 'topology.ts')
    await writeFile(file, topology)
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' && address !== null ? `${address.port}` : ''

    const { code, stderr } = await millrace(['run', file, ...nowhere, '--port', port])

    expect(code).toBe(78)
    expect(stderr).toMatch(new RegExp(`^CONFIG_INVALID: cannot listen on 127\\.0\\.0\\.1:${port}: .*\\n$`))
    taken.close()
  })

  test.each(['70000', '-1', '1.5', 'http', ''])('refuses the port "%s"', (value) => {
    expect(() => portNumber(value)).toThrow('a whole number from 0 to 65535')
  })
})

describe('run --query-port', () => {
  test('serves stores on a port of their own, and says that everybody may read', async () => {
    await using folder = await temporaryDirectory()
    const file = join(folder.path, 'topology.ts')
    await writeFile(file, topology)
    const command = startMillrace(['run', file, ...nowhere, '--query-port', '0', '--no-query-token'])
    const url = () => /"url":"([^"]+)"[^\n]*stores are served/.exec(command.log())?.[1]
    await holds(() => url() !== undefined, command)

    const stores = await fetch(`${url()}/entries?store=none`)
    const metrics = await fetch(`${url()}/metrics`)
    command.child.kill('SIGTERM')

    expect([stores.status, metrics.status]).toEqual([404, 404])
    expect(command.log()).toContain('there is no token')
    expect(await command.result).toMatchObject({ code: 0 })
  })

  const silent = { queryToken: true }
  test.each([
    [{ ...silent, queryPort: 0 }, 'USAGE: --query-port does not say who may read the stores.'],
    [{ ...silent, queryTokenFile: 'token' }, 'Give --query-port.'],
    [{ queryToken: false, queryPort: 0, queryTokenFile: 'token' }, 'Give one.'],
    [{ ...silent, queryPort: 0, queryTokenFile: 'no-such-file' }, 'CONFIG_INVALID: the token for queries cannot be'],
  ])('is refused without a decision about who may read (%j)', async (options, sentence) => {
    const runtime = countingInstance({ broker: embeddedBroker() })

    await expect(openQueries(runtime, options, silentLogger)).rejects.toThrow(sentence)
  })

  test('takes the token from a file, and asks for it', async () => {
    await using folder = await temporaryDirectory()
    const queryTokenFile = join(folder.path, 'token')
    await writeFile(queryTokenFile, 'known-to-all\n')
    const runtime = countingInstance({ broker: embeddedBroker() })

    await using server = await openQueries(runtime, { ...silent, queryPort: 0, queryTokenFile }, silentLogger)

    const ask = (token: string) => fetch(`${server?.url}/entries`, { headers: { authorization: `Bearer ${token}` } })
    expect([(await ask('known-to-all')).status, (await ask('known-to-none')).status]).toEqual([400, 401])
  })
})
