import { StreamError } from '../../errors.ts'

/** How much may wait, and what becomes of it when there is more. */
export interface BufferBounds {
  readonly maxRecords?: number | undefined
  /** Of keys, values and headers, as they are stored. */
  readonly maxBytes?: number | undefined
  readonly whenFull: 'emit-early' | 'shut-down'
}

/** How much waits. */
export class BufferFill {
  readonly #bounds: BufferBounds
  #records = 0
  #bytes = 0

  constructor(bounds: BufferBounds) {
    this.#bounds = bounds
  }

  /** Nobody needs the size of a record where bytes are not bounded: it is asked for only where they are. */
  add(size: () => number): void {
    this.#records++
    if (this.#bounds.maxBytes !== undefined) this.#bytes += size()
  }

  remove(size: () => number): void {
    this.#records--
    if (this.#bounds.maxBytes !== undefined) this.#bytes -= size()
  }

  get isOver(): boolean {
    return this.#hasTooMany || this.#bytes > (this.#bounds.maxBytes ?? Number.POSITIVE_INFINITY)
  }

  /** Throws BUFFER_FULL where nothing may go out early. */
  requireEarly(step: string): void {
    const { maxRecords, maxBytes, whenFull } = this.#bounds
    if (whenFull === 'emit-early') return
    const excess = this.#hasTooMany
      ? `${this.#records} records wait, and ${maxRecords} may`
      : `${this.#bytes} bytes wait, and ${maxBytes} may`
    throw new StreamError('BUFFER_FULL', `step "${step}" is full: ${excess}`, { details: { node: step } })
  }

  get #hasTooMany(): boolean {
    return this.#records > (this.#bounds.maxRecords ?? Number.POSITIVE_INFINITY)
  }
}
