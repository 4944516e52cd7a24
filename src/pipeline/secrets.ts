import { isSecret } from './json-schema.ts'
import { scalarsOf, type YamlNode } from './yaml-tree.ts'

const redacted = '<redacted>'

/** A shorter text is found by accident in others. */
const shortest = 4

/** Takes secrets out of what is shown. */
export class Secrets {
  readonly #values: ReadonlySet<string>
  readonly #parts: readonly string[]

  private constructor(values: ReadonlySet<string>) {
    this.#values = values
    // A secret that holds another one goes first.
    this.#parts = [...values].filter((value) => value.length >= shortest).sort((a, b) => b.length - a.length)
  }

  /** What a file holds in fields for secrets, and everything that it took from other files. */
  static in(tree: YamlNode): Secrets {
    const secret = scalarsOf(tree).filter(({ path, scalar }) => scalar.origin === 'file' || isSecret(path))
    return new Secrets(new Set(secret.map(({ scalar }) => String(scalar.value)).filter((value) => value !== '')))
  }

  /** A text without any of them, and without the password of a URL. */
  redact(text: string): string {
    if (this.#values.has(text)) return redacted
    const without = this.#parts.reduce((rest, value) => rest.replaceAll(value, redacted), text)
    return without.replace(/(\/\/)[^/@\s]+@/g, `$1${redacted}@`)
  }

  /** Data with every secret in it replaced. */
  redactData(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.redactData(item))
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.redactData(item)]))
    if (typeof value === 'string') return this.redact(value)
    return this.#values.has(String(value)) ? redacted : value
  }
}
