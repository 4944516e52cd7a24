import type { Clock } from '../../clock.ts'
import { factOf } from '../../errors.ts'
import type { Serde } from '../../serde.ts'
import { type Check, ok, problem, warning } from './check.ts'
import type { NewestRecord } from './newest-records.ts'

/** Newer than any producer's clock ought to be. */
const toleranceMs = 60_000

/** The clocks of producers and brokers against ours. */
export const clock: Check<'machine' | 'newest'> = {
  name: 'clock',
  needs: ['machine', 'newest'],
  async examine({ machine, newest }) {
    const now = machine.clock.now()
    const [worst] = newest.toSorted((a, b) => b.record.timestamp - a.record.timestamp)
    const aheadMs = (worst?.record.timestamp ?? 0) - now
    if (!worst || aheadMs <= toleranceMs) return [ok('no record is from the future')]
    return [
      warning(
        `the newest record of ${nameOf(worst)} is ${Math.round(aheadMs / 1_000)} s in the future`,
        'Set the clocks right (NTP) of this machine, of the producers and, with LogAppendTime, of the brokers: such a record closes windows too early.',
      ),
    ]
  },
}

/** Whether the program can read what its producers write, and has the schemas for it. */
export const records: Check<'machine' | 'program' | 'newest'> = {
  name: 'records',
  needs: ['machine', 'program', 'newest'],
  async examine({ machine, program: { settings }, newest }) {
    const findings = await Promise.all(
      newest.map(async (one) => {
        const reason = await obstacleTo(one, machine.clock)
        if (reason === undefined) return []
        const fact = `the newest record of ${nameOf(one)} cannot be read: ${reason}`
        const finding = settings.onUndecodable === 'fail' ? problem : warning
        return [
          finding(
            fact,
            'Correct the producer, or the format of the source: such a record is given up (`onUndecodable`).',
          ),
        ]
      }),
    )
    const told = findings.flat()
    if (told.length > 0) return told
    return newest.length === 0
      ? [ok('there are none yet')]
      : [ok(`the newest of ${newest.length} partitions can be read`)]
  },
}

const nameOf = ({ place: { topic, partition } }: NewestRecord) => `${topic}-${partition}`

/** How long a registry may take to give a schema. */
const preparationMs = 10_000

async function obstacleTo({ node, record }: NewestRecord, time: Clock): Promise<string | undefined> {
  const { key, value } = node.source
  try {
    await read(key, record.key, time)
    await read(value, record.value, time)
    return undefined
  } catch (error) {
    return factOf(error)
  }
}

async function read(serde: Serde<unknown>, bytes: Uint8Array | null, time: Clock): Promise<void> {
  if (bytes === null) return
  const late = new AbortController()
  const cancel = time.after(preparationMs, () =>
    late.abort(new Error(`its schema did not come within ${preparationMs} ms`)),
  )
  try {
    await serde.prepare?.(bytes, late.signal)
    serde.deserialize(bytes)
  } finally {
    cancel()
  }
}
