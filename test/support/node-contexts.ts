import { AsyncLocalStorage } from 'node:async_hooks'
import { type Context, type ContextManager, ROOT_CONTEXT } from '@opentelemetry/api'

/** The active context as Node keeps it through promises. */
export class NodeContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>()

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT
  }

  with: ContextManager['with'] = (active, action, self, ...parameters) =>
    this.#storage.run(active, () => Reflect.apply(action, self, parameters))

  bind: ContextManager['bind'] = (_, target) => target

  enable(): this {
    return this
  }

  disable(): this {
    this.#storage.disable()
    return this
  }
}
