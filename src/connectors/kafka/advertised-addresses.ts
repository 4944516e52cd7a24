import { type KafkaBrokerOptions, KafkaClientFactory } from './client.ts'
import { requestError } from './errors.ts'

/** The addresses of all brokers of a cluster, as the one that answers knows them: `host:port`, an IPv6 host in brackets. */
export async function advertisedAddresses(options: KafkaBrokerOptions): Promise<readonly string[]> {
  const factory = new KafkaClientFactory(options)
  // KafkaJS itself goes to an advertised address with its second question.
  const cluster = factory.cluster({ allowAutoTopicCreation: false })
  try {
    await cluster.connect()
    const broker = await cluster.brokerPool.findConnectedBroker()
    const { brokers } = await broker.metadata([])
    return brokers.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
  } catch (error) {
    throw requestError(error, factory.name, 'the addresses of its brokers')
  } finally {
    await cluster.disconnect().catch(() => undefined)
    factory.destroyConnections()
  }
}
