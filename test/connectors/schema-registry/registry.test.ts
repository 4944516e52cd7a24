import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { avro, type SchemaRegistryOptions, schemaRegistry } from '../../../src/connectors/index.ts'
import { framed } from '../../../src/connectors/schema-registry/framing.ts'
import { type Format, RegistrySerde } from '../../../src/connectors/schema-registry/registry-serde.ts'
import { FastClock } from '../../support/fast-clock.ts'
import { SchemaRegistryDouble } from '../../support/schema-registry-double.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const text = '"string"'
const letter = Uint8Array.of(2, 97)
const html = '<!doctype html><title>Sign in</title>'

let server: SchemaRegistryDouble
let ending: AbortController
beforeEach(async () => {
  server = await SchemaRegistryDouble.start()
  server.put(7, { schema: text })
  ending = new AbortController()
})
afterEach(() => {
  ending.abort()
  return server[Symbol.asyncDispose]()
})

/** Waits are a hundred times shorter than they say. */
function registryAt(url: SchemaRegistryOptions['url'], options: Partial<SchemaRegistryOptions> = {}) {
  return schemaRegistry({ url, clock: new FastClock(100), requestTimeoutMs: 600_000, ...options })
}

const serdeAt = (url: SchemaRegistryOptions['url'] = server.url, options: Partial<SchemaRegistryOptions> = {}) =>
  avro(registryAt(url, options), z.string())

/** What becomes of a value with this schema. */
async function read(serde: ReturnType<typeof serdeAt>, id = 7): Promise<string> {
  const bytes = framed(id, letter)
  await serde.prepare?.(bytes, ending.signal)
  return serde.deserialize(bytes)
}

describe('asking for a schema', () => {
  test('happens once, however many wait and however often it is used', async () => {
    const serde = serdeAt()

    const values = await Promise.all(Array.from({ length: 50 }, () => read(serde)))
    await read(serde)

    expect(new Set(values)).toEqual(new Set(['a']))
    expect(server.lines).toEqual(['GET /schemas/ids/7'])
    expect(serde.prepare?.(framed(7, letter), ending.signal)).toBeUndefined()
  })

  test('happens once for two serdes of a registry', async () => {
    const registry = registryAt(server.url)

    await Promise.all([read(avro(registry, z.string())), read(avro(registry, z.string()))])

    expect(server.lines).toHaveLength(1)
  })

  test('asks again for what has been forgotten', async () => {
    server.put(8, { schema: '"bytes"' })
    const registry = registryAt(server.url, { maxCacheBytes: 50 })

    for (const id of [7, 8, 7]) await registry.schema(id, ending.signal)

    expect(server.lines).toHaveLength(3)
  })

  test('brings the schemas that it refers to, each after those that it uses', async () => {
    server.put(1, { schema: '{"type":"enum","name":"A","symbols":["X"]}' }, 'a')
    const usesA = [{ name: 'A', subject: 'a', version: 1 }]
    server.put(2, { schema: '{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]}', references: usesA }, 'b')
    server.put(3, { schema: '["null","A","B"]', references: [{ name: 'B', subject: 'b', version: 1 }, ...usesA] })

    const { imports } = await registryAt(server.url).schema(3, ending.signal)

    expect(imports.map(({ name }) => name)).toEqual(['A', 'B'])
  })

  test('goes on after the caller who asked first has gone', async () => {
    const serde = serdeAt()
    const first = new AbortController()
    const bytes = framed(7, letter)

    const gone = serde.prepare?.(bytes, first.signal)
    const stays = serde.prepare?.(bytes, ending.signal)
    first.abort(new Error('gone'))

    await expect(gone).rejects.toThrow('gone')
    await stays
    expect(serde.deserialize(bytes)).toBe('a')
    expect(server.lines).toHaveLength(1)
  })
})

describe('a registry in trouble', () => {
  test.each([
    ['that is being restarted', { status: 503, body: html }],
    ['whose store is away', { status: 500, body: { error_code: 50001, message: 'Error in the backend data store' } }],
    ['that is overloaded', { status: 429, body: 'slow down', headers: { 'retry-after': '1' } }],
    ['that breaks the connection', 'reset'],
    ['that does not answer in time', 'hang'],
  ] as const)('%s is asked again', async (_, fault) => {
    server.faults.push(fault, fault, fault)

    expect(await read(serdeAt(server.url, { requestTimeoutMs: 5_000 }))).toBe('a')
    expect(server.lines).toHaveLength(4)
  })

  test('that is down is waited for until the caller goes', async () => {
    await server[Symbol.asyncDispose]()
    const waiting = read(serdeAt('http://127.0.0.1:1'))

    ending.abort(new Error('closed'))

    await expect(waiting).rejects.toThrow('closed')
    server = await SchemaRegistryDouble.start()
  })
})

describe('a schema that does not exist', () => {
  test('is one clear sentence, and is not asked for again at once', async () => {
    const serde = serdeAt()

    await expect(read(serde, 9)).rejects.toThrow(
      `RECORD_UNDECODABLE: schema 9 cannot be used: the schema registry at ${server.url} says no (40403: Schema 9 not found). Correct the producer`,
    )
    const asked = server.lines.length
    await expect(read(serde, 9)).rejects.toMatchObject({ code: 'RECORD_UNDECODABLE', reaction: 'skip' })
    expect(server.lines).toHaveLength(asked)
  })

  test('is looked for a second time, because a node may hear of it a moment later', async () => {
    server.faults.push({ status: 404, body: { error_code: 40403, message: 'Schema 7 not found' } })

    expect(await read(serdeAt())).toBe('a')
  })

  test('is looked for a second time by all who ask for it at once', async () => {
    server.faults.push({ status: 404, body: { error_code: 40403, message: 'Schema 7 not found' } })
    const registry = registryAt(server.url)

    const values = await Promise.all([1, 2].map(() => read(avro(registry, z.string()))))

    expect(values).toEqual(['a', 'a'])
  })

  test('does not make each record wait that has another wrong id', async () => {
    const serde = avro(registryAt(server.url), z.string())

    for (const id of [100, 101, 102]) await expect(read(serde, id)).rejects.toThrow('cannot be used')

    expect(server.lines.filter((line) => line.includes('/100'))).toHaveLength(2)
    expect(server.lines.filter((line) => /10[12]/.test(line))).toHaveLength(2)
  })

  test('is asked for again after a minute', async () => {
    const clock = new FastClock(100)
    const serde = serdeAt(server.url, { clock })
    await expect(read(serde, 9)).rejects.toThrow()
    server.put(9, { schema: text })

    await new Promise<void>((resolve) => clock.after(61_000, resolve))

    expect(await read(serde, 9)).toBe('a')
  })
})

describe('a schema that cannot be used', () => {
  test.each([
    ['of another kind', { schema: '{}', schemaType: 'JSON' }, /it is JSON, and the serde reads AVRO/],
    ['that is no Avro', { schema: '{"type":"nonsense"}' }, /unknown type: "nonsense"/],
    [
      'that refers to what is gone',
      { schema: '"A"', references: [{ name: 'A', subject: 'gone', version: 1 }] },
      /40401: Subject 'gone' not found/,
    ],
    ['that is huge', { schema: JSON.stringify({ type: 'string', doc: 'x'.repeat(1_100_000) }) }, /more than 1048576/],
  ])('%s makes dead letters', async (_, stored, message) => {
    server.put(5, stored)

    const reading = read(serdeAt(), 5)

    await expect(reading).rejects.toMatchObject({ code: 'RECORD_UNDECODABLE' })
    await expect(reading).rejects.toThrow(message)
  })
})

describe('what makes reading hopeless', () => {
  test.each([
    ['wrong credentials', { status: 401, body: { error_code: 401, message: 'Unauthorized' } }, 'REGISTRY_DENIED'],
    ['a missing right', { status: 403, body: { error_code: 40301, message: 'Forbidden' } }, 'REGISTRY_DENIED'],
    ['a page instead of a registry', { status: 200, body: html }, 'CONFIG_INVALID'],
    ['a proxy that knows no such path', { status: 404, body: html }, 'CONFIG_INVALID'],
    ['a redirect', { status: 302, body: '', headers: { location: 'http://example.com' } }, 'CONFIG_INVALID'],
    ['an answer without a schema', { status: 200, body: { hello: 1 } }, 'CONFIG_INVALID'],
  ])('%s', async (_, answer, code) => {
    server.always = answer

    await expect(read(serdeAt())).rejects.toMatchObject({ code, reaction: 'fatal', exitCode: 78 })
  })

  test('bytes without the frame are told as such, without asking', async () => {
    const serde = serdeAt()
    const json = new TextEncoder().encode('{"a":1}')

    expect(serde.prepare?.(json, ending.signal)).toBeUndefined()
    expect(() => serde.deserialize(json)).toThrow(
      'RECORD_UNDECODABLE: the value was not written with a schema registry: it begins with byte 123, not 0.',
    )
    expect(() => serde.deserialize(Uint8Array.of(0, 0))).toThrow('it has only 2 bytes')
    expect(server.lines).toEqual([])
  })
})

describe('several servers', () => {
  test('are asked one after the other, at once, and the one that answered first from then on', async () => {
    await using other = await SchemaRegistryDouble.start()
    for (const id of [7, 8, 9]) other.put(id, { schema: text })
    server.always = { status: 503, body: 'starting' }
    const serde = serdeAt([server.url, other.url])

    expect([await read(serde), await read(serde, 8)]).toEqual(['a', 'a'])
    expect([server.lines.length, other.lines.length]).toEqual([1, 2])

    server.always = undefined
    server.put(9, { schema: text })
    other.faults.push('reset')
    expect(await read(serde, 9)).toBe('a')
    expect([server.lines.length, other.lines.length]).toEqual([2, 3])
  })

  test('are all asked before there is a pause, and again after it', async () => {
    await using other = await SchemaRegistryDouble.start()
    other.put(7, { schema: text })
    const down = { status: 500, body: 'no leader' }
    server.faults.push(down, down)
    other.faults.push(down)

    expect(await read(serdeAt([server.url, other.url]))).toBe('a')

    expect([server.lines.length, other.lines.length]).toEqual([2, 2])
  })

  test('are not asked for what the first one refuses', async () => {
    await using other = await SchemaRegistryDouble.start()
    server.always = { status: 401, body: { error_code: 401, message: 'Unauthorized' } }

    await expect(read(serdeAt([server.url, other.url]))).rejects.toMatchObject({ code: 'REGISTRY_DENIED' })
    expect(other.lines).toEqual([])
  })
})

test('the schema of a serde is compiled once, whatever number of schemas it reads', async () => {
  for (const id of [8, 9]) server.put(id, { schema: text })
  const writer = vi.fn(async () => ({ recordName: undefined, write: () => letter }))
  const format: Format = { type: 'AVRO', name: 'avro', reader: async () => () => 'a', writer }
  const serde = new RegistrySerde(registryAt(server.url), format, z.string(), { schema: text })

  await Promise.all([read(serde), read(serde, 8)])
  await read(serde, 9)

  expect(writer).toHaveBeenCalledOnce()
})

describe('credentials', () => {
  test.each([
    ['of a user', { username: 'mill', password: 'wind: and water' }, `Basic ${btoa('mill:wind: and water')}`],
    ['of a token', { token: 'abc' }, 'Bearer abc'],
  ])('%s travel with every request', async (_, options, authorization) => {
    server.authorization = authorization

    expect(await read(serdeAt(server.url, options))).toBe('a')
  })

  test.each([
    ['a password without a user', { password: 'x' }, /go together/],
    ['a token and a user', { token: 'x', username: 'a', password: 'b' }, /a token, and a user/],
    ['credentials over plain http', { url: 'http://registry.example.com', token: 'x' }, /unencrypted/],
    ['credentials in the URL', { url: 'https://a:b@registry.example.com' }, /more than an address/],
    ['certificates for plain http', { ssl: { ca: '' } }, /the schema registry got certificates, and .+ is not https/],
    ['no URL', { url: 'registry:8081' }, /not an http or https address/],
    ['an empty list of URLs', { url: [] }, /has no URL/],
    ['a token twice', { token: 'x', tokenFile: 'y' }, /got a token twice/],
    ['a file of a token over plain http', { url: 'http://registry.example.com', tokenFile: 'x' }, /unencrypted/],
  ])('%s are refused', (_, options, message) => {
    expect(() => schemaRegistry({ url: server.url, ...options })).toThrow(message)
  })

  test('in files are read for every request', async () => {
    await using folder = await temporaryDirectory()
    const [passwordFile, tokenFile] = [join(folder.path, 'password'), join(folder.path, 'token')]
    await writeFile(passwordFile, 'wind\n')
    await writeFile(tokenFile, 'first')
    for (const id of [8, 9, 10]) server.put(id, { schema: text })
    const user = serdeAt(server.url, { username: 'mill', passwordFile })
    const robot = serdeAt(server.url, { tokenFile })

    await Promise.all([read(user), read(robot, 8)])
    await writeFile(passwordFile, 'water')
    await writeFile(tokenFile, 'second')
    await Promise.all([read(user, 9), read(robot, 10)])

    const sent = server.requests.map(({ headers }) => headers.authorization).toSorted()
    const basic = ['wind', 'water'].map((password) => `Basic ${btoa(`mill:${password}`)}`)
    expect(sent).toEqual([...basic, 'Bearer first', 'Bearer second'].toSorted())
  })

  test.each([
    ['is gone', undefined, /^the token for the schema registry cannot be read from .+ ENOENT/],
    ['is empty', ' \n', /is empty or has characters that no key has$/],
  ])('whose file %s fail the request at once', async (_, content, fact) => {
    await using folder = await temporaryDirectory()
    const tokenFile = join(folder.path, 'token')
    if (content !== undefined) await writeFile(tokenFile, content)

    await expect(read(serdeAt(server.url, { tokenFile }))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      fact: expect.stringMatching(fact),
    })
    expect(server.lines).toEqual([])
  })

  test('are in no message', async () => {
    server.always = { status: 401, body: { error_code: 401, message: 'Unauthorized' } }

    const message = await read(serdeAt(server.url, { token: 'canary' })).catch(String)

    expect(message).toContain('REGISTRY_DENIED')
    expect(message).not.toContain('canary')
  })
})
