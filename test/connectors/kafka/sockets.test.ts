import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { KafkaClientFactory, retries } from '../../../src/connectors/kafka/client.ts'
import type { Cluster } from '../../../src/connectors/kafka/internals.ts'

/** A server that takes connections and answers nothing. */
async function silentServer() {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    sockets,
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

interface Connecting {
  connect(): Promise<boolean>
}

/** A connection of a client, which KafkaJS keeps inside of its brokers. */
async function connectionOf(factory: KafkaClientFactory): Promise<Connecting> {
  let found: Cluster | undefined
  factory
    .kafka(retries.request, (cluster) => {
      found = cluster
    })
    .admin()
  const builder: { build(): Promise<{ pool: readonly Connecting[] }> } = Reflect.get(
    found ?? {},
    'brokerPool',
  ).connectionPoolBuilder
  const [connection] = (await builder.build()).pool
  if (!connection) throw new Error('KafkaJS has no connection')
  return connection
}

test('two who ask for a connection at once share it', async () => {
  await using server = await silentServer()
  const factory = new KafkaClientFactory({ brokers: [`127.0.0.1:${server.port}`] })
  const connection = await connectionOf(factory)

  await Promise.all([connection.connect(), connection.connect()])

  await expect.poll(() => server.sockets.size).toBe(1)
  factory.destroyConnections()
  await expect.poll(() => server.sockets.size).toBe(0)
})

test('connections that KafkaJS has lost sight of end with the rest', async () => {
  await using server = await silentServer()
  const factory = new KafkaClientFactory({ brokers: [`127.0.0.1:${server.port}`] })
  const connections = await Promise.all([connectionOf(factory), connectionOf(factory)])
  await Promise.all(connections.map((connection) => connection.connect()))
  await expect.poll(() => server.sockets.size).toBe(2)

  factory.destroyConnections()

  await expect.poll(() => server.sockets.size).toBe(0)
})

test('a client that is closed connects no more, and one that is made afterwards does', async () => {
  await using server = await silentServer()
  const factory = new KafkaClientFactory({ brokers: [`127.0.0.1:${server.port}`] })
  const closed = await connectionOf(factory)
  factory.destroyConnections()

  await expect(closed.connect()).rejects.toThrow('the client is closed')
  const fresh = await connectionOf(factory)
  await fresh.connect()

  await expect.poll(() => server.sockets.size).toBe(1)
  factory.destroyConnections()
  await expect.poll(() => server.sockets.size).toBe(0)
})
