import type { Embedder } from '../embedder.ts'

/** Opens an embedder, does something with it, and closes it whatever comes of it. */
export async function whileOpen<T>(embedder: Embedder, action: (embedder: Embedder) => Promise<T>): Promise<T> {
  await embedder.open()
  try {
    return await action(embedder)
  } finally {
    await embedder.close()
  }
}
