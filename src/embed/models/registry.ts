import type { Prompts } from './sentence-transformers.ts'

/** A model that is known to work, and what has to be known about it. */
export interface KnownModel {
  /** `<owner>/<name>` on the hub; a bundled model has its name alone. */
  readonly id: string
  /** SPDX identifier. */
  readonly licence: string
  readonly dimensions: number
  readonly maxTokens: number
  readonly bundled: boolean
  /** SHA-256 by path in the folder. A model without pins here gets them when it is added: the first download is trusted. */
  readonly pins: Readonly<Record<string, string>>
  /** For models whose folder does not name the prompts that they were trained with. */
  readonly prompts?: Prompts
}

const bundled: readonly KnownModel[] = [
  {
    id: 'all-MiniLM-L6-v2',
    licence: 'Apache-2.0',
    dimensions: 384,
    maxTokens: 256,
    bundled: true,
    pins: {
      '1_Pooling/config.json': '4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23',
      'config.json': '953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41',
      'config_sentence_transformers.json': '061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3',
      'golden.json': 'a8ccae56efa9f04fbfed9465f19b7c7704b8ef14539d9a27125b8036338c2180',
      'model_w8.onnx': '67452ad302133d2bbbbe0fa1becfef600bbd2cb3f5fcbec1c488191c3e68f320',
      'modules.json': '84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf',
      'sentence_bert_config.json': 'fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7',
      'special_tokens_map.json': '303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3',
      'tokenizer.json': 'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
      'tokenizer_config.json': 'acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b',
      'vocab.txt': '07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3',
    },
  },
]

interface HubModel extends Pick<KnownModel, 'licence' | 'dimensions' | 'maxTokens'> {
  readonly prompts?: Prompts
}

const e5: Prompts = { passage: 'passage: ', query: 'query: ' }
const searching: Prompts = { passage: '', query: 'Represent this sentence for searching relevant passages: ' }

const onHub: Readonly<Record<string, HubModel>> = {
  'BAAI/bge-base-en-v1.5': { licence: 'MIT', dimensions: 768, maxTokens: 512, prompts: searching },
  'BAAI/bge-small-en-v1.5': { licence: 'MIT', dimensions: 384, maxTokens: 512, prompts: searching },
  'Snowflake/snowflake-arctic-embed-s': { licence: 'Apache-2.0', dimensions: 384, maxTokens: 512, prompts: searching },
  'intfloat/e5-small-v2': { licence: 'MIT', dimensions: 384, maxTokens: 512, prompts: e5 },
  'intfloat/multilingual-e5-small': { licence: 'MIT', dimensions: 384, maxTokens: 512, prompts: e5 },
  'sentence-transformers/all-MiniLM-L6-v2': { licence: 'Apache-2.0', dimensions: 384, maxTokens: 256 },
  'sentence-transformers/all-mpnet-base-v2': { licence: 'Apache-2.0', dimensions: 768, maxTokens: 384 },
  'thenlper/gte-small': { licence: 'MIT', dimensions: 384, maxTokens: 512 },
}

/** The bundled models, then those of the hub that are known to have ONNX weights. Any other model of that kind may be added as well. */
export const knownModels: readonly KnownModel[] = [
  ...bundled,
  ...Object.entries(onHub).map(([id, model]) => ({ id, bundled: false, pins: {}, ...model })),
]

export function knownModel(id: string): KnownModel | undefined {
  return knownModels.find((model) => model.id === id)
}

/** Names of the models that come with the package. */
export const bundledIds: readonly string[] = bundled.map(({ id }) => id)
