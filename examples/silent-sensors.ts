// A processor of your own with a store and a punctuator: tells which sensors have been silent for ten minutes.
import { json, keyValueStore, type ProcessorSupplier, string, TopologyBuilder } from 'millrace'
import { kafka, kafkaTopic } from 'millrace/connectors'
import { z } from 'zod'

const minuteMs = 60_000

// With its keys in memory the store can be walked.
export const lastSeen = keyValueStore('last-seen', { key: string, value: json(z.number()), keysInMemory: true })

const silence: ProcessorSupplier<string, number, string, string> = {
  name: 'silence',
  operator: 'silence',
  stores: [lastSeen],
  create: () => ({
    init(context) {
      context.schedule(minuteMs, 'stream-time', (now) => {
        const seen = context.store(lastSeen)
        for (const [sensor, at] of seen.scan()) {
          if (at + 10 * minuteMs > now) continue
          seen.delete(sensor)
          const value = `silent since ${new Date(at).toISOString()}`
          context.forward({ key: sensor, value, timestamp: now, headers: [] })
        }
      })
    },
    process({ key, timestamp }, context) {
      const seen = context.store(lastSeen)
      seen.put(key, Math.max(timestamp, seen.get(key) ?? 0))
    },
  }),
}

export const readings = kafka({ topic: 'readings', key: string, value: json(z.number()) })
export const alerts = kafkaTopic({ topic: 'silent-sensors', key: string, value: string })

const builder = new TopologyBuilder()
builder.stream('readings', readings).process(silence).to('alerts', alerts)

export default builder.build()
