/** KafkaJS as it comes, with a handler that does nothing but count. Argument: broker. */
import { Kafka, logLevel } from 'kafkajs'
import { answerRounds, Stopwatch } from './rounds.ts'

const [address = ''] = process.argv.slice(2)

answerRounds(async ({ application, input, records }) => {
  const stopwatch = new Stopwatch()
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const consumer = new Kafka({ brokers: [address], logLevel: logLevel.ERROR }).consumer({ groupId: application })
  await consumer.connect()
  await consumer.subscribe({ topic: input, fromBeginning: true })
  let seen = 0
  await consumer.run({
    eachMessage: async () => {
      stopwatch.begin()
      if (++seen === records) resolve()
    },
  })
  await done
  await consumer.disconnect()
  return stopwatch.read()
})
