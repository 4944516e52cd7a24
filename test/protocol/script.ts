import fc from 'fast-check'
import type { Failpoint } from '../../src/runtime/commit/checkpoint.ts'
import { stories } from './stories.ts'

/** A version of a document: each word becomes one chunk, the mark is part of every payload. `null` deletes. */
export type Version = { readonly words: readonly string[]; readonly mark: number } | null

export const instances = ['one', 'two'] as const
export type InstanceName = (typeof instances)[number]

/** How a request ends, for the index and for who sent it. */
export type Outcome = 'done' | 'rejected' | 'rejected-partly' | 'unknown' | 'outage'

/** What happens to the requests of an owner that is gone: two bits a request, in order; see held-index.ts. */
export type Fates = number

export type Action =
  | { readonly kind: 'produce'; readonly key: string; readonly version: Version }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'answer'; readonly request: number; readonly outcome: Outcome }
  | { readonly kind: 'answer-all' }
  | { readonly kind: 'answer-to'; readonly instance: InstanceName }
  | { readonly kind: 'embed-fails'; readonly how: 'text' | 'device' }
  | { readonly kind: 'broker-fails'; readonly what: 'send' | 'commit'; readonly applied: boolean }
  | { readonly kind: 'slow-broker'; readonly turns: number }
  | { readonly kind: 'compact'; readonly what: 'documents' | 'changelogs' }
  | { readonly kind: 'stall'; readonly instance: InstanceName; readonly on: boolean }
  | { readonly kind: 'fetch'; readonly instance: InstanceName; readonly records: number }
  | { readonly kind: 'start'; readonly instance: InstanceName; readonly wiped: boolean }
  | { readonly kind: 'close'; readonly instance: InstanceName }
  | { readonly kind: 'crash'; readonly instance: InstanceName; readonly fates: Fates; readonly next: Successor }
  | {
      readonly kind: 'crash-at'
      readonly instance: InstanceName
      readonly point: Failpoint
      readonly fates: Fates
      readonly next: Successor
    }
  | { readonly kind: 'evict'; readonly instance: InstanceName; readonly fates: Fates }
  | { readonly kind: 'cut-off'; readonly instance: InstanceName; readonly fates: Fates; readonly forMs: number }

/** Who is started at once when an instance has crashed. */
export type Successor = 'same' | 'same-wiped' | 'other' | 'nobody'

export interface Step {
  readonly action: Action
  /** Turns of the event loop that follow. */
  readonly turns: number
}

export interface Script {
  readonly guarantee: 'at_least_once' | 'exactly_once'
  readonly partitions: number
  readonly maxOpenGenerations: number
  readonly steps: readonly Step[]
}

const words = ['alpha', 'bravo', 'candy', 'delta'] as const

const version: fc.Arbitrary<Version> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      words: fc.array(fc.constantFrom(...words), { maxLength: 3 }),
      mark: fc.constantFrom(0, 0, 1),
    }),
  },
  { weight: 1, arbitrary: fc.constant(null) },
)
const key = fc.constantFrom('ann', 'ann', 'ann', 'bob', 'bob', 'cid', 'dan')
const instance = fc.constantFrom<InstanceName[]>('one', 'one', 'two')
const successor = fc.constantFrom<Successor[]>('same', 'same', 'same-wiped', 'other', 'other', 'nobody')
const outcome = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Outcome>('done') },
  { weight: 2, arbitrary: fc.constantFrom<Outcome[]>('rejected', 'rejected-partly', 'unknown', 'outage') },
)
const point = fc.constantFrom<Failpoint[]>(
  'before-changelog',
  'inside-changelog',
  'before-offsets',
  'before-local-state',
  'committed',
)

type Of<Kind extends Action['kind']> = Omit<Extract<Action, { kind: Kind }>, 'kind'>
function action<Kind extends Action['kind']>(
  weight: number,
  kind: Kind,
  fields: { [Name in keyof Of<Kind>]: fc.Arbitrary<Of<Kind>[Name]> },
): fc.WeightedArbitrary<Action> & { readonly kind: Kind } {
  const made = fc.record(fields as Record<string, fc.Arbitrary<unknown>>).map((rest) => ({ kind, ...rest }) as Action)
  return { kind, weight, arbitrary: made }
}

/** Kinds of actions that are left out, `late` for requests that land late, `exactly_once` for that guarantee. */
export type Omission = Action['kind'] | 'late' | 'exactly_once'

/** Random actions, and among them stories: courses of events that alone are too unlikely, with random gaps. */
export function scripts(without: readonly Omission[] = []): fc.Arbitrary<Script> {
  const fate = fc.constantFrom(0, 1, 2, without.includes('late') ? 1 : 3)
  const fates = fc
    .array(fate, { minLength: 8, maxLength: 8 })
    .map((chosen) => chosen.reduce<number>((all, next) => all * 4 + next, 0))
  const turns = fc.constantFrom(30, 30, 12, 3, 0)
  const single = fc.record({ action: fc.oneof(...actionsWith(fates)), turns }).map((step): Step[] => [step])
  const parts = fc.array(
    fc.oneof(
      { weight: 20, arbitrary: single },
      ...stories({ fates, version, key }).map((arbitrary) => ({ weight: 1, arbitrary })),
    ),
    { minLength: 6, maxLength: 36, size: 'max' },
  )
  return fc.record({
    guarantee: fc.constantFrom<Script['guarantee'][]>(
      'at_least_once',
      ...(without.includes('exactly_once') ? [] : (['at_least_once', 'exactly_once'] as const)),
    ),
    partitions: fc.constantFrom(1, 1, 2),
    maxOpenGenerations: fc.constantFrom(4, 2),
    steps: parts.map((all) => all.flat().filter((step) => !without.includes(step.action.kind))),
  })
}

function actionsWith(fates: fc.Arbitrary<Fates>) {
  return [
    action(16, 'produce', { key, version }),
    action(10, 'advance', { ms: fc.constantFrom(10, 60, 60, 60, 200, 1_000) }),
    action(10, 'answer', { request: fc.nat(7), outcome }),
    action(7, 'answer-all', {}),
    action(3, 'answer-to', { instance }),
    action(1, 'embed-fails', { how: fc.constantFrom('text', 'device') }),
    action(1, 'broker-fails', { what: fc.constantFrom('send', 'commit'), applied: fc.boolean() }),
    action(1, 'slow-broker', { turns: fc.constantFrom(0, 5, 40) }),
    action(4, 'compact', { what: fc.constantFrom('documents', 'documents', 'changelogs') }),
    action(1, 'stall', { instance, on: fc.boolean() }),
    action(2, 'fetch', { instance, records: fc.integer({ min: 1, max: 3 }) }),
    action(2, 'start', { instance: fc.constantFrom(...instances), wiped: fc.boolean() }),
    action(2, 'close', { instance }),
    action(3, 'crash', { instance, fates, next: successor }),
    action(3, 'crash-at', { instance, point, fates, next: successor }),
    action(1, 'evict', { instance, fates }),
    action(1, 'cut-off', { instance, fates, forMs: fc.constantFrom(400, 1_100, 1_500) }),
  ]
}

/** A script for people, a line a step. */
export function linesOf({ guarantee, partitions, maxOpenGenerations, steps }: Script): string[] {
  return [
    `${guarantee}, ${partitions} partition(s), up to ${maxOpenGenerations} open generations; instance one is started`,
    ...steps.map(({ action: next, turns }, index) => `${index + 1}. ${lineOf(next)}; ${turns} turns`),
  ]
}

export function lineOf({ kind, ...fields }: Action): string {
  const details = Object.entries(fields).map(([name, value]) =>
    name === 'version' ? textOf(value as Version) : name === 'fates' ? fatesText(value as number) : `${name} ${value}`,
  )
  return [kind, ...details].join(', ')
}

export function textOf(value: Version): string {
  return value === null ? 'delete' : `[${value.words.join(' ')}] mark ${value.mark}`
}

/** Two bits a request, the first eight. */
const fateNames = ['never', 'lands', 'lands partly', 'lands late'] as const
export type Fate = (typeof fateNames)[number]

export function fateOf(value: Fates, request: number): Fate {
  return fateNames[(value >> (2 * (request % 8))) & 3] ?? 'never'
}

function fatesText(value: Fates): string {
  return `its requests: ${[0, 1, 2].map((request) => fateOf(value, request)).join(', ')} ...`
}
