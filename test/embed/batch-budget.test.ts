import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/clock.ts'
import { measureBatchTokens } from '../../src/embed/batch-budget.ts'
import type { Device } from '../../src/embed/engine.ts'

/** A device whose runs take `cost(tokens)` milliseconds of a clock turned by hand. */
function deviceThat(cost: (tokens: number) => number) {
  const clock = new ManualClock()
  const seen: number[] = []
  const device: Device = {
    isUsable: true,
    open: async () => undefined,
    async run(rows) {
      const tokens = rows.length * (rows[0]?.length ?? 0)
      seen.push(tokens)
      clock.advance(cost(tokens))
      return new Float32Array()
    },
  }
  const measure = (maxTokens = 256) => measureBatchTokens(device, { clock, maxTokens })
  return { clock, seen, measure }
}

describe('the batch budget of a device', () => {
  test('that gains nothing from more tokens is the smallest', async () => {
    expect(await deviceThat((tokens) => tokens / 100).measure()).toBe(128)
  })

  test('whose runs cost something to start is where that is made up for', async () => {
    expect(await deviceThat((tokens) => 2 + tokens / 100).measure()).toBe(4_096)
  })

  test('that slows down behind its best stays there', async () => {
    const { measure, seen } = deviceThat((tokens) => 2 + (tokens <= 512 ? tokens / 50 : tokens / 20))

    expect(await measure()).toBe(512)
    expect(Math.max(...seen)).toBe(1_024)
  })

  test('is found within 0.4 s, however slow the device is', async () => {
    const { measure, clock } = deviceThat((tokens) => tokens / 2)

    expect(await measure()).toBe(128)
    expect(clock.now()).toBeLessThanOrEqual(400)
  })

  test('is measured with rows that the model can read', async () => {
    const { measure, seen } = deviceThat((tokens) => tokens)

    await measure(16)

    expect(seen).toContain(128)
  })
})
