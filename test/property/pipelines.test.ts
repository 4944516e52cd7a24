import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isStreamError } from '../../src/errors.ts'
import { nearestName } from '../../src/nearest-name.ts'
import { interpolate } from '../../src/pipeline/interpolate.ts'
import { pipelineOf, problemsOf, smallPipeline } from '../support/pipelines.ts'

const nothing = { environment: {}, readFile: () => '' }
const text = fc.string({ unit: 'binary' })
/** Text in which what matters here is not rare. */
const curly = fc.string({ unit: fc.constantFrom('$', '{', '}', ':', '-', 'A', 'file', '/', ' ', '\n', 'ü') })
const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/)

describe('references in a value', () => {
  test('leave a text alone that has none', () => {
    fc.assert(
      fc.property(text, (value) => {
        fc.pre(!value.includes('${'))
        expect(interpolate(value, nothing)).toEqual({ text: value, problems: [], origin: undefined })
      }),
    )
  })

  test('can be escaped, whatever stands around them', () => {
    fc.assert(
      fc.property(curly, (value) => {
        expect(
          interpolate(
            value.replaceAll('${', () => '$${'),
            nothing,
          ).text,
        ).toBe(value)
      }),
    )
  })

  test('give the text of a variable or a file as it is, also when it looks like a reference', () => {
    fc.assert(
      fc.property(text, name, fc.oneof(text, curly), (before, variable, value) => {
        // With the line break behind it that would be one line break.
        fc.pre(!before.includes('$') && !value.endsWith('\r'))
        const references = { environment: { [variable]: value }, readFile: () => `${value}\n` }

        expect(interpolate(`${before}\${${variable}}`, references).text).toBe(before + value)
        expect(interpolate(`${before}\${file:/secret}`, references).text).toBe(before + value)
      }),
    )
  })

  test('stand for their default when nothing is set', () => {
    fc.assert(
      fc.property(name, text, (variable, standard) => {
        fc.pre(!/[}]|\$\{/.test(standard))
        expect(interpolate(`\${${variable}:-${standard}}`, nothing).text).toBe(standard)
      }),
    )
  })

  test('end in a text or in problems, never in an exception', () => {
    fc.assert(
      fc.property(curly, (value) => {
        const readFile = () => {
          throw new Error('secret')
        }
        const { problems } = interpolate(value, { environment: {}, readFile })
        expect(problems.join()).not.toContain('secret')
      }),
    )
  })
})

describe('a pipeline file', () => {
  const yaml = fc.string({
    unit: fc.constantFrom(
      'a',
      'source',
      'index',
      ':',
      ': ',
      '\n',
      '  ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '&a ',
      '*a',
      '!',
      '|',
      '>',
      '%',
      '#',
      '\t',
      ',',
      '${',
      '1',
      '? ',
      '---\n',
      '<<',
      '~',
      '\u0000',
      '\ufeff',
      '\ud800',
    ),
    maxLength: 60,
  })

  test('of any text is read, or refused with a StreamError', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          yaml,
          yaml.map((rest) => `${smallPipeline}${rest}`),
        ),
        (value) => {
          try {
            pipelineOf(value)
          } catch (error) {
            expect(isStreamError(error), String(error)).toBe(true)
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('of any data is refused with places inside of the file', () => {
    const keys = fc.constantFrom(
      'application',
      'kafka',
      'source',
      'filter',
      'model',
      'index',
      'topic',
      'field',
      'qdrant',
      'brokers',
      'any',
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.jsonValue({ maxDepth: 1 }),
        fc.dictionary(keys, tie('tree'), { maxKeys: 5 }),
        fc.array(tie('tree'), { maxLength: 3 }),
      ),
    }))
    fc.assert(
      fc.property(tree, (data) => {
        const file = JSON.stringify(data, null, 1)
        const lines = file.split('\n').length
        for (const { line, column } of problemsOf(file)) {
          expect(line).toBeGreaterThan(0)
          expect(line).toBeLessThanOrEqual(lines)
          expect(column).toBeGreaterThan(0)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('never tells a secret: not in messages, not in what is printed', () => {
    const canary = fc.stringMatching(/^[A-Za-z0-9]{8,20}$/).map((word) => `canary${word}`)
    const places = fc.constantFrom(
      (value: string) => ({ kafka: { sasl: { mechanism: value, username: 'a', password: value } } }),
      (value: string) => ({ index: { qdrant: { collection: 'a', url: 'http://far.example.com', apiKey: value } } }),
      (value: string) => ({ model: { tei: { urls: `http://user:${value}@far.example.com`, apiKey: value } } }),
      (value: string) => ({ model: { ollama: { model: 'a', headers: { authorization: value, other: 1 } } } }),
      (value: string) => ({ kafka: { ssl: { key: value, passphrase: value, crt: 1 } } }),
      (value: string) => ({ model: { onnx: { model: 'a', device: value, workers: value } } }),
      (value: string) => ({ runtime: { commitIntervalMs: value, offsetReset: value } }),
      (value: string) => ({ kafka: { sasl: { mechanism: 'plain', username: 'a', password: value } } }),
    )
    fc.assert(
      fc.property(canary, places, fc.boolean(), (secret, place, fromFile) => {
        const value = fromFile ? `\${file:/secret}` : secret
        const base = {
          application: 'a',
          source: { topic: 'a', format: 'file' },
          model: { hash: {} },
          index: { sqlite: {} },
        }
        const file = JSON.stringify({ ...base, ...place(value) })
        let shown = ''
        try {
          shown = pipelineOf(file, { files: { '/secret': secret } }).print()
        } catch (error) {
          if (!isStreamError(error)) throw error
          shown = error.message + JSON.stringify(error.details)
        }
        expect(shown).not.toContain(secret)
      }),
      { numRuns: 300 },
    )
  })
})

test('the nearest name of a name with one typing error is that name', () => {
  const names = ['application', 'collection', 'commitIntervalMs', 'brokers']
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.nat(),
      fc.constantFrom('drop', 'double', 'swap', 'case'),
      (right, place, mistake) => {
        const at = place % (right.length - 1)
        const [a = '', b = ''] = right.slice(at, at + 2)
        const written = { drop: a, double: a + b + b, swap: b + a, case: (a + b).toUpperCase() }[mistake]
        expect(nearestName(right.slice(0, at) + written + right.slice(at + 2), names)).toBe(right)
      },
    ),
  )
  expect(nearestName('completely-different', names)).toBeUndefined()
})
