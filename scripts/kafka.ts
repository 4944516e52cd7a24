// Starts one Kafka broker on this machine for a developer: `npm run kafka -- [--port 9092] [--data DIR]`. Ctrl-C stops it.
import { parseArgs } from 'node:util'
import { missingForKafka } from '../test/support/kafka-distribution.ts'
import { KafkaServer } from '../test/support/kafka-server.ts'

const { values } = parseArgs({ options: { port: { type: 'string', default: '9092' }, data: { type: 'string' } } })

const missing = await missingForKafka()
if (missing) {
  process.stderr.write(`${missing}. Install Java 17 or newer and Maven, or use any other Kafka.\n`)
  process.exit(1)
}

process.stderr.write('Starting Kafka (the first time its jars are fetched, about a minute) ...\n')
const server = await KafkaServer.start({
  port: Number(values.port),
  ...(values.data === undefined ? {} : { directory: values.data }),
})
process.stdout.write(`${server.address}\n`)
process.stderr.write(`Kafka is ready at ${server.address}; data in ${server.directory}. Ctrl-C stops it.\n`)

// A second Ctrl-C ends this process at once, and the broker with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => server[Symbol.asyncDispose]())
