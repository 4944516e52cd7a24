import { loadLibraryTokenizer } from './library-tokenizer.ts'
import { serveRequests, type WorkerService } from './worker-port.ts'
import { packRows, type TokenizerReply, type TokenizerSetup } from './worker-protocol.ts'

serveRequests(openTokenizer)

async function openTokenizer(
  setup: TokenizerSetup,
): Promise<WorkerService<undefined, readonly string[], TokenizerReply>> {
  const encode = await loadLibraryTokenizer(setup.folder)
  return {
    ready: undefined,
    async handle(texts) {
      const encodings = texts.map((text) => encode(text, setup.maxTokens))
      const rows = packRows(encodings.map((encoding) => encoding.ids))
      const truncated = encodings.map((encoding) => encoding.truncated)
      return { message: { rows, truncated }, transfer: [rows.ids.buffer, rows.lengths.buffer] }
    },
    close: async () => undefined,
  }
}
