import { StreamError } from '../../errors.ts'
import { isObject } from './json-file.ts'

/**
 * Throws MODEL_INVALID when a tokenizer gives ids that the model has no weights for: it belongs to another model. Added tokens do not
 * count, because models of some makers lack weights for tokens that no text has.
 *
 * `definition` is the content of its tokenizer.json; `size` is the vocabulary of the model, undefined when it is not to be looked at.
 */
export function refuseForeignIds(folder: string, definition: unknown, size: number | undefined): void {
  if (size === undefined) return
  const largest = largestId(definition)
  if (largest < size) return
  throw new StreamError(
    'MODEL_INVALID',
    `${folder}/tokenizer.json has tokens up to ${largest}, config.json of the model knows those below ${size}`,
    { fix: 'Put the tokenizer of this model in its place: with another one every vector is wrong.' },
  )
}

/** Of the vocabulary in a tokenizer.json, which is an object of ids by token, or for Unigram an array; -1 when there is none. */
export function largestId(definition: unknown): number {
  const model = isObject(definition) ? definition.model : undefined
  const vocabulary = isObject(model) ? model.vocab : undefined
  if (Array.isArray(vocabulary)) return vocabulary.length - 1
  let largest = -1
  if (isObject(vocabulary))
    for (const id of Object.values(vocabulary)) if (typeof id === 'number' && id > largest) largest = id
  return largest
}
