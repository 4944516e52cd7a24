import type { Clock } from '../clock.ts'
import { ownThread } from '../package-folder.ts'
import type { Encode } from './engine.ts'
import type { Model } from './models/model.ts'
import type { WordPiece } from './wordpiece.ts'
import { loadWordPiece } from './wordpiece-model.ts'
import { type TokenizerReply, type TokenizerSetup, unpackRows } from './worker-protocol.ts'
import { WorkerThread } from './worker-thread.ts'

/** The tokenizer of a model, wherever it runs. */
export interface ModelTokenizer {
  readonly encode: Encode
  /** Tokens of a whole text; undefined when the tokenizer runs in another thread. */
  readonly count: ((text: string) => number) | undefined
  close(): Promise<void>
}

export interface TokenizerOptions {
  readonly clock: Clock
  /** Milliseconds that a worker may take for the texts of one request. */
  readonly requestTimeoutMs: number
}

/** WordPiece costs a hundredth of the inference and stays here, where its counts are needed; any other tokenizer gets a thread. */
export async function openTokenizer(
  model: Model,
  { clock, requestTimeoutMs }: TokenizerOptions,
): Promise<ModelTokenizer> {
  const { folder, maxTokens, name } = model
  // A vocabulary of any kind is looked at here, before a thread is started for it, unless it was when the model was tried.
  const wordPiece = await loadWordPiece(folder, wasTried(model) ? undefined : model.vocabularySize)
  if (wordPiece) return wordPieceTokenizer(wordPiece, maxTokens)
  const thread = new WorkerThread<TokenizerSetup, undefined, readonly string[], TokenizerReply>({
    name: `model "${name}", tokenizer`,
    entry: ownThread('embed/tokenizer-worker'),
    setup: () => ({ folder, maxTokens }),
    clock,
    requestTimeoutMs,
  })
  await thread.open()
  return {
    async encode(texts) {
      const { rows, truncated } = await thread.run(() => ({ message: texts, transfer: [] }))
      return unpackRows(rows).map((ids, at) => ({ ids, truncated: truncated[at] === true }))
    },
    count: undefined,
    close: () => thread.close(),
  }
}

/** Its tokenizer was looked at when the golden text was recorded, and its hash says whether it is still that one. */
function wasTried({ golden, pins }: Model): boolean {
  return golden !== undefined && pins['tokenizer.json'] !== undefined
}

function wordPieceTokenizer(wordPiece: WordPiece, maxTokens: number): ModelTokenizer {
  return {
    encode: (texts) => texts.map((text) => wordPiece.encode(text, maxTokens)),
    count: (text) => wordPiece.encode(text, Number.POSITIVE_INFINITY).ids.length,
    close: async () => undefined,
  }
}
