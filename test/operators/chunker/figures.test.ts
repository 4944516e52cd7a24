import { beforeAll, describe, expect, test } from 'vitest'
import { createChunker } from '../../../src/operators/chunker/chunker.ts'
import { markdown } from '../../../src/operators/chunker/markdown.ts'
import { book500, changeStream } from '../../support/change-stream.ts'
import { type ChunkerFigures, chunkerFigures } from '../../support/chunker-figures.ts'

describe('500 commits of the book, cut with default settings', () => {
  let figures: ChunkerFigures

  beforeAll(() => {
    figures = chunkerFigures(changeStream(book500), createChunker(markdown))
  })

  test('no version loses or repeats a character, white space aside', () => {
    expect(figures.updates).toBeGreaterThan(800)
    expect(figures.notTiled).toBe(0)
  })

  test('an update embeds at most 27 % of what embedding the whole document would', () => {
    expect(figures.characters).toBeLessThanOrEqual(0.25)
    expect(figures.charactersWithHeadings).toBeLessThanOrEqual(0.27)
  })

  test('a chunk has 600 to 800 plain characters on average', () => {
    expect(figures.meanChunk).toBeGreaterThanOrEqual(600)
    expect(figures.meanChunk).toBeLessThanOrEqual(800)
  })

  test('hardly a point is written that was not embedded', () => {
    expect(figures.pointsWritten).toBeLessThanOrEqual(1.01 * figures.chunksEmbedded)
  })

  test('changes of markup are payload updates', () => {
    expect(figures.payloadUpdates).toBeGreaterThan(400)
  })

  test('documents do not end in scraps, and sentences and fences stay whole', () => {
    expect(figures.headsAndTails).toBe(0)
    expect(figures.cutSentences + figures.cutFences).toBeLessThanOrEqual(0.01)
    expect(figures.cutLongCode).toBeLessThanOrEqual(0.01)
  })
})
