import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PieceTable } from '../../src/embed/piece-table.ts'
import { takeVocabulary, type Vocabulary } from '../../src/embed/wordpiece-vocabulary.ts'

function idIn({ starts, continuations }: Vocabulary, piece: string): number | undefined {
  return piece.startsWith('##') ? continuations.idOf(piece.slice(2)) : starts.idOf(piece)
}

const units = fc.oneof(fc.constantFrom('"', '\\', '#', '\n', 'é', '中', '😀', '\ud800', ':'), fc.string())
/** A piece of nothing is nowhere. */
const pieces = fc.string({ unit: units }).filter((piece) => !['', '##'].includes(piece))
const vocabularies = fc.uniqueArray(fc.tuple(pieces, fc.nat()), { selector: ([piece]) => piece, minLength: 1 })

describe('the vocabulary of a tokenizer.json', () => {
  test('is taken out however it is written, and the rest stays what it was', () => {
    fc.assert(
      fc.property(vocabularies, fc.constantFrom(undefined, 1, '\t'), (entries, space) => {
        const definition = {
          added_tokens: [],
          model: { type: 'WordPiece', vocab: Object.fromEntries(entries), unk: '}' },
        }

        const taken = takeVocabulary(JSON.stringify(definition, null, space))

        expect(JSON.parse(taken?.rest ?? '')).toEqual({ ...definition, model: { ...definition.model, vocab: {} } })
        expect(entries.map(([piece]) => taken && idIn(taken.vocabulary, piece))).toEqual(entries.map(([, id]) => id))
        expect(taken?.vocabulary.largestId).toBe(Math.max(...entries.map(([, id]) => id)))
      }),
    )
  })

  test.each([
    ['an array', '{"model":{"vocab":[["a",-1.5]]}}'],
    ['ids that are no whole numbers', '{"model":{"vocab":{"a":1.5}}}'],
    ['an object that does not end', '{"model":{"vocab":{"a":1,'],
    ['an escape that there is not', '{"model":{"vocab":{"\\x":1}}}'],
    ['nothing', '{"model":{}}'],
  ])('that is %s stays in the text', (_what, json) => {
    expect(takeVocabulary(json)).toBeUndefined()
  })
})

describe('a table of pieces', () => {
  test('finds the longest piece that a text goes on with', () => {
    const table = new PieceTable()
    for (const [id, piece] of ['m', 'mill', 'miller', 'illness'].entries()) table.add(piece, id)
    const found = (text: string, from: number) => {
      const piece = table.longestAt(text, from)
      return piece === -1 ? undefined : [table.idAt(piece), table.lengthAt(piece)]
    }

    expect([found('mills', 0), found('a miller', 2), found('millers', 1), found('mi', 0)]).toEqual([
      [1, 4],
      [2, 6],
      undefined,
      [0, 1],
    ])
  })

  test('keeps all pieces when it grows, and the last id of each', () => {
    const table = new PieceTable()
    const words = Array.from({ length: 40_000 }, (_, at) => `${'long'.repeat(at % 9)}${at}`)
    for (const [at, word] of [...words, ...words].entries()) table.add(word, at)

    expect(table.size).toBe(40_000)
    expect(words.every((word, at) => table.idOf(word) === at + 40_000)).toBe(true)
    expect(table.idOf('long')).toBeUndefined()
  })
})
