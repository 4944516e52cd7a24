/** A bucket of tokens that fills up within a minute. */
import { ApiError } from './api-error.ts'

export class RateLimiter {
  readonly #kind: 'Read' | 'Write'
  readonly #capacity: number
  #tokens: number
  #checkedAt = performance.now()

  constructor(kind: 'Read' | 'Write', capacity: number) {
    this.#kind = kind
    this.#capacity = capacity
    this.#tokens = capacity
  }

  spend(cost: number): void {
    const exceeded = `Rate limiting exceeded: ${this.#kind} rate limit exceeded`
    if (cost > this.#capacity) {
      throw new ApiError(
        429,
        `${exceeded}, request larger than rate limiter capacity, please try to split your request`,
      )
    }
    const now = performance.now()
    this.#tokens = Math.min(this.#capacity, this.#tokens + ((now - this.#checkedAt) / 60_000) * this.#capacity)
    this.#checkedAt = now
    if (this.#tokens >= cost) {
      this.#tokens -= cost
      return
    }
    const seconds = Math.ceil(((cost - this.#tokens) * 60) / this.#capacity)
    const tokens = `Operation requires ${cost} tokens but only ${this.#tokens.toFixed(1)} were available`
    throw new ApiError(429, `${exceeded}: ${tokens}. Retry after ${seconds}s`, { 'retry-after': String(seconds) })
  }
}
