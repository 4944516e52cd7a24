/** One value of a metric, as a scrape tells it. */
export interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)/
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g
const escapes: Readonly<Record<string, string>> = { n: '\n' }

/**
 * Reads the text format of Prometheus (version 0.0.4). Comments, timestamps and lines that are none of the format are passed over.
 *
 * @example
 * parseExposition('up{job="a"} 1') // [{ name: 'up', labels: { job: 'a' }, value: 1 }]
 */
export function parseExposition(text: string): readonly Series[] {
  return text.split('\n').flatMap((row) => {
    const [, name, labels = '', number = ''] = line.exec(row) ?? []
    const value = numberOf(number)
    return name === undefined || value === undefined ? [] : [{ name, labels: labelsOf(labels), value }]
  })
}

function labelsOf(text: string): Readonly<Record<string, string>> {
  const pairs = [...text.matchAll(label)].map(([, name = '', value = '']) => [name, unescaped(value)] as const)
  return Object.fromEntries(pairs)
}

function unescaped(value: string): string {
  return value.replace(/\\(.)/g, (_, escaped: string) => escapes[escaped] ?? escaped)
}

function numberOf(text: string): number | undefined {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  if (text === '-Inf') return Number.NEGATIVE_INFINITY
  const number = Number(text)
  return text === '' || (Number.isNaN(number) && text !== 'NaN') ? undefined : number
}
