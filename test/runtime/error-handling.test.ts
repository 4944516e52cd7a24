import { describe, expect, test } from 'vitest'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { StreamError } from '../../src/errors.ts'
import { mapValues } from '../../src/operators/map-values.ts'
import { headerText, noHeaders, type StreamRecord } from '../../src/record.ts'
import { msgpack, string } from '../../src/serde.ts'
import type { ProcessorContext, ProcessorSupplier } from '../../src/topology/processor.ts'
import { drive, input, outputs } from '../support/drive.ts'

const deadLetters = kafka({ topic: 'test-dead-letter', key: string, value: msgpack<unknown>() })

/** Fails for the value `bad`. */
const picky = mapValues<string, string, string>('picky', (value) => {
  if (value === 'bad') throw new TypeError('cannot do that')
  return value
})

/** An asynchronous node at the gate that does what the test says. */
function asynchronous(
  action: (value: string, signal: AbortSignal) => Promise<void>,
): ProcessorSupplier<string, string, string, string> {
  return {
    name: 'asynchronous',
    operator: 'test',
    order: 'key',
    create: () => ({
      process: (record, context) => action(record.value ?? '', context.signal).then(() => context.forward(record)),
    }),
  }
}

describe('a record that a processor fails', () => {
  test('becomes a dead letter as it came, with six headers, and the next ones go on', async () => {
    await using driver = await drive<string>((stream) => stream.process(picky))

    await driver.pipe(input, { key: 'a', value: 'bad', timestamp: 5 }, { key: 'a', value: 'good' })

    const [letter] = await driver.read(deadLetters)
    expect(letter).toMatchObject({ key: 'a', value: 'bad', timestamp: 5 })
    const facts = ['exception', 'topic', 'partition', 'offset'].map((name) =>
      headerText(letter?.headers ?? [], `__streams.errors.${name}`),
    )
    expect(facts).toEqual(['RECORD_FAILED', 'in', '0', '0'])
    expect(headerText(letter?.headers ?? [], '__streams.errors.message')).toContain('cannot do that')
    expect(await outputs(driver)).toEqual(['a="good"'])
  })

  test('stops only its own branch: its siblings go on', async () => {
    const seen: unknown[] = []
    await using driver = await drive<string>((stream) => {
      stream.process(picky)
      return stream.process(mapValues('sibling', (value) => seen.push(value)))
    })

    await driver.pipe(input, { key: 'a', value: 'bad' })

    expect(seen).toEqual(['bad'])
  })

  test('is skipped without a letter when the handler says so', async () => {
    await using driver = await drive<string>((stream) => stream.process(picky), { onFailedRecord: 'skip' })

    await driver.pipe(input, { key: 'a', value: 'bad' }, { key: 'a', value: 'good' })

    expect(await driver.read(deadLetters)).toEqual([])
    expect(await outputs(driver)).toEqual(['a="good"'])
  })

  test('fails the runtime when the handler says so, and is not committed', async () => {
    const driver = await drive<string>((stream) => stream.process(picky), { onFailedRecord: 'fail' })

    const piping = driver.pipe(input, { key: 'a', value: 'bad' })

    await expect(piping).rejects.toMatchObject({ code: 'RECORD_FAILED' })
    await driver[Symbol.asyncDispose]()
  })

  test('a fatal error fails the runtime whatever the handler says', async () => {
    const driver = await drive<string>((stream) =>
      stream.process(
        mapValues('fatal', () => {
          throw new StreamError('INDEX_DENIED', 'the key is wrong')
        }),
      ),
    )

    await expect(driver.pipe(input, { key: 'a', value: 'x' })).rejects.toMatchObject({ code: 'INDEX_DENIED' })
    await driver[Symbol.asyncDispose]()
  })
})

describe('an asynchronous processor', () => {
  test('does not hold other keys back while it works on one', async () => {
    const order: string[] = []
    const slow = Promise.withResolvers<void>()
    await using driver = await drive<string>((stream) =>
      stream.process(
        asynchronous(async (value) => {
          if (value === 'slow') await slow.promise
          order.push(value)
          if (value === 'fast') slow.resolve()
        }),
      ),
    )

    await driver.pipe(input, { key: 'a', value: 'slow' }, { key: 'b', value: 'fast' })

    expect(order).toEqual(['fast', 'slow'])
  })

  test('keeps the order of one key', async () => {
    const order: string[] = []
    await using driver = await drive<string>((stream) =>
      stream.process(
        asynchronous(async (value) => {
          for (let turn = 0; turn < 10 - Number(value); turn++) await Promise.resolve()
          order.push(value)
        }),
      ),
    )

    await driver.pipe(input, ...['0', '1', '2', '3'].map((value) => ({ key: 'a', value })))

    expect(order).toEqual(['0', '1', '2', '3'])
  })

  test('that fails with a retry error is asked again until it works', async () => {
    let attempts = 0
    await using driver = await drive<string>((stream) =>
      stream.process(
        asynchronous(async () => {
          attempts++
          if (attempts < 3) throw new StreamError('EMBED_FAILED', 'the server is down')
        }),
      ),
    )

    const piping = driver.pipe(input, { key: 'a', value: 'x' })
    while (attempts < 3) await driver.tick(1_000)
    await piping

    expect(await outputs(driver)).toEqual(['a="x"'])
    expect(await driver.read(deadLetters)).toEqual([])
  })

  test('that hangs is given up after its deadline, and told so by its signal', async () => {
    let told: unknown
    await using driver = await drive<string>(
      (stream) =>
        stream.process(
          asynchronous((value, signal) => {
            signal.addEventListener('abort', () => (told = signal.reason))
            return value === 'hang' ? new Promise(() => undefined) : Promise.resolve()
          }),
        ),
      { recordDeadlineMs: 5_000 },
    )

    const piping = driver.pipe(input, { key: 'a', value: 'hang' }, { key: 'a', value: 'next' })
    while (told === undefined) await driver.tick(1_000)
    await piping

    expect(told).toMatchObject({ code: 'RECORD_TIMEOUT' })
    expect(await driver.read(deadLetters)).toHaveLength(1)
    expect(await outputs(driver)).toEqual(['a="next"'])
  })

  test('that returns a promise before the gate is a mistake of the topology, named as such', async () => {
    await using driver = await drive<string>((stream) =>
      stream.process({ ...asynchronous(async () => undefined), order: 'partition' }),
    )

    await driver.pipe(input, { key: 'a', value: 'x' })

    const [letter] = await driver.read(deadLetters)
    expect(headerText(letter?.headers ?? [], '__streams.errors.message')).toMatch(/returned a promise before the gate/)
  })
})

describe('a punctuator', () => {
  type Schedule = (context: ProcessorContext<string, string>) => void

  /** A node that only punctuates. */
  function punctuating(schedule: Schedule): ProcessorSupplier<string, string, string, string> {
    return { name: 'ticking', operator: 'test', create: () => ({ init: schedule, process: () => undefined }) }
  }

  const tick = (timestamp: number): StreamRecord<string, string> => {
    return { key: 'a', value: 'tick', timestamp, headers: noHeaders }
  }

  test('that returns a promise is refused each time, and the others go on', async () => {
    const givenUp: string[] = []
    await using driver = await drive<string>(
      (stream) =>
        stream.process(
          punctuating((context) => {
            context.schedule(1_000, 'wall-clock', async (time) => {
              await Promise.resolve()
              context.forward(tick(time))
            })
            context.schedule(1_000, 'wall-clock', (time) => context.forward(tick(time)))
          }),
        ),
      { observer: { givenUp: ({ error }) => givenUp.push(`${error.code}: ${error.fact}`) } },
    )

    await driver.advance(1_000)
    await driver.advance(1_000)

    const refusal = 'RECORD_FAILED: node "ticking" returned a promise before the gate'
    expect(givenUp).toEqual([refusal, refusal])
    expect(await outputs(driver)).toEqual(['a="tick"', 'a="tick"'])
  })

  test('leaves nothing behind of what it emitted', async () => {
    const contexts: ProcessorContext<string, string>[] = []
    await using driver = await drive<string>((stream) =>
      stream.process(
        punctuating((context) => {
          contexts.push(context)
          context.schedule(1_000, 'wall-clock', (time) => context.forward(tick(time)))
        }),
      ),
    )

    for (let round = 0; round < 10; round++) await driver.advance(1_000)

    expect(await outputs(driver)).toHaveLength(10)
    const [held] = contexts as readonly (object & { readonly outputs?: readonly unknown[] })[]
    expect(held?.outputs).toEqual([])
  })

  test.each([0, -1, Number.NaN])('with an interval of %d ms is refused by name', async (everyMs) => {
    const driver = drive<string>((stream) =>
      stream.process(punctuating((context) => void context.schedule(everyMs, 'wall-clock', () => undefined))),
    )

    await expect(driver.then((started) => started.settle())).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      fact: `node "ticking" wants to punctuate every ${everyMs} ms`,
    })
  })
})
