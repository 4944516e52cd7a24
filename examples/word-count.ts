// Counts words. The counts go to a topic, and stay in the store `counts`, where they can be looked up.
import { json, string, TopologyBuilder } from 'millrace'
import { kafka, kafkaTopic } from 'millrace/connectors'
import { count, flatMapValues } from 'millrace/operators'
import { z } from 'zod'

export const lines = kafka({ topic: 'lines', key: string, value: string })
export const counts = kafkaTopic({ topic: 'word-counts', key: string, value: json(z.number()) })

const builder = new TopologyBuilder()
builder
  .stream('lines', lines)
  .process(flatMapValues('words', (line) => (line ?? '').split(/\W+/).filter(Boolean)))
  .process(count('counts', { by: (word) => word }))
  .to('word-counts', counts)

export default builder.build()
