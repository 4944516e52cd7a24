import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A record as a recording has it: text keys, JSON values. */
export interface RecordedInput {
  readonly topic: string
  readonly key: string | null
  readonly value: unknown
  readonly ts: number
  readonly headers?: readonly (readonly [string, string])[]
  /** The value is the literal bytes, which are no JSON. */
  readonly raw?: true
}

export interface RecordedOutput {
  readonly topic: string
  readonly key: string | null
  readonly value: unknown
  readonly ts: number
  /** Start and end. */
  readonly window?: readonly [number, number]
  readonly headers?: readonly (readonly [string, string])[]
}

export interface RecordedStep {
  readonly in?: RecordedInput
  readonly enqueue?: RecordedInput
  readonly process?: true
  readonly advanceWallClockMs?: number
  readonly commit?: true
  readonly out?: readonly RecordedOutput[]
  readonly dropped?: number
  /** What the functions of the topology were called with, in that order. */
  readonly trace?: readonly unknown[]
  readonly error?: { readonly rootMessage: string }
}

/** Key, value, timestamp, window. */
export type RecordedEntry = readonly [string, unknown, (number | null)?, (readonly [number, number])?]

/** Parameters of a topology; which ones there are depends on `op`. Times in milliseconds. */
export interface RecordedTopology {
  readonly op: string
  readonly words?: string
  readonly storeType: 'inMemory' | 'rocksDB'
  readonly cache: 'on' | 'off'
  readonly commit: 'everyRecord' | 'explicit'
  readonly [parameter: string]: unknown
}

export interface Recording {
  readonly name: string
  readonly op: string
  readonly topology: RecordedTopology
  readonly initialWallClockMs: number
  readonly steps: readonly RecordedStep[]
  readonly stores?: Readonly<Record<string, readonly RecordedEntry[]>>
  /** Changelogs and repartition topics, of the application `app`. */
  readonly internalTopics?: readonly string[]
}

/** Every recording of a folder, by name. Files of other kinds are passed over. */
export function readRecordings(folder: string): Recording[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Partial<Recording>)
    .filter((content): content is Recording => content.steps !== undefined && content.topology !== undefined)
}

export function numberOf({ topology }: Recording, parameter: string): number {
  const value = topology[parameter]
  if (typeof value !== 'number') throw new TypeError(`the topology has no number "${parameter}"`)
  return value
}

export function kindOf({ topology }: Recording): 'inner' | 'left' | 'outer' {
  const { join } = topology
  if (join === 'inner' || join === 'left' || join === 'outer') return join
  throw new TypeError(`there is no join "${join}"`)
}
