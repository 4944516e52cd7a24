import { expect, test } from 'vitest'
import { sentenceStarts } from '../../../src/operators/chunker/sentences.ts'

function sentencesOf(text: string): string[] {
  const starts = [0, ...sentenceStarts(text, { start: 0, end: text.length }), text.length]
  return starts.slice(1).map((end, i) => text.slice(starts[i], end).trim())
}

test.each<[name: string, sentences: string[]]>([
  ['Latin', ['One is here.', 'Two is (not.)', '“Three?”', 'Four!', '5 is a number.']],
  ['marks around them', ['**One.**', '*Two.*', '`three` ends.', '[Four](x) as well.']],
  ['initials and abbreviations', ['Ask J. Smith, e.g. Monday.', 'He knows.']],
  ['names of files and versions', ['Open main.rs in v1.2 first.', 'Then stop.']],
  ['Cyrillic and Greek', ['Это первое.', 'Это второе.', 'Μία πρόταση.']],
  ['Arabic and Hindi', ['هل هذا سؤال؟', 'نعم.', 'यह पहला है।', 'यह दूसरा है।']],
  ['Chinese and Japanese', ['第一句。第二句！'].flatMap(() => ['第一句。', '第二句！', 'これは三番目です。'])],
])('%s', (_, sentences) => {
  const separator = sentences[0]?.includes('。') ? '' : ' '

  expect(sentencesOf(sentences.join(separator))).toEqual(sentences)
})

test('offsets count from the start of the text, not of the range', () => {
  const text = 'Before. One. Two.'

  expect(sentenceStarts(text, { start: 8, end: text.length })).toEqual([13])
})
