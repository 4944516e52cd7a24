import { cached, hash } from '../../src/embed/index.ts'

/**
 * Embeds one text after the other through a cache in the folder of its first argument, with room for as many bytes as the second says,
 * until it is killed. Prints the number of each call once its vectors are there; the writes go on behind it.
 */
const [path = '', maxDiskBytes = ''] = process.argv.slice(2)
const cache = cached(hash({ dimensions: 64 }), { path, maxDiskBytes: Number(maxDiskBytes) })
await cache.open()
const first = Date.now() * 1000

for (let call = 0; ; call++) {
  const texts = Array.from({ length: 16 }, (_, place) => `text ${first + call} ${place}`)
  await cache.embed(texts, new AbortController().signal)
  process.stdout.write(`${call}\n`)
  await new Promise(setImmediate)
}
