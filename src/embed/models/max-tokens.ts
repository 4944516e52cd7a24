import { join } from 'node:path'
import { StreamError } from '../../errors.ts'
import { isPositive, isWhole, type JsonObject, positive, readJson } from './json-file.ts'

/**
 * Families whose positions are counted as fairseq counts them: the first token has the one behind that of padding, which has the id of its
 * token. So RoBERTa has 514 positions for 512 tokens (`create_position_ids_from_input_ids` of transformers).
 */
const countingFromPadding: ReadonlySet<unknown> = new Set([
  'camembert',
  'data2vec-text',
  'ibert',
  'lilt',
  'longformer',
  'luke',
  'mpnet',
  'roberta',
  'roberta-prelayernorm',
  'xlm-roberta',
  'xlm-roberta-xl',
  'xmod',
])

/** The token of padding in these families, for a config.json that does not name it. */
const usualPadding = 1

/**
 * The most tokens of a text that the model in a folder reads: the limit that sentence-transformers has for it, else the least that is known,
 * and never more than its weights have positions for. (The limit in tokenizer.json is that of its last use.)
 *
 * Throws MODEL_INVALID when there is none.
 */
export async function readMaxTokens(folder: string, config: JsonObject): Promise<number> {
  const limits = await readJson(join(folder, 'sentence_bert_config.json'))
  const tokenizer = await readJson(join(folder, 'tokenizer_config.json'))
  const positions = usablePositions(folder, config)
  const known = [positions, config.n_positions, tokenizer?.model_max_length].filter(isPositive)
  const least = known.length > 0 ? Math.min(...known) : undefined
  const limit = positive(limits?.max_seq_length ?? least, `the length limit of ${folder}`)
  return Math.min(limit, positions ?? limit)
}

/** Undefined when the model does not say, or has no end. */
function usablePositions(folder: string, config: JsonObject): number | undefined {
  const { max_position_embeddings: positions, model_type, pad_token_id } = config
  if (!isPositive(positions)) return undefined
  if (!countingFromPadding.has(model_type)) return positions
  const padding = isWhole(pad_token_id) ? pad_token_id : usualPadding
  const usable = positions - (padding + 1)
  if (usable > 0) return usable
  throw new StreamError(
    'MODEL_INVALID',
    `max_position_embeddings in ${join(folder, 'config.json')} leaves no position for a token behind that of padding`,
  )
}
