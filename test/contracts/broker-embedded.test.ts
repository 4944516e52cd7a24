import { type EmbeddedBroker, embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { type BrokerTarget, brokerFeatures } from './broker.features.ts'

const capabilities = { waitMs: 10_000, rebalanceTimeoutMs: 200 }
const cleanIntervalMs = 20

async function targetOf(
  broker: EmbeddedBroker,
  afterwards: () => Promise<void> = async () => {},
): Promise<BrokerTarget> {
  await broker.open()
  return {
    broker,
    async another() {
      const client = broker.connect()
      await client.open()
      return client
    },
    async dispose() {
      await broker.close()
      await afterwards()
    },
  }
}

brokerFeatures('the embedded log in memory', () => targetOf(embeddedBroker({ cleanIntervalMs })), capabilities)

brokerFeatures(
  'the embedded log on disk',
  async () => {
    const folder = await temporaryDirectory()
    const broker = embeddedBroker({ directory: folder.path, cleanIntervalMs })
    return targetOf(broker, async () => folder[Symbol.asyncDispose]())
  },
  capabilities,
)
