import type { Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import { refuseUnknownOptions } from '../option-names.ts'
import {
  action,
  clockKind,
  count,
  flag,
  isPlainObject,
  loggerKind,
  type OptionKind,
  type OptionKinds,
  requireKinds,
  text,
  texts,
  wait,
} from '../option-values.ts'

/** What all remote embedders can be told. */
export interface RemoteOptions {
  /** Base URL of the server, or one of each replica. All must have the same model; that is checked. */
  readonly urls?: string | readonly string[]
  /** Sent as bearer token. Refused over plain http to another machine. */
  readonly apiKey?: string
  /** Sent with every request, for gateways that want more than a key. Never shown. */
  readonly headers?: Readonly<Record<string, string>>
  /** Ask for shorter vectors of a Matryoshka model. Default: as long as the model makes them. */
  readonly dimensions?: number
  /** Vectors get unit length, here if the server has not done it. Default true. */
  readonly normalize?: boolean
  /** Put before every text that is stored, for models that were trained with one: `passage: `. Default empty. */
  readonly prefix?: string
  /** Put before every text that is a query: `query: `. Default `prefix`. */
  readonly queryPrefix?: string
  /** Requests that one server gets at a time. */
  readonly maxConcurrentRequests?: number
  /**
   * Texts of a request; a server that says that it takes fewer gets fewer. One of them is a short text that shows whether the model is
   * still the same; 1 leaves that out, for servers that take no lists.
   */
  readonly maxBatchTexts?: number
  /** Texts of a request x the longest of them, in UTF-16 units; a longer text travels alone. */
  readonly maxBatchCharacters?: number
  /** The longest that a text waits for company while every server is busy. Milliseconds, default 20. */
  readonly maxWaitMs?: number
  /** After that long without an answer the server is checked, and the batch tried in smaller parts. Milliseconds, default 60,000. */
  readonly requestTimeoutMs?: number
  readonly clock?: Clock
  readonly logger?: Logger
  /** From 0 to 1, for the length of pauses. Default `Math.random`. */
  readonly random?: () => number
}

/** Node's fetch gives up by itself after so long. */
const longestTimeoutMs = 300_000

const remoteOptionKinds: OptionKinds<RemoteOptions> = {
  urls: {
    words: 'an address or an array of them',
    type: 'object',
    fits: (value) => text.fits(value) || texts.fits(value),
  },
  apiKey: text,
  headers: {
    words: 'an object of texts',
    type: 'object',
    fits: (value) => isPlainObject(value) && texts.fits(Object.values(value)),
  },
  dimensions: count,
  normalize: flag,
  prefix: text,
  queryPrefix: text,
  maxConcurrentRequests: count,
  maxBatchTexts: count,
  maxBatchCharacters: count,
  maxWaitMs: wait,
  requestTimeoutMs: { ...count, most: longestTimeoutMs },
  clock: clockKind,
  logger: loggerKind,
  random: action,
}

/** Throws CONFIG_INVALID for options that are unknown, of another kind or out of range. `own` are those that this maker alone has. */
export function checkOptions(maker: string, options: RemoteOptions, own: Readonly<Record<string, OptionKind>>): void {
  const kinds = { ...remoteOptionKinds, ...own }
  refuseUnknownOptions(maker, options, Object.keys(kinds))
  requireKinds(options, kinds)
}

/** The servers' addresses; CONFIG_INVALID when there is none, or one twice. */
export function urlsOf(urls: string | readonly string[] | undefined): readonly string[] {
  const list = urls === undefined ? [] : [urls].flat()
  if (list.length === 0) throw new StreamError('CONFIG_INVALID', '`urls` names no server')
  const addresses = list.map((url) => String(url).replace(/\/+$/, ''))
  if (new Set(addresses).size < addresses.length) throw new StreamError('CONFIG_INVALID', '`urls` names a server twice')
  return list
}
