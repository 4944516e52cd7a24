import type { Plan } from './plan-run.ts'

/** What somebody has measured or is charged. */
export interface Rates {
  readonly textsPerSecond?: number
  readonly tokensPerSecond?: number
  readonly pricePerMillionTokens?: number
}

/** Undefined where no rate is known; null where there is one for tokens, which could not be counted. */
export interface Estimates {
  readonly seconds?: number | null
  readonly price?: number | null
}

/** Follows the rates alone; where both rates of time are known the slower one holds. */
export function estimatesOf({ embeddings: { texts, tokens } }: Plan, rates: Rates): Estimates {
  const { textsPerSecond, tokensPerSecond, pricePerMillionTokens } = rates
  const times = [
    ...(textsPerSecond === undefined ? [] : [texts / textsPerSecond]),
    ...(tokensPerSecond === undefined || tokens === null ? [] : [tokens / tokensPerSecond]),
  ]
  const isTimed = textsPerSecond !== undefined || tokensPerSecond !== undefined
  return {
    ...(isTimed && { seconds: times.length > 0 ? Math.max(...times) : null }),
    ...(pricePerMillionTokens !== undefined && {
      price: tokens === null ? null : (tokens / 1_000_000) * pricePerMillionTokens,
    }),
  }
}
