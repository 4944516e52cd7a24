import { type ErrorCode, isStreamError, reasonOf } from '../../errors.ts'
import type { Broker } from '../../runtime/broker.ts'
import type { TopicLook } from '../../runtime/topics/topics.ts'
import type { Pipeline, Resource, VectorIndex } from '../../topology/processor.ts'
import type { Machine } from './machine.ts'
import type { NewestRecord } from './newest-records.ts'
import type { Program } from './partitions.ts'

/** `skipped`: what the check needs cannot be had, which another check tells. */
export type Level = 'ok' | 'warning' | 'problem' | 'skipped'

export interface Finding {
  readonly level: Level
  /** A sentence without its full stop. */
  readonly fact: string
  /** The next step, as a sentence. */
  readonly fix?: string
  readonly code?: ErrorCode
}

/** What checks may ask for. Each is made when the first check asks, once for all of them. */
export interface Given {
  readonly machine: Machine
  readonly program: Program
  /** Open. */
  readonly log: Broker
  readonly topics: TopicLook
  /** Of some partitions of each topic that the program reads. */
  readonly newest: readonly NewestRecord[]
  /** Of all brokers, `host:port`, as the cluster tells them. */
  readonly addresses: readonly string[]
  /** Open: whatever makes vectors. */
  readonly models: readonly Resource[]
  /** Not open, with what is known of the pipeline that would write it: nothing when its model cannot be opened. */
  readonly indexes: readonly { readonly index: VectorIndex; readonly pipeline: Pipeline | undefined }[]
}

export type Need = keyof Given

/**
 * One thing to look at. A check writes nothing and starts nothing. To add one: a value like this in a file of its area, and its name in
 * the list of `checks.ts`; order there decides who tells of a need that cannot be had.
 *
 * @example
 * export const node: Check<'machine'> = {
 *   name: 'node',
 *   needs: ['machine'],
 *   examine: async ({ machine }) => [ok(`Node ${machine.nodeVersion}`)],
 * }
 */
export interface Check<N extends Need = Need> {
  /** One or two words, in the first column of the report. */
  readonly name: string
  /** Without a file, or without brokers, the checks that need them are left out. */
  readonly needs: readonly N[]
  /** An error that it throws is a problem. No findings: nothing to say, so that nothing is said. */
  examine(given: Pick<Given, N>): Promise<readonly Finding[]>
}

export const ok = (fact: string): Finding => ({ level: 'ok', fact })

export const warning = (fact: string, fix: string): Finding => ({ level: 'warning', fact, fix })

export const problem = (fact: string, fix: string): Finding => ({ level: 'problem', fact, fix })

/** What was thrown, as a finding. */
export function problemOf(error: unknown): Finding {
  if (!isStreamError(error)) return problem(reasonOf(error), 'This is a defect of Millrace: please report it.')
  return { level: 'problem', fact: error.fact.trimEnd(), fix: error.fix, code: error.code }
}
