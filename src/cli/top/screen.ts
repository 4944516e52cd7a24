import type { FrameLine } from './frame.ts'

/** What a screen needs of standard output. */
export interface ScreenOutput {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  write(text: string): unknown
}

export interface ScreenOptions {
  /** Frames replace one another, where this is a terminal. */
  readonly inPlace: boolean
  /** Default: as https://no-color.org has it. */
  readonly color?: boolean
}

const plainColumns = 120
const plainRows = 1_000
const sequence = '\u001b['
const tones = { heading: `${sequence}1m`, alarm: `${sequence}31m` } as const
const plain = `${sequence}0m`

/**
 * Shows frames. On a terminal each takes the place of the one before, on a page of its own that is gone at the end; everywhere else they
 * follow one another as plain text.
 */
export class Screen implements Disposable {
  readonly #output: ScreenOutput
  readonly #isTerminal: boolean
  readonly #inPlace: boolean
  readonly #color: boolean
  #frames = 0

  constructor(output: ScreenOutput, { inPlace, color = (process.env.NO_COLOR ?? '') === '' }: ScreenOptions) {
    this.#output = output
    this.#isTerminal = output.isTTY === true
    this.#inPlace = this.#isTerminal && inPlace
    this.#color = this.#isTerminal && color
  }

  get width(): number {
    return this.#output.columns ?? plainColumns
  }

  /** Lines that are seen at once. */
  get height(): number {
    return this.#inPlace ? (this.#output.rows ?? plainRows) : plainRows
  }

  show(lines: readonly FrameLine[]): void {
    const first = this.#frames++ === 0
    if (!this.#inPlace) {
      this.#output.write(`${first ? '' : '\n'}${lines.map((line) => `${this.#toned(line)}\n`).join('')}`)
      return
    }
    const shown = lines.slice(0, this.height).map((line) => `${this.#toned(line)}${sequence}K`)
    // A page of its own without a cursor; then over what stands there, so that nothing flickers.
    this.#output.write(`${first ? `${sequence}?1049h${sequence}?25l` : ''}${sequence}H${shown.join('\n')}${sequence}J`)
  }

  [Symbol.dispose](): void {
    if (this.#inPlace && this.#frames > 0) this.#output.write(`${sequence}?25h${sequence}?1049l`)
  }

  #toned({ text, tone }: FrameLine): string {
    return tone && this.#color ? `${tones[tone]}${text}${plain}` : text
  }
}
