const paragraph = `A mill race carries water from the river to the wheel and back again. The miller opens the sluice in the
morning, listens to the stones, and closes it when the hopper runs empty. Nobody grinds grain that has been ground before: what came
yesterday stays in its sack, and only what is new goes between the stones. In a dry summer two mills share one race, and each takes the
hours that the other leaves. An old account book names every sack with its owner, the day, the weight before and the weight after, so
that the sum can be proved at the end of the year, whatever happened to a wheel, a stone or a miller in between.`

/** In lower case: it is compared without what is done to texts before the tokenizer. */
export const goldenText = 'a mill grinds grain into flour, and the river turns its wheel.'

const lengths = [8, 16, 24, 32, 48, 64, 80, 112]

/** Different texts in English of the lengths that chunks of documents have; for measuring without a corpus. */
export function sampleTexts(count = 128): readonly string[] {
  const words = paragraph.split(/\s+/)
  return Array.from({ length: count }, (_, at) => {
    const start = (at * 7) % words.length
    const length = lengths[at % lengths.length] ?? 8
    const text = Array.from({ length }, (_, offset) => words[(start + offset) % words.length]).join(' ')
    return `${at + 1}. ${text}`
  })
}
