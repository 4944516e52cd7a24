// A process that embeds one text and says so, for the figure of the cold start: the built package and a model.
const [, , embed, model] = process.argv
const { createEmbedder } = await import(embed)
const embedder = await createEmbedder({ model, workers: 1 })
const [vector] = await embedder.embed(['Mills grind grain.'])
console.log(vector.length)
await embedder.close()
