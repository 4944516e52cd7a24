import { describe, expect, test } from 'vitest'
import { loadLibraryTokenizer } from '../../src/embed/library-tokenizer.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { openTiny, type TinyModel, tinyVector, writeTinyModel } from '../support/tiny-model.ts'

const never = new AbortController().signal
const added = (...contents: string[]) =>
  contents.map((content, id) => ({
    ...{ id, content, special: true },
    ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
  }))
const frame = (start: string, end: string) => ({
  type: 'TemplateProcessing',
  single: [start, 'A', end].map((id) =>
    id === 'A' ? { Sequence: { id, type_id: 0 } } : { SpecialToken: { id, type_id: 0 } },
  ),
  pair: [],
  special_tokens: Object.fromEntries([start, end].map((id, at) => [id, { id, ids: [at === 0 ? 2 : 3], tokens: [id] }])),
})

/** Like that of XLM-R: the likeliest pieces win, a space is part of the piece behind it. */
const unigram = {
  added_tokens: added('<pad>', '<unk>', '<s>', '</s>'),
  normalizer: { type: 'NFKC' },
  pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always', split: true },
  post_processor: frame('<s>', '</s>'),
  decoder: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always', split: true },
  model: {
    type: 'Unigram',
    unk_id: 1,
    byte_fallback: false,
    vocab: [
      ['<pad>', 0],
      ['<unk>', 0],
      ['<s>', 0],
      ['</s>', 0],
      ['\u2581mill', -1],
      ['\u2581', -2],
      ['ing', -2],
      ['mill', -3],
    ],
  },
}

/** Like that of RoBERTa: pairs are merged in the order in which they were learned. */
const bpe = {
  added_tokens: added('<pad>', '<unk>', '<s>', '</s>'),
  normalizer: null,
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: frame('<s>', '</s>'),
  decoder: null,
  model: {
    type: 'BPE',
    unk_token: '<unk>',
    continuing_subword_prefix: '',
    end_of_word_suffix: '',
    fuse_unk: false,
    byte_fallback: false,
    vocab: { '<pad>': 0, '<unk>': 1, '<s>': 2, '</s>': 3, m: 4, i: 5, mi: 6, l: 7 },
    merges: [['m', 'i']],
  },
}

describe('the library tokenizer', () => {
  test.each<[string, object, string, number[]]>([
    ['Unigram', unigram, 'mill milling', [2, 4, 4, 6, 3]],
    ['Unigram, of what it does not know', unigram, 'mill \u6c34', [2, 4, 5, 1, 3]],
    ['BPE', bpe, 'mill mi', [2, 6, 7, 7, 6, 3]],
    ['BPE, of what it does not know', bpe, 'mix', [2, 6, 1, 3]],
  ])('gives the ids of %s', async (_, tokenizer, text, ids) => {
    await using folder = await temporaryDirectory()
    await writeTinyModel(folder.path, { files: { 'tokenizer.json': tokenizer } })

    const encode = await loadLibraryTokenizer(folder.path)

    expect(encode(text, 16)).toEqual({ ids: Int32Array.from(ids), truncated: false })
  })

  test('follows the settings of tokenizer_config.json that belong to the id of an embedder', async () => {
    await using folder = await temporaryDirectory()
    const idsWith = async (settings: object) => {
      await writeTinyModel(folder.path, { files: { 'tokenizer.json': bpe, 'tokenizer_config.json': settings } })
      return [...(await loadLibraryTokenizer(folder.path))('MI', 16).ids]
    }

    expect(await idsWith({})).toEqual([2, 1, 1, 3])
    expect(await idsWith({ do_lowercase_and_remove_accent: true })).toEqual([2, 6, 3])
  })

  test('cuts what is too long, keeps the end token, and says so', async () => {
    await using folder = await temporaryDirectory()
    await writeTinyModel(folder.path, { files: { 'tokenizer.json': unigram } })
    const encode = await loadLibraryTokenizer(folder.path)

    expect(encode('mill mill mill', 5)).toEqual({ ids: Int32Array.of(2, 4, 4, 4, 3), truncated: false })
    expect(encode('mill mill mill mill', 5)).toEqual({ ids: Int32Array.of(2, 4, 4, 4, 3), truncated: true })
  })

  test('that gives nothing for a letter is refused: nobody could tell its start from its end', async () => {
    const { model, ...others } = bpe
    const silent = { ...others, model: { ...model, unk_token: null, vocab: { ...model.vocab, '<unk>': 1 } } }
    await using folder = await temporaryDirectory()
    await writeTinyModel(folder.path, { files: { 'tokenizer.json': { ...silent, pre_tokenizer: null } } })

    await expect(loadLibraryTokenizer(folder.path)).rejects.toMatchObject({ code: 'MODEL_INVALID' })
  })
})

describe('a model with such a tokenizer', () => {
  const mean = (...tokens: number[]) => {
    const rows = tokens.map(tinyVector)
    return [0, 1, 2, 3].map((at) => Math.fround(rows.reduce((sum, row) => sum + (row[at] ?? 0), 0) / rows.length))
  }
  const model = (tokenizer: object): TinyModel => ({ files: { 'tokenizer.json': tokenizer } })

  test.each([
    ['Unigram', unigram, mean(2, 4, 4, 6, 3)],
    ['BPE', bpe, mean(2, 6, 7, 7, 6, 7, 7, 5, 1, 1, 3)],
  ])('of kind %s embeds from text to vector', async (_, tokenizer, expected) => {
    await using tiny = await openTiny(model(tokenizer))

    const [vector] = await tiny.embedder.embed(['mill milling'], never)

    expect([...(vector ?? [])].map((value) => value.toFixed(5))).toEqual(expected.map((value) => value.toFixed(5)))
  })

  test('tells which of many texts were cut', async () => {
    await using tiny = await openTiny(model(unigram))
    const cut: number[] = []

    await tiny.embedder.embed(['mill', 'mill '.repeat(40), 'milling', 'milling '.repeat(9)], never, {
      onTruncated: (at) => cut.push(at),
    })

    expect(cut.toSorted()).toEqual([1, 3])
    expect(tiny.embedder.stats.truncatedTexts).toBe(2)
  })

  test('of another model is refused before anything is embedded', async () => {
    const foreign = { ...unigram, model: { ...unigram.model, vocab: [...unigram.model.vocab, ['flour', -9]] } }

    await expect(openTiny(model(foreign))).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: expect.stringMatching(/has tokens up to 8, config.json of the model knows those below 8/),
    })
  })
})
