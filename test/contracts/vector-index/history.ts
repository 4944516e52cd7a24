import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { IndexOp, PointPayload } from '../../../src/model.ts'
import { payload, point, remove, setPayload, upsert } from '../../support/points.ts'
import type { OpenIndex } from './harness.ts'

/** Random histories against a map. */
export function historyFeatures(subject: OpenIndex): void {
  test('any history of documents leaves what a map would hold', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        await clear(subject)
        const model = new Map<string, PointPayload>()
        const accepted = history.map(({ doc, steps }) => ({
          doc,
          operations: steps.flatMap((step) => play(model, doc, step)),
        }))

        // Documents go side by side, the records of one document one after the other: as the gate lets them through.
        await Promise.all(
          documents.map(async (document) => {
            for (const { doc, operations } of accepted) if (doc === document) await subject.write(doc, ...operations)
          }),
        )

        const stored = [...(await subject.dump()).values()].map((each) => [each.id, each.payload] as const)
        expect(new Map(stored)).toEqual(model)
      }),
      { numRuns: 25 },
    )
  })
}

interface Step {
  readonly kind: IndexOp['kind']
  readonly text: string
  readonly at: number
}

const documents = ['a', 'b', 'c']
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('upsert', 'set-payload', 'delete'),
  text: fc.constantFrom('one', 'two', 'three', 'four'),
  at: fc.nat(99),
})
const histories = fc.array(fc.record({ doc: fc.constantFrom(...documents), steps: fc.array(step, { maxLength: 5 }) }), {
  maxLength: 25,
})

/** Plays one step on the model and returns its operation; none for a payload update that an index refuses. */
function play(model: Map<string, PointPayload>, doc: string, { kind, text, at }: Step): IndexOp[] {
  const given = point(doc, text, { at })
  if (kind === 'delete') {
    model.delete(given.id)
    return [remove(given)]
  }
  if (kind === 'set-payload' && !model.has(given.id)) return []
  model.set(given.id, given.payload)
  return [kind === 'upsert' ? upsert(given) : setPayload(given, payload(doc, text, { at }))]
}

async function clear(subject: OpenIndex): Promise<void> {
  const stored = await subject.dump()
  await subject.write('all', { kind: 'delete', ids: [...stored.keys()] })
}
