import { isEmbedder } from '../../embed/embedder.ts'
import { type Check, ok } from './check.ts'

/** Whatever makes vectors: opened, so that files are hashed and servers asked. */
export const models: Check<'models'> = {
  name: 'model',
  needs: ['models'],
  examine: async ({ models: opened }) =>
    opened.map((model) =>
      ok(isEmbedder(model) ? `${model.id} makes vectors of ${model.dimensions} dimensions` : 'opened'),
    ),
}
