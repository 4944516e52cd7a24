// A process that loads weights into the runtime and says so, for the figure of the cold start: the built session file and the weights.
const [, , file, weights] = process.argv
const { createSession } = await import(file)
const session = await createSession({ weights, mode: 'exact', provider: 'cpu' })
console.log(session.inputNames.length)
await session.release()
